//! Sets up the SDK's clients.

use std::path::Path;
use std::time::Duration;

use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::ProvideCredentials;
use aws_types::origin::Origin;

use super::address::{self, Address};
use super::http::Http;
use crate::error::chain;
use crate::{UsageError, otel};
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
    #[error("there is no queue {queue} in this account and in the region {region}: {hint}")]
    NoQueue {
        /// Its URL or its name.
        queue: String,
        /// The region that was asked.
        region: String,
        /// Where the user should look for it.
        hint: &'static str,
    },
    /// SQS does not answer, or refuses the request.
    #[error(
        "the queue {queue} cannot be used: {reason} (asked in the region {region}). Is that the right queue (SQS_QUEUE_URL), and does SQS answer there (AWS_ENDPOINT_URL)?"
    )]
    Sqs {
        /// The queue's URL or name.
        queue: String,
        /// The region that was asked.
        region: String,
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
    pub(crate) sqs: Address,
    pub(crate) s3: Address,
}

impl Configured {
    /// `endpoint_url` wins over all endpoints in the configuration.
    ///
    /// # Errors
    ///
    /// If the configured certificates cannot be used.
    pub(crate) async fn load(
        endpoint_url: Option<&str>,
        queue_url: Option<&str>,
    ) -> Result<Self, UsageError> {
        let load = |http: &Http| {
            let loader = aws_config::defaults(BehaviorVersion::latest());
            let loader = loader.http_client(http.client());
            match endpoint_url {
                Some(url) => loader.endpoint_url(url).load(),
                None => loader.load(),
            }
        };
        let mut config = load(&Http::new(None)?).await;
        if let Some(path) = address::setting(&config, "S3", "AWS_CA_BUNDLE", "ca_bundle") {
            // Once more, because credentials can come over the network too.
            config = load(&Http::new(Some(Path::new(&path)))?).await;
        }
        let (sqs, s3) = Address::of_sqs_and_s3(&config, queue_url);
        let region = config.region().cloned().or_else(|| sqs.region.clone());
        Ok(Self { config: config.into_builder().region(region).build(), sqs, s3 })
    }

    /// The region of SQS.
    pub(crate) fn region(&self) -> Result<&Region, ConnectError> {
        self.sqs.region.as_ref().ok_or(ConnectError::NoRegion)
    }

    /// The region that is configured, which the queue's URL can contradict.
    pub(crate) fn configured_region(&self) -> Option<&Region> {
        self.config.region()
    }

    pub(crate) async fn credentials(&self) -> Result<(), ConnectError> {
        let Some(provider) = self.config.credentials_provider() else {
            return Err(ConnectError::NoCredentials("there is no provider".to_owned()));
        };
        let credentials = provider.provide_credentials().await;
        credentials.map(drop).map_err(|error| ConnectError::NoCredentials(chain(&error)))
    }

    /// Says so if an endpoint is configured, and this URL names another place.
    pub(crate) fn contradicts(&self, queue_url: &str) -> Option<String> {
        let endpoint = Address::of(&self.config, "SQS").endpoint?;
        address::are_two_places(&endpoint, queue_url).then(|| {
            format!(
                "SQS is the one at {endpoint}, although the queue's URL is {queue_url}: the endpoint counts more \
                 (--endpoint-url, AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL or the profile). Correct one of them, unless both are the same SQS"
            )
        })
    }

    /// Returns the clients, if a region and credentials are configured.
    pub(crate) async fn sufficient(&self) -> Result<Clients, ConnectError> {
        self.region()?;
        self.credentials().await?;
        Ok(self.clients())
    }

    pub(crate) fn clients(&self) -> Clients {
        Clients::new(&self.at(&self.sqs), &self.at(&self.s3))
    }

    /// The configuration for the service at this address.
    fn at(&self, address: &Address) -> SdkConfig {
        let mut config = self.config.to_builder();
        config.set_region(address.region.clone()).set_endpoint_url(address.endpoint.clone());
        // Only the endpoint that is set here counts from now on.
        config.insert_origin("endpoint_url", Origin::shared_config());
        if address.endpoint.is_some() {
            // They choose among AWS's own addresses, and the SDK refuses them together with another one.
            config.set_use_fips(None).set_use_dual_stack(None);
        }
        config.build()
    }

    pub(crate) fn sts_endpoint(&self) -> Option<String> {
        self.sts_address().endpoint
    }

    /// The region is the queue's, because some regions accept no credentials of others.
    fn sts_address(&self) -> Address {
        let region = self.sqs.region.clone();
        Address { region, ..Address::of(&self.config, "STS") }
    }

    /// A client for STS, which knows whose credentials these are.
    pub(crate) fn sts(&self) -> aws_sdk_sts::Client {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(STS_TIMEOUT)
            .build();
        let config = self.at(&self.sts_address());
        let sts = aws_sdk_sts::config::Builder::from(&config).timeout_config(timeouts);
        aws_sdk_sts::Client::from_conf(sts.build())
    }
}

impl Clients {
    /// Clients for an embedded SQS and S3 at this endpoint.
    #[cfg(test)]
    pub(crate) fn local(endpoint_url: &str) -> Self {
        Self::embedded(&local_aws::sdk_config(endpoint_url))
    }

    /// Clients for an embedded SQS and S3 with this configuration.
    pub(crate) fn embedded(config: &SdkConfig) -> Self {
        Self::new(config, config)
    }

    fn new(sqs: &SdkConfig, s3: &SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT);
        let sqs = aws_sdk_sqs::config::Builder::from(sqs)
            .timeout_config(timeouts.clone().operation_attempt_timeout(SQS_TIMEOUT).build());
        let has_endpoint = s3.endpoint_url().is_some();
        let s3 = aws_sdk_s3::config::Builder::from(s3)
            .timeout_config(timeouts.read_timeout(S3_TIMEOUT).build())
            .stalled_stream_protection(
                StalledStreamProtectionConfig::enabled().grace_period(S3_STALL).build(),
            )
            // AWS accepts the bucket's name as part of the host name. Hardly any other S3 does.
            .force_path_style(has_endpoint);
        Self {
            sqs: aws_sdk_sqs::Client::from_conf(otel::sees_receives(sqs).build()),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
        }
    }
}
