//! An embedded SQS and S3, for a machine without an AWS account. It is a stand-in, and only that.
//!
//! Both speak their real protocol over HTTP, at one address on the loopback interface, so that the AWS SDK,
//! the AWS CLI and boto3 work against them. The queues come from [rustack], and [s3s] speaks S3's protocol.
//! This crate adds the store behind s3s, and tells a queue of every object created in a bucket. Everything is
//! in memory, and gone when the process ends.
//!
//! | file | task |
//! |---|---|
//! | `lib.rs` | starts both, and sends each request to one of them |
//! | [`sqs`] | SQS: rustack's queues, corrected where they differ from SQS |
//! | [`s3`] | S3: answers from the store the requests that s3s has read |
//! | [`auth`] | whose requests S3 answers |
//! | [`versions`] | lists the versions of objects |
//! | [`store`] | the buckets and their objects |
//! | [`notification`] | tells a queue which objects were created |
//! | [`samples`] | makes the talk's twelve daily files |
//! | [`pipe`] | connects the SDK to both in memory, for a paused clock |
//! | `main.rs` | the program |
//!
//! [rustack]: https://github.com/tyrchen/rustack
//! [s3s]: https://github.com/Nugine/s3s

mod auth;
mod notification;
mod pipe;
mod s3;
mod samples;
mod sqs;
mod store;
mod versions;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, SharedCredentialsProvider, SharedHttpClient,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Event, NotificationConfiguration, QueueConfiguration};
use aws_sdk_sqs::types::QueueAttributeName;
use aws_types::SdkConfig;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
pub use pipe::Pipe;
use rustack_sqs_core::config::SqsConfig;
use rustack_sqs_core::provider::RustackSqs;
use rustack_sqs_http::service::{SqsHttpConfig, SqsHttpService};
use s3s::Body;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

/// The region that the stand-in claims to be.
pub const REGION: &str = "us-east-1";
/// The account that the stand-in claims to belong to.
pub const ACCOUNT: &str = "000000000000";
/// The access key id and the secret key that the stand-in expects.
pub const ACCESS_KEY: &str = "test";
/// The bucket that exists from the start, and that [`fill`](LocalAws::fill) puts files into.
pub const BUCKET: &str = "warehouse.development";

/// The port that an address in memory has, because it must have one.
const IN_MEMORY: u16 = 4566;

/// An embedded SQS and S3. It serves until the end of the tokio runtime that it was started in.
pub struct LocalAws {
    address: SocketAddr,
    config: SdkConfig,
    aws: Aws,
    requests: Requests,
    latency: Latency,
}

/// Clients to an embedded SQS and S3, with the SDK's own settings.
#[derive(Clone, Debug)]
pub struct Aws {
    /// A client to SQS, with the queue that exists from the start.
    pub queue: Queue,
    /// A client to S3.
    pub s3: aws_sdk_s3::Client,
}

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue {
    /// A client for it.
    pub client: aws_sdk_sqs::Client,
    /// Its URL.
    pub url: String,
}

/// Any error.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How many times each operation of SQS was requested.
type Requests = Arc<Mutex<BTreeMap<String, u64>>>;

/// How long each answer takes at least.
type Latency = Arc<Mutex<Duration>>;

/// The embedded SQS and S3 could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LocalAwsError {
    /// The port cannot be served, most likely because it is taken.
    #[error("cannot serve SQS and S3 at 127.0.0.1:{port}: {source}. Is the port in use?")]
    Bind {
        /// The requested port.
        port: u16,
        /// The system's error.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: BoxError,
    },
    /// A request to it failed.
    #[error("the embedded SQS and S3 do not work")]
    Request(#[source] BoxError),
}

impl LocalAws {
    /// Starts to serve at 127.0.0.1, at this port or, if it is 0, at a free one. From then on there is a
    /// queue of this name, and the bucket [`BUCKET`], which tells the queue of every object created in it.
    ///
    /// # Errors
    ///
    /// If it cannot serve at the port.
    pub async fn start(port: u16, queue_name: &str) -> Result<Self, LocalAwsError> {
        let bind_error = |source| LocalAwsError::Bind { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        Self::start_at(address, queue_name, |router| {
            tokio::spawn(serve(listener, router));
            None
        })
        .await
    }

    /// Does the same as [`start`](Self::start), but nothing listens at its address: its own clients, and clients made
    /// from [`sdk_config`](Self::sdk_config), reach it in memory, because a paused clock does not wait for a socket.
    ///
    /// # Errors
    ///
    /// None is known.
    pub async fn start_in_memory(queue_name: &str) -> Result<Self, LocalAwsError> {
        Self::start_through(queue_name, pipe::client).await
    }

    /// Does the same as [`start_in_memory`](Self::start_in_memory), but with a network of the caller's: `http_client`
    /// makes the client that the SDK sends its requests with.
    ///
    /// # Errors
    ///
    /// If the network does not let requests through.
    pub async fn start_through(
        queue_name: &str,
        http_client: impl FnOnce(Pipe) -> SharedHttpClient,
    ) -> Result<Self, LocalAwsError> {
        let address = (Ipv4Addr::LOCALHOST, IN_MEMORY).into();
        Self::start_at(address, queue_name, |router| Some(http_client(Pipe::to(router)))).await
    }

    async fn start_at(
        address: SocketAddr,
        queue_name: &str,
        http_client: impl FnOnce(Router) -> Option<SharedHttpClient>,
    ) -> Result<Self, LocalAwsError> {
        let requests = Requests::default();
        let router = Router::new(address, requests.clone());
        let latency = router.latency.clone();
        let mut config = sdk_config(&format!("http://{address}")).into_builder();
        if let Some(client) = http_client(router) {
            config.set_http_client(Some(client));
        }
        let config = config.build();
        let aws = set_up(&config, queue_name).await?;
        Ok(Self { address, config, aws, requests, latency })
    }

    /// Returns its address: `http://127.0.0.1:` and the port.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the URL of its queue.
    pub fn queue_url(&self) -> &str {
        &self.aws.queue.url
    }

    /// Returns the configuration of clients to it.
    pub fn sdk_config(&self) -> &SdkConfig {
        &self.config
    }

    /// Returns clients to it, and its queue.
    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    /// Returns how many times each operation of SQS was requested so far, by its name, such as
    /// `ReceiveMessage`. AWS charges for SQS by these requests.
    pub fn sqs_requests(&self) -> BTreeMap<String, u64> {
        self.requests.lock().clone()
    }

    /// From now on, each answer takes at least this long, as if SQS and S3 were far away.
    pub fn answer_after(&self, latency: Duration) {
        *self.latency.lock() = latency;
    }

    /// Puts files into [`BUCKET`]: the given ones, under `packrat/data/` and their names. If none are given,
    /// it puts the talk's twelve daily files there.
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
                LocalAwsError::File { path: path.clone(), source: error.into() }
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

/// A key for each file: its name. If files in different folders have the same name, the key is the path.
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

/// Reads a latency from the command line: `300ms` or `2s`.
///
/// # Errors
///
/// If it is neither.
pub fn latency(text: &str) -> Result<Duration, &'static str> {
    let unit = |suffix: &str| text.strip_suffix(suffix).and_then(|number| number.parse().ok());
    let milliseconds = unit("ms").map(Duration::from_millis);
    milliseconds.or_else(|| unit("s").map(Duration::from_secs)).ok_or("write it as 300ms or 2s")
}

/// Returns the configuration of clients to an embedded SQS and S3 at this endpoint. It ignores the
/// configuration in the environment, proxies too: they know another machine by the name 127.0.0.1.
pub fn sdk_config(endpoint_url: &str) -> SdkConfig {
    let keys = Credentials::new(ACCESS_KEY, ACCESS_KEY, None, None, "embedded");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint_url)
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

async fn set_up(config: &SdkConfig, queue_name: &str) -> Result<Aws, LocalAwsError> {
    let sqs = aws_sdk_sqs::Client::new(config);
    // The stand-in has one address, so its host cannot contain a bucket's name.
    let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(s3);
    let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue_name}");
    // AWS requires such a policy. The stand-in does not, but it says which bucket the queue is for.
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "s3.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": { "ArnEquals": { "aws:SourceArn": format!("arn:aws:s3:::{BUCKET}") } },
        }],
    });
    let create = sqs.create_queue().queue_name(queue_name);
    let create = create.attributes(QueueAttributeName::Policy, policy.to_string());
    let created = create.send().await.map_err(request_error)?;
    let url = created.queue_url.unwrap_or_default();
    let queue = QueueConfiguration::builder()
        .queue_arn(arn)
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
    Ok(Aws { queue: Queue { client: sqs, url }, s3 })
}

fn request_error(error: impl Into<BoxError>) -> LocalAwsError {
    LocalAwsError::Request(error.into())
}

async fn serve(listener: TcpListener, router: Router) {
    loop {
        match listener.accept().await {
            Ok((connection, _)) => {
                // Answers are small, and a client waits for each.
                let _ = connection.set_nodelay(true);
                tokio::spawn(serve_connection(connection, router.clone()));
            }
            // Most likely too many files are open, and some will be closed.
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

/// Requests to SQS name their action in a header. All other requests are for S3.
#[derive(Clone)]
struct Router {
    sqs: SqsHttpService<sqs::Sqs>,
    s3: S3Service,
    requests: Requests,
    latency: Latency,
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
        s3.set_auth(auth::Auth);
        // A clock that was paused can be hours ahead of this machine's, by which s3s judges a signature.
        let mut config = S3Config::default();
        config.presigned_url_max_skew_time_secs = u32::MAX;
        s3.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        Self {
            sqs: SqsHttpService::new(Arc::new(sqs), SqsHttpConfig::default()),
            s3: s3.build(),
            requests,
            latency: Latency::default(),
        }
    }

    /// Counts a request to SQS: `AmazonSQS.ReceiveMessage`.
    fn count(&self, target: &HeaderValue) {
        let target = target.to_str().unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        tracing::debug!(operation, "{operation} is requested");
        let mut requests = self.requests.lock();
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
            let latency = *router.latency.lock();
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            let Some(target) = request.headers().get("x-amz-target") else {
                return router.s3.call(request.map(Body::from)).await;
            };
            router.count(target);
            let answer: Result<_, Infallible> = router.sqs.call(request).await;
            Ok(answer.unwrap_or_else(|never| match never {}).map(Body::http_body))
        })
    }
}
