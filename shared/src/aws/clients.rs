//! Sets up the SDK's clients.

use std::time::Duration;

use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::ProvideCredentials;

use crate::UsageError;
use crate::error::chain;
use local_aws::LocalAwsError;

/// A client for each service.
#[derive(Clone, Debug)]
pub struct Clients {
    /// For SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// For S3.
    pub s3: aws_sdk_s3::Client,
}

/// SQS and S3 cannot be used. The message tells the user how to fix it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No region is configured.
    #[error("no AWS region is configured: set AWS_REGION, for instance to us-east-1")]
    NoRegion,
    /// No credentials are configured, or the SDK cannot get them.
    #[error(
        "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where there is an IAM role ({0})"
    )]
    NoCredentials(String),
    /// The queue does not exist.
    #[error("there is no queue {queue} in this account and region: {hint}")]
    NoQueue {
        /// Its URL or its name.
        queue: String,
        /// Where the user should look for it.
        hint: &'static str,
    },
    /// SQS does not answer, or refuses the request.
    #[error(
        "the queue {queue} cannot be used: {reason}. Is that the right queue (SQS_QUEUE_URL), and does SQS answer there (AWS_ENDPOINT_URL)?"
    )]
    Sqs {
        /// The queue's URL or name.
        queue: String,
        /// The error.
        reason: String,
    },
    /// An argument or an environment variable is invalid.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The embedded SQS and S3 cannot be used.
    #[error(transparent)]
    Embedded(#[from] LocalAwsError),
}

/// A receive waits at most 20 seconds. This leaves it a little more.
const SQS_TIMEOUT: Duration = Duration::from_secs(25);
/// The limit for the first byte of a response. A download may take as long as it needs.
const S3_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a download may stall. Then its connection is taken for dead, and the download continues
/// over another one. One byte in that time is enough. Time does not count while the program is not
/// reading, because it is still using the bytes that came before.
const S3_STALL: Duration = Duration::from_secs(20);
/// The STS request only looks up a name.
const STS_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The configuration from the SDK's standard chain: environment, profile, IAM role. It may
/// be incomplete.
#[derive(Debug)]
pub(crate) struct Configured {
    config: SdkConfig,
    /// The address of SQS, if it differs from the other services'.
    pub(crate) sqs_endpoint: Option<String>,
}

impl Configured {
    pub(crate) async fn load(endpoint_url: Option<&str>, queue_url: Option<&str>) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(url) = endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let config = loader.load().await;
        let in_queue_url = queue_url.and_then(region_in);
        let region = config.region().cloned().or_else(|| in_queue_url.map(Region::new));
        // A queue's URL contains an address: outside AWS, that is where the queue is.
        let sqs_endpoint =
            queue_url.filter(|_| endpoint_url.is_none()).and_then(origin_outside_aws);
        Self {
            config: config.into_builder().region(region).build(),
            sqs_endpoint: sqs_endpoint.map(str::to_owned),
        }
    }

    pub(crate) fn endpoint_url(&self) -> Option<&str> {
        self.config.endpoint_url()
    }

    pub(crate) fn region(&self) -> Result<&Region, ConnectError> {
        self.config.region().ok_or(ConnectError::NoRegion)
    }

    pub(crate) async fn credentials(&self) -> Result<(), ConnectError> {
        let Some(provider) = self.config.credentials_provider() else {
            return Err(ConnectError::NoCredentials("there is no provider".to_owned()));
        };
        let credentials = provider.provide_credentials().await;
        credentials.map(drop).map_err(|error| ConnectError::NoCredentials(chain(&error)))
    }

    /// Returns the clients, if a region and credentials are configured.
    pub(crate) async fn sufficient(&self) -> Result<Clients, ConnectError> {
        self.region()?;
        self.credentials().await?;
        Ok(self.clients())
    }

    pub(crate) fn clients(&self) -> Clients {
        Clients::new(&self.config, self.sqs_endpoint.as_deref())
    }

    /// A client for STS, which knows whose credentials these are.
    pub(crate) fn sts(&self) -> aws_sdk_sts::Client {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(STS_TIMEOUT)
            .build();
        let sts = aws_sdk_sts::config::Builder::from(&self.config).timeout_config(timeouts);
        aws_sdk_sts::Client::from_conf(sts.build())
    }
}

impl Clients {
    /// Clients for an embedded SQS and S3 at this endpoint.
    #[cfg(test)]
    pub(crate) fn local(endpoint_url: &str) -> Self {
        Self::new(&local_aws::sdk_config(endpoint_url), None)
    }

    pub(crate) fn new(config: &SdkConfig, sqs_endpoint: Option<&str>) -> Self {
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT);
        let mut sqs = aws_sdk_sqs::config::Builder::from(config)
            .timeout_config(timeouts.clone().operation_attempt_timeout(SQS_TIMEOUT).build());
        if let Some(endpoint) = sqs_endpoint {
            sqs = sqs.endpoint_url(endpoint);
        }
        let s3 = aws_sdk_s3::config::Builder::from(config)
            .timeout_config(timeouts.read_timeout(S3_TIMEOUT).build())
            .stalled_stream_protection(
                StalledStreamProtectionConfig::enabled().grace_period(S3_STALL).build(),
            )
            // AWS accepts the bucket's name as part of the host name. Hardly any other S3 does.
            .force_path_style(config.endpoint_url().is_some());
        Self {
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
        }
    }
}

/// The region in `https://sqs.eu-west-1.amazonaws.com/123456789012/queue`.
pub(crate) fn region_in(queue_url: &str) -> Option<String> {
    let host = queue_url.strip_prefix("https://sqs.")?.split('/').next()?;
    let (region, _) = host.split_once(".amazonaws.com")?;
    Some(region.to_owned())
}

/// Returns `http://localhost:4566` for `http://localhost:4566/000000000000/queue`, and `None` for a
/// queue at AWS.
fn origin_outside_aws(queue_url: &str) -> Option<&str> {
    let host_at = queue_url.find("://")? + 3;
    let host_len = queue_url[host_at..].find('/')?;
    let origin = &queue_url[..host_at + host_len];
    let host = &origin[host_at..];
    let at_aws = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
    (!at_aws).then_some(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_url_at_aws_names_its_region() {
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/queue";
        assert_eq!(region_in(url).as_deref(), Some("eu-west-1"));
        assert_eq!(origin_outside_aws(url), None);
    }

    #[test]
    fn a_queue_url_elsewhere_names_the_endpoint() {
        let url = "http://localhost:4566/000000000000/queue";
        assert_eq!(region_in(url), None);
        assert_eq!(origin_outside_aws(url), Some("http://localhost:4566"));
    }
}
