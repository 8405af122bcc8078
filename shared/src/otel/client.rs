//! Sends requests to the collector, with the HTTP client that the SDK has.

use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use std::{env, io, thread};

use async_trait::async_trait;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::{Builder, Handle};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::aws::Http;
use crate::error::chain;

/// A client on a thread of its own, because traces are also sent while the program's own runtime ends.
#[derive(Clone, Debug)]
pub(super) struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connector: SharedHttpConnector,
    handle: Handle,
    limit: Duration,
    is_failing: AtomicBool,
}

/// How long one request may take, unless `OTEL_EXPORTER_OTLP_TIMEOUT` says otherwise.
const LIMIT: Duration = Duration::from_secs(10);
/// A collector's answer is a few bytes.
const LARGEST_ANSWER: usize = 1024 * 1024;

impl Client {
    /// Trusts the certificates in the file `OTEL_EXPORTER_OTLP_CERTIFICATE`, or else those of the machine. Goes through the
    /// proxy in the environment.
    pub(super) fn open() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let certificates = env::var_os("OTEL_EXPORTER_OTLP_CERTIFICATE");
        let certificates = certificates.filter(|path| !path.is_empty());
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        // Until the process ends.
        let run = move || runtime.block_on(pending::<()>());
        thread::Builder::new().name("otel".to_owned()).spawn(run)?;
        let limit = env::var("OTEL_EXPORTER_OTLP_TIMEOUT");
        let limit = limit.ok().and_then(|milliseconds| milliseconds.parse().ok());
        Ok(Self(Arc::new(Inner {
            connector: Http::new(certificates.as_deref().map(Path::new))?.connector(),
            handle,
            limit: limit.map_or(LIMIT, Duration::from_millis),
            is_failing: AtomicBool::new(false),
        })))
    }

    /// Logs the first failure, and the end of the failures.
    fn note(&self, host: &str, failure: Option<&str>) {
        let was_failing = self.0.is_failing.swap(failure.is_some(), Relaxed);
        match failure {
            Some(failure) if !was_failing => {
                warn!(
                    "The OpenTelemetry collector {host} does not take traces or metrics: {failure}"
                );
            }
            None if was_failing => {
                info!("The OpenTelemetry collector {host} takes traces and metrics again");
            }
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // Without the rest of the address, which can have a password.
        let host = request.uri().host().unwrap_or_default().to_owned();
        let (limit, connector) = (self.0.limit, self.0.connector.clone());
        let sent = async move { timeout(limit, send(connector, request)).await };
        // The caller is on a thread without a runtime.
        let answer = match self.0.handle.spawn(sent).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(elapsed)) => Err(elapsed.into()),
            Err(panicked) => Err(panicked.into()),
        };
        let failure = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("HTTP {}", answer.status())),
            Err(error) => Some(chain(&**error)),
        };
        self.note(&host, failure.as_deref());
        answer
    }
}

async fn send(
    connector: SharedHttpConnector,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let request = HttpRequest::try_from(request.map(SdkBody::from))?;
    let (head, body) = connector.call(request).await?.try_into_http1x()?.into_parts();
    let (mut body, mut bytes) = (ByteStream::new(body), BytesMut::new());
    while let Some(chunk) = body.next().await.transpose()? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LARGEST_ANSWER {
            return Err(io::Error::other("the answer is too large").into());
        }
    }
    Ok(Response::from_parts(head, bytes.freeze()))
}
