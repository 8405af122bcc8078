//! Takes traces and metrics over HTTP, as an OpenTelemetry collector does.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
pub use opentelemetry_proto::tonic as proto;
use parking_lot::Mutex;
use prost::{DecodeError, Message};
use proto::collector::metrics::v1::ExportMetricsServiceRequest;
use proto::collector::trace::v1::ExportTraceServiceRequest;
use proto::metrics::v1::{Metric, ResourceMetrics};
use proto::trace::v1::{ResourceSpans, Span};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// A collector at 127.0.0.1. Dropping it closes it.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Taken>>,
    serving: AbortHandle,
}

/// All that it was sent.
#[derive(Debug, Default)]
struct Taken {
    traces: Vec<ResourceSpans>,
    metrics: Vec<ResourceMetrics>,
}

impl Collector {
    /// # Errors
    ///
    /// If there is no free port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let taken = Arc::<Mutex<Taken>>::default();
        let serving = tokio::spawn(serve(listener, taken.clone())).abort_handle();
        Ok(Self { address, taken, serving })
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans of programs, with the attributes of each program.
    pub fn resources(&self) -> Vec<ResourceSpans> {
        self.taken.lock().traces.clone()
    }

    /// The spans that were sent so far.
    pub fn spans(&self) -> Vec<Span> {
        let scopes = self.resources().into_iter().flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// The numbers that were sent last.
    pub fn metrics(&self) -> Vec<Metric> {
        let last = self.taken.lock().metrics.last().cloned();
        let scopes = last.into_iter().flat_map(|resource| resource.scope_metrics);
        scopes.flat_map(|scope| scope.metrics).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, taken: Arc<Mutex<Taken>>) {
    while let Ok((connection, _)) = listener.accept().await {
        let taken = taken.clone();
        let service = service_fn(move |request| answer(request, taken.clone()));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    taken: Arc<Mutex<Taken>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let is_protobuf =
        head.headers.get("content-type").is_some_and(|it| it == "application/x-protobuf");
    let status = match taken.lock().take(head.uri.path(), &body) {
        Ok(true) if is_protobuf => StatusCode::OK,
        Ok(true) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Ok(false) => StatusCode::NOT_FOUND,
        Err(_) => StatusCode::BAD_REQUEST,
    };
    // An empty message of protobuf: all is taken.
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    Ok(answer)
}

impl Taken {
    /// Returns whether there is something at this path.
    fn take(&mut self, path: &str, body: &[u8]) -> Result<bool, DecodeError> {
        match path {
            "/v1/traces" => {
                self.traces.extend(ExportTraceServiceRequest::decode(body)?.resource_spans);
            }
            "/v1/metrics" => {
                self.metrics.extend(ExportMetricsServiceRequest::decode(body)?.resource_metrics);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}
