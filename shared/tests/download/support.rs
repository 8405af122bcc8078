//! An S3 behind a proxy that injects faults, and a client that counts failures.

use std::io::Write;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, ConfigBag, Intercept, RuntimeComponents, StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::{BoxError, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use flate2::Compression;
use flate2::write::GzEncoder;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use shared::aws::Download;
use shared::contents::{Contents, Limits};
use shared::local_aws::{BUCKET, LocalAws};
use testing::fault_proxy::FaultProxy;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a body may stall, and how long a response may take. A stall is noticed before the test
/// gives up, but a slow transfer takes longer than this.
pub const STALL: Duration = Duration::from_secs(1);

pub struct World {
    pub local: LocalAws,
    pub proxy: FaultProxy,
    /// Speaks to the proxy. It does not retry by itself, so all retries are `Download`'s.
    pub s3: Client,
    failures: watch::Receiver<u32>,
}

impl World {
    pub async fn new() -> Self {
        let local = LocalAws::start(0, "queue").await.unwrap();
        let proxy = FaultProxy::start(local.endpoint_url()).await.unwrap();
        let (failed, failures) = watch::channel(0);
        let config = config(&local.aws().s3, &proxy.endpoint_url()).interceptor(Failures(failed));
        Self { local, proxy, s3: Client::from_conf(config.build()), failures }
    }

    /// Puts an object into S3, bypassing the proxy.
    pub async fn put(&self, key: &str, content: impl Into<Vec<u8>>) {
        let put = self.local.aws().s3.put_object().bucket(BUCKET).key(key);
        put.body(content.into().into()).send().await.unwrap();
    }

    pub async fn delete(&self, key: &str) {
        self.local.aws().s3.delete_object().bucket(BUCKET).key(key).send().await.unwrap();
    }

    pub fn get(&self, key: &str) -> GetObjectFluentBuilder {
        self.s3.get_object().bucket(BUCKET).key(key)
    }

    pub async fn start(&self, key: &str) -> Result<Download, SdkError<GetObjectError>> {
        in_time(Download::start(self.get(key))).await
    }

    /// Downloads a whole object.
    pub async fn download(&self, key: &str) -> std::io::Result<Vec<u8>> {
        rest(&mut self.start(key).await.unwrap()).await
    }

    /// Downloads and unzips a whole object.
    pub async fn unzip(&self, key: &str, limits: Limits) -> std::io::Result<Vec<u8>> {
        let download = self.start(key).await.unwrap();
        let mut contents = in_time(Contents::unzip(download, limits)).await;
        let mut whole = Vec::new();
        while let Some(chunk) = in_time(contents.next()).await? {
            whole.extend_from_slice(chunk);
        }
        Ok(whole)
    }

    /// The number of requests for objects.
    pub fn requests(&self) -> usize {
        self.proxy.count("GetObject")
    }

    /// Waits until two more requests have failed, including those that did not reach the proxy.
    pub async fn until_two_more_failures(&self) {
        let mut failures = self.failures.clone();
        let now = *failures.borrow();
        in_time(failures.wait_for(|failures| *failures >= now + 2)).await.unwrap();
    }
}

/// A test that hangs has failed: a download itself keeps trying for five minutes.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_mins(1), future).await.expect("it does not hang")
}

/// Returns all bytes that are not read yet.
pub async fn rest(download: &mut Download) -> std::io::Result<Vec<u8>> {
    let mut rest = Vec::new();
    while let Some(chunk) = in_time(download.next()).await? {
        rest.extend_from_slice(&chunk);
    }
    Ok(rest)
}

/// A configuration like `client`'s, with shorter times where a test cannot wait.
pub fn config(client: &Client, endpoint: &str) -> Builder {
    let stall = StalledStreamProtectionConfig::enabled().grace_period(STALL);
    let config = client.config().to_builder().endpoint_url(endpoint);
    config
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(stall.build())
        .timeout_config(TimeoutConfig::builder().read_timeout(STALL).build())
}

/// Bytes that hardly shrink by zipping, the same at each call.
pub fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(length as u64).fill_bytes(&mut bytes);
    bytes
}

pub fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// Counts failed requests.
#[derive(Debug)]
struct Failures(watch::Sender<u32>);

impl Intercept for Failures {
    fn name(&self) -> &'static str {
        "Failures"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.output_or_error().is_none_or(|it| it.is_err()) {
            self.0.send_modify(|failures| *failures += 1);
        }
        Ok(())
    }
}
