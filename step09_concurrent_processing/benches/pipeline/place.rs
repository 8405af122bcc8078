//! Selects the SQS and S3 to use.

use std::collections::BTreeMap;
use std::io;
use std::process::Command;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_sdk_sqs::types::QueueAttributeName::{
    self, ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed,
    ApproximateNumberOfMessagesNotVisible, VisibilityTimeout,
};
use clap::Args;
use shared::Error;
use shared::local_aws::{ACCESS_KEY, LocalAws, REGION};

use super::distance;

/// By default, the benchmark uses the embedded SQS and S3.
#[derive(Args)]
pub struct PlaceArgs {
    /// Another SQS and S3, with credentials and a region from your configuration
    #[arg(long, value_name = "URL", requires = "bucket", help_heading = "AWS")]
    endpoint_url: Option<String>,

    /// Your bucket for benchmarks; files in its folder palleto-benchmark are written and deleted
    #[arg(
        long,
        value_name = "NAME",
        requires = "queue_url",
        requires = "write_and_delete",
        help_heading = "AWS"
    )]
    bucket: Option<String>,

    /// Your queue for benchmarks, which must be empty and receive no notifications from any bucket; the
    /// benchmark sends messages to it, and deletes them
    #[arg(long, value_name = "URL", requires = "bucket", help_heading = "AWS")]
    queue_url: Option<String>,

    /// Confirms that the bucket and the queue are there for benchmarks
    #[arg(long, help_heading = "AWS")]
    write_and_delete: bool,
}

/// An SQS and S3, with the queue and bucket to use there.
pub struct Place {
    pub sqs: aws_sdk_sqs::Client,
    pub s3: aws_sdk_s3::Client,
    pub queue_url: String,
    pub bucket: String,
    endpoint_url: Option<String>,
    embedded: Option<LocalAws>,
    /// Another endpoint for the programs that are measured, which is farther away.
    far_url: Option<String>,
}

const BUCKET: &str = "benchmark";
const QUEUE: &str = "benchmark";
/// Longer than any file takes, because the loop written by hand does not keep its messages hidden.
const HIDDEN_FOR: &str = "3600";

impl Place {
    pub async fn from_args(args: &PlaceArgs) -> Result<Self, Error> {
        match (&args.bucket, &args.queue_url) {
            (Some(bucket), Some(queue_url)) => {
                let endpoint_url = args.endpoint_url.clone();
                let place = Self::given(bucket.clone(), queue_url.clone(), endpoint_url).await;
                place.must_have_an_empty_queue().await?;
                Ok(place)
            }
            _ => Self::embedded().await,
        }
    }

    /// Creates a bucket and a queue that are not connected, because notifications from filling the
    /// bucket must not mix with the benchmark's messages.
    async fn embedded() -> Result<Self, Error> {
        let local = LocalAws::start(0, "of-another-bucket").await?;
        let (sqs, s3) = (local.aws().queue.client.clone(), local.aws().s3.clone());
        let create = sqs.create_queue().queue_name(QUEUE);
        let created = create.attributes(VisibilityTimeout, HIDDEN_FOR).send().await?;
        s3.create_bucket().bucket(BUCKET).send().await?;
        Ok(Self {
            sqs,
            s3,
            queue_url: created.queue_url.unwrap_or_default(),
            bucket: BUCKET.to_owned(),
            endpoint_url: Some(local.endpoint_url()),
            embedded: Some(local),
            far_url: None,
        })
    }

    async fn given(bucket: String, queue_url: String, endpoint_url: Option<String>) -> Self {
        let (sqs, s3) = clients(endpoint_url.as_deref()).await;
        Self { sqs, s3, queue_url, bucket, endpoint_url, embedded: None, far_url: None }
    }

    /// Whether SQS and S3 are the embedded ones, which speak no TLS.
    pub fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    /// From now on, SQS and S3 are so far away from the programs that are measured.
    pub async fn move_away(&mut self, round_trip: Duration) -> io::Result<()> {
        self.far_url = match &self.endpoint_url {
            Some(url) if !round_trip.is_zero() => {
                Some(distance::put_between(url, round_trip).await?)
            }
            _ => None,
        };
        Ok(())
    }

    /// Otherwise the benchmark would process and delete other messages.
    async fn must_have_an_empty_queue(&self) -> Result<(), Error> {
        let names = [
            ApproximateNumberOfMessages,
            ApproximateNumberOfMessagesDelayed,
            ApproximateNumberOfMessagesNotVisible,
        ];
        let get = self.sqs.get_queue_attributes().queue_url(&self.queue_url);
        let got = get.set_attribute_names(Some(names.to_vec())).send().await?;
        let count = |name: &QueueAttributeName| got.attributes()?.get(name)?.parse::<u64>().ok();
        if names.iter().any(|name| count(name) != Some(0)) {
            return Err(io::Error::other(format!("{} is not empty", self.queue_url)).into());
        }
        Ok(())
    }

    /// Sets a program's environment for this place, with the default log.
    pub fn tell(&self, program: &mut Command) {
        for name in ["SQS_QUEUE_NAME", "RUST_LOG", "LOG_FORMAT", "PALLETO_VISIBILITY_TIMEOUT"] {
            program.env_remove(name);
        }
        program.env("SQS_QUEUE_URL", &self.queue_url);
        if let Some(url) = self.far_url.as_ref().or(self.endpoint_url.as_ref()) {
            program.env("AWS_ENDPOINT_URL", url);
        }
        if self.embedded.is_some() {
            program.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", ACCESS_KEY);
            program.env("AWS_REGION", REGION).env_remove("AWS_SESSION_TOKEN");
        }
    }

    /// How many requests of each kind the embedded SQS has received.
    pub fn requests(&self) -> Option<BTreeMap<String, u64>> {
        self.embedded.as_ref().map(LocalAws::sqs_requests)
    }
}

/// Clients as the SDK makes them by default.
pub async fn clients(endpoint_url: Option<&str>) -> (aws_sdk_sqs::Client, aws_sdk_s3::Client) {
    let mut config = aws_config::defaults(BehaviorVersion::latest());
    if let Some(url) = endpoint_url {
        config = config.endpoint_url(url);
    }
    let config = config.load().await;
    let s3 = aws_sdk_s3::config::Builder::from(&config)
        // AWS accepts the bucket's name as part of the host name. Hardly any other S3 does.
        .force_path_style(config.endpoint_url().is_some());
    (aws_sdk_sqs::Client::new(&config), aws_sdk_s3::Client::from_conf(s3.build()))
}
