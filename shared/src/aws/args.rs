//! The settings that steps 06–09 have in common.

use std::path::PathBuf;

use aws_sdk_sqs::Client;
use clap::{Args, value_parser};
use local_aws::{LocalAws, LocalAwsError};
use tracing::info;

use super::Aws;
use super::clients::{Clients, Configured, ConnectError};
use super::queue::{Queue, RETRY_WAIT};
use crate::{clock, watch};

/// Which SQS and S3 to use, and how. To be flattened into a step's own arguments.
///
/// Nothing but a queue URL or an endpoint URL, given as a flag or in the environment, makes a step
/// use a real SQS and S3. Otherwise it starts the embedded ones.
#[derive(Args, Clone, Debug)]
pub struct AwsArgs {
    /// Files to put into the embedded S3, in place of the sample days
    #[arg(value_name = "FILES", value_parser = readable_file)]
    files: Vec<PathBuf>,

    /// The queue to read from, in place of the embedded one
    #[arg(long, value_name = "URL", env = "SQS_QUEUE_URL", value_parser = url, help_heading = "AWS")]
    queue_url: Option<String>,

    /// The queue to read from, if its URL is not given
    #[arg(
        long,
        value_name = "NAME",
        env = "SQS_QUEUE_NAME",
        default_value = "warehouse_raw_events",
        help_heading = "AWS"
    )]
    queue_name: String,

    /// Where SQS and S3 are, in place of the embedded ones
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL", value_parser = url, help_heading = "AWS")]
    endpoint_url: Option<String>,

    /// How long a receive waits for messages, from 0 to 20
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PALLETO_WAIT",
        default_value_t = 2,
        value_parser = value_parser!(u8).range(..=20),
        help_heading = "AWS"
    )]
    wait: u8,

    /// How long a received message stays hidden from others, from 1 to 43200; by default, that is up
    /// to the queue
    ///
    /// It is renewed for as long as the message is worked on. What a killed process had comes back
    /// after this time.
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PALLETO_VISIBILITY_TIMEOUT",
        value_parser = value_parser!(i32).range(1..=43_200),
        help_heading = "AWS"
    )]
    visibility_timeout: Option<i32>,

    /// How the log looks: full has time, level and fields, json is an object a line; by default, it is
    /// the bare message
    #[arg(long, value_name = "FORMAT", env = "LOG_FORMAT", default_value = "", hide_default_value = true, value_parser = log_format, help_heading = "Watching")]
    log_format: String,

    /// Show in the terminal what the stages do, until q is pressed
    #[arg(long, help_heading = "Watching")]
    watch: bool,
}

impl AwsArgs {
    pub(crate) fn is_real(&self) -> bool {
        self.given_queue_url().is_some() || self.given_endpoint_url().is_some()
    }

    // An environment variable that is set to nothing is as good as not set.

    pub(crate) fn given_queue_url(&self) -> Option<&str> {
        self.queue_url.as_deref().filter(|url| !url.is_empty())
    }

    fn given_endpoint_url(&self) -> Option<&str> {
        self.endpoint_url.as_deref().filter(|url| !url.is_empty())
    }

    /// Sets up logging, and shows the stages with `--watch`. A second call changes nothing.
    ///
    /// # Errors
    ///
    /// If the arguments and the environment contradict each other.
    pub(crate) fn init(&self) -> Result<(), ConnectError> {
        // First, because `--watch` takes the terminal.
        if self.is_real() && !self.files.is_empty() {
            return Err(ConnectError::FilesForARealS3);
        }
        if self.watch {
            watch::start()?;
        }
        crate::init_with(&self.log_format)?;
        if self.is_real() && clock::paused().is_some() {
            return Err(ConnectError::PausedClock);
        }
        Ok(())
    }

    /// Sets up logging, and connects to the SQS and S3 that are asked for, or starts the embedded ones
    /// and fills them. Says which in one line.
    ///
    /// # Errors
    ///
    /// If they cannot be reached, there is no such queue, or there are FILES for a real S3.
    pub async fn connect(&self) -> Result<Aws, ConnectError> {
        self.init()?;
        let Aws { queue, s3 } =
            if self.is_real() { self.real().await? } else { self.embedded().await? };
        Ok(Aws { queue: self.set_up(queue), s3 })
    }

    async fn real(&self) -> Result<Aws, ConnectError> {
        let Clients { sqs, s3 } = self.configured().await.sufficient().await?;
        let queue = self.find_queue(sqs).await?;
        info!("Using the queue {}", queue.url);
        Ok(Aws { queue, s3 })
    }

    async fn embedded(&self) -> Result<Aws, ConnectError> {
        let local = self.start_embedded().await?;
        info!("Using the embedded SQS and S3 at {}", local.endpoint_url());
        local.fill(&self.files).await?;
        let Clients { sqs, s3 } = Clients::new(local.sdk_config(), None);
        let queue = Queue::at(sqs, local.queue_url()).await?;
        Ok(Aws { queue, s3 })
    }

    // The pieces of this, which `--check` looks at one after the other.

    pub(crate) async fn configured(&self) -> Configured {
        Configured::load(self.given_endpoint_url(), self.given_queue_url()).await
    }

    pub(crate) async fn find_queue(&self, sqs: Client) -> Result<Queue, ConnectError> {
        match self.given_queue_url() {
            Some(url) => Queue::at(sqs, url).await,
            None => Queue::named(sqs, &self.queue_name).await,
        }
    }

    pub(crate) async fn start_embedded(&self) -> Result<LocalAws, LocalAwsError> {
        if clock::paused().is_some() {
            LocalAws::start_in_memory(&self.queue_name).await
        } else {
            LocalAws::start(0, &self.queue_name).await
        }
    }

    pub(crate) fn set_up(&self, queue: Queue) -> Queue {
        let visibility_timeout = self.visibility_timeout.unwrap_or(queue.visibility_timeout);
        Queue { wait: self.wait.into(), ..queue.with(visibility_timeout, RETRY_WAIT) }
    }
}

/// An environment variable that is set to nothing is as good as not set.
fn log_format(format: &str) -> Result<String, String> {
    match format {
        "" | "full" | "json" => Ok(format.to_owned()),
        _ => Err("it can be full or json; LOG_FORMAT in the environment sets it, too".to_owned()),
    }
}

/// Parses the path of a file that can be read.
///
/// # Errors
///
/// If it cannot be read, or is a folder.
pub fn readable_file(path: &str) -> Result<PathBuf, String> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err("it is a folder; name files".to_owned()),
        Ok(_) => std::fs::File::open(path).map(|_| path.into()).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Something that looks like an address, or nothing.
fn url(url: &str) -> Result<String, String> {
    let scheme = ["http://", "https://"].into_iter().find(|scheme| url.starts_with(scheme));
    if url.is_empty() || scheme.is_some_and(|scheme| url.len() > scheme.len()) {
        Ok(url.to_owned())
    } else {
        Err("it must begin with http:// or https://".to_owned())
    }
}
