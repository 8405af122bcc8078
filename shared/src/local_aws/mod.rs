//! SQS and S3 embedded, for a machine without an AWS account: a stand-in, and only that.
//!
//! Both speak their real protocol over HTTP, at one address on the loopback interface, so that the
//! AWS SDK, the AWS CLI or boto3 work against them. The queues are [rustack]'s, S3's protocol is
//! [s3s]'s work; ours is the store behind it, and that a bucket tells a queue of every object
//! created in it. All of it is in memory, and gone when the process ends.
//!
//! [rustack]: https://github.com/tyrchen/rustack
//! [s3s]: https://github.com/Nugine/s3s

mod notification;
mod pipe;
mod s3;
mod samples;
mod sqs;
mod store;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::SharedHttpClient;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Event, NotificationConfiguration, QueueConfiguration};
use aws_sdk_sqs::types::QueueAttributeName;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustack_sqs_core::config::SqsConfig;
use rustack_sqs_core::provider::RustackSqs;
use rustack_sqs_http::service::{SqsHttpConfig, SqsHttpService};
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::aws::{Aws, Clients, Queue, VISIBILITY_TIMEOUT};
use crate::clock;
use crate::error::chain;

/// The region that it claims to be.
pub const REGION: &str = "us-east-1";
/// The account that it claims to belong to.
pub const ACCOUNT: &str = "000000000000";
/// The access key id and the secret key that it expects.
pub const ACCESS_KEY: &str = "test";
/// The bucket that is there when it starts, and that [`fill`](LocalAws::fill) puts files into.
pub const BUCKET: &str = "warehouse.development";

/// An embedded SQS and S3. It serves until the tokio runtime that it was started in ends.
pub struct LocalAws {
    address: SocketAddr,
    aws: Aws,
    requests: Requests,
}

/// How often each operation of SQS was requested.
type Requests = Arc<Mutex<BTreeMap<String, u64>>>;

/// Something went wrong while the embedded SQS and S3 were set up.
#[derive(Debug, thiserror::Error)]
pub enum LocalAwsError {
    /// The port is taken, most likely.
    #[error("cannot serve SQS and S3 at 127.0.0.1:{port}: {source}. Is the port in use?")]
    Bind {
        /// The port that was asked for.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A request to it failed.
    #[error("the embedded SQS and S3 do not work: {0}")]
    Request(String),
}

impl LocalAws {
    /// Starts to serve at 127.0.0.1, at this port or, if it is 0, at a free one. There is a queue of
    /// this name then, and the bucket [`BUCKET`], which tells the queue of every object created in it.
    ///
    /// # Errors
    ///
    /// If the port cannot be served at.
    pub async fn start(port: u16, queue_name: &str) -> Result<Self, LocalAwsError> {
        let bind_error = |source| LocalAwsError::Bind { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        let requests = Requests::default();
        let router = Router::new(address, requests.clone());
        tokio::spawn(serve(listener, router.clone()));

        let clients = Clients::local_by(&format!("http://{address}"), way_to(router));
        let aws = set_up(clients, queue_name).await?;
        Ok(Self { address, aws, requests })
    }

    /// Where it is: `http://127.0.0.1:` and the port.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Clients to it, and its queue.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// How often each operation of SQS was requested so far, by its name: `ReceiveMessage`. Who pays for
    /// SQS pays for these.
    pub fn sqs_requests(&self) -> BTreeMap<String, u64> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts files into [`BUCKET`]: these, under `packrat/data/` and their names, or, if there are
    /// none, the talk's twelve daily files.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub async fn fill(&self, files: &[PathBuf]) -> Result<(), LocalAwsError> {
        if files.is_empty() {
            let samples = samples::daily_files().map_err(request_error)?;
            for (key, content) in samples {
                self.put(&key, content.into()).await?;
            }
        }
        for (path, key) in files.iter().zip(keys(files)) {
            let content = ByteStream::from_path(path).await.map_err(|error| {
                LocalAwsError::File { path: path.clone(), reason: chain(&error) }
            })?;
            self.put(&key, content).await?;
        }
        Ok(())
    }

    async fn put(&self, key: &str, content: ByteStream) -> Result<(), LocalAwsError> {
        let put = self.aws.s3.put_object().bucket(BUCKET).key(key).body(content);
        put.send().await.map(drop).map_err(request_error)
    }
}

/// A key for each file: its name; or, for files of one name in different folders, its path.
fn keys(files: &[PathBuf]) -> Vec<String> {
    let name = |path: &PathBuf| {
        path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
    };
    let mut names: Vec<_> = files.iter().map(name).collect();
    names.sort_unstable();
    let is_unique = |name: &String| {
        let first = names.partition_point(|other| other < name);
        names.get(first + 1) != Some(name)
    };
    let path = |path: &PathBuf| path.to_string_lossy().trim_start_matches('/').to_owned();
    files
        .iter()
        .map(|file| Some(name(file)).filter(is_unique).unwrap_or_else(|| path(file)))
        .map(|name| format!("packrat/data/{name}"))
        .collect()
}

async fn set_up(clients: Clients, queue_name: &str) -> Result<Aws, LocalAwsError> {
    let Clients { sqs, s3 } = clients;
    let created = sqs.create_queue().queue_name(queue_name).send().await.map_err(request_error)?;
    let url = created.queue_url.unwrap_or_default();
    let attributes = sqs
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(QueueAttributeName::QueueArn)
        .send()
        .await
        .map_err(request_error)?;
    let arn = attributes.attributes.and_then(|mut all| all.remove(&QueueAttributeName::QueueArn));
    let queue = QueueConfiguration::builder()
        .queue_arn(arn.unwrap_or_default())
        .events(Event::from("s3:ObjectCreated:*"))
        .build()
        .map_err(request_error)?;
    let notifications = NotificationConfiguration::builder().queue_configurations(queue).build();
    s3.create_bucket().bucket(BUCKET).send().await.map_err(request_error)?;
    s3.put_bucket_notification_configuration()
        .bucket(BUCKET)
        .notification_configuration(notifications)
        .send()
        .await
        .map_err(request_error)?;
    Ok(Aws { queue: Queue::new(sqs, url, VISIBILITY_TIMEOUT), s3 })
}

#[allow(clippy::needless_pass_by_value)] // As `map_err` has it.
fn request_error(error: impl std::error::Error) -> LocalAwsError {
    LocalAwsError::Request(chain(&error))
}

/// How the SDK gets to it: by its address, unless the clock is paused.
fn way_to(router: Router) -> Option<SharedHttpClient> {
    clock::paused().map(|_| pipe::client(router))
}

async fn serve(listener: TcpListener, router: Router) {
    loop {
        match listener.accept().await {
            Ok((connection, _)) => {
                // Answers are small, and somebody waits for them.
                let _ = connection.set_nodelay(true);
                tokio::spawn(serve_connection(connection, router.clone()));
            }
            // Too many open files, most likely: some will be closed.
            Err(error) => {
                tracing::error!("the embedded SQS and S3 cannot accept a connection: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve_connection<C>(connection: C, router: Router)
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let server = auto::Builder::new(TokioExecutor::new());
    if let Err(error) = server.serve_connection(TokioIo::new(connection), router).await {
        tracing::debug!("a connection to the embedded SQS and S3 broke: {error}");
    }
}

/// Requests to SQS name their action in a header. Everything else is for S3.
#[derive(Clone)]
struct Router {
    sqs: SqsHttpService<sqs::Sqs>,
    s3: S3Service,
    requests: Requests,
}

impl Router {
    fn new(address: SocketAddr, requests: Requests) -> Self {
        let queues = Arc::new(RustackSqs::new(SqsConfig {
            default_region: REGION.to_owned(),
            account_id: ACCOUNT.to_owned(),
            host: address.ip().to_string(),
            port: address.port(),
            skip_signature_validation: true,
        }));
        let sqs = sqs::Sqs::new(queues.clone());
        let mut s3 = S3ServiceBuilder::new(s3::EmbeddedS3::new(queues));
        s3.set_auth(SimpleAuth::from_single(ACCESS_KEY, ACCESS_KEY));
        Self {
            sqs: SqsHttpService::new(Arc::new(sqs), SqsHttpConfig::default()),
            s3: s3.build(),
            requests,
        }
    }

    /// Counts a request to SQS: `AmazonSQS.ReceiveMessage`.
    fn count(&self, target: &HeaderValue) {
        let target = target.to_str().unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        tracing::debug!(operation, "{operation} is requested");
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry(operation.to_owned()).or_default() += 1;
    }
}

impl Service<Request<Incoming>> for Router {
    type Response = Response<Body>;
    type Error = s3s::HttpError;
    type Future = std::pin::Pin<
        Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send + 'static>,
    >;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let router = self.clone();
        Box::pin(async move {
            let Some(target) = request.headers().get("x-amz-target") else {
                return router.s3.call(request.map(Body::from)).await;
            };
            router.count(target);
            let answer: Result<_, Infallible> = router.sqs.call(request).await;
            Ok(answer.unwrap_or_else(|never| match never {}).map(Body::http_body))
        })
    }
}
