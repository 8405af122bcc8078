//! The settings that steps 06–09 have in common.

use std::convert::Infallible;
use std::env;
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_s3 as s3;
use aws_sdk_sqs::Client;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use local_aws::{LocalAws, LocalAwsError};
use tracing::{info, warn};

use super::clients::{Clients, Configured, ConnectError};
use super::queue::{Queue, RETRY_WAIT, VISIBILITY_TIMEOUT};
use super::{Aws, Backoff, Buckets};
use crate::surroundings::Surroundings;
use crate::{UsageError, clock, stop, watch};

const LATENCY_OF_A_REAL_S3: &str = "--latency is for the embedded SQS and S3, but a queue or an endpoint is given (by \
    --queue-url, --endpoint-url, SQS_QUEUE_URL, AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_SQS). Leave one of them out";
const FILES_FOR_A_REAL_S3: &str = "FILES are for the embedded S3, but a queue or an endpoint is given (by --queue-url, \
    --endpoint-url, SQS_QUEUE_URL, AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_SQS). Leave that out, or put the files into your bucket with \
    `aws s3 cp`: a step never writes to a bucket of yours";
const PAUSED_CLOCK: &str = "PALLETO_CLOCK=paused is for the embedded SQS and S3: a paused clock does not wait for the \
    network. Unset it";

/// Selects the SQS and S3 to use. A step flattens these into its own arguments.
///
/// A step uses a real SQS and S3 only if it is given a queue URL or an endpoint URL, as a flag or in
/// the environment. Otherwise it starts the embedded ones.
#[derive(Args, Clone, Debug)]
#[command(mut_args(takes_negative_numbers))]
pub struct AwsArgs {
    /// The first field, because clap removes the other fields' values from its matches as it reads them.
    #[command(flatten)]
    consistent: Consistent,

    /// Files to put into the embedded S3 instead of the sample days
    #[arg(value_name = "FILES", value_parser = |path: &str| Ok::<_, Infallible>(PathBuf::from(path)))]
    files: Vec<PathBuf>,

    /// The queue to read from instead of the embedded one
    // Step 9 takes several: `ConcurrencyArgs` says so.
    #[arg(
        long,
        value_name = "URL",
        env = "SQS_QUEUE_URL",
        action = ArgAction::Set,
        value_parser = url,
        help_heading = "AWS"
    )]
    queue_url: Vec<String>,

    /// The name of the queue to read from, if no URL is given
    #[arg(
        long,
        value_name = "NAME",
        env = "SQS_QUEUE_NAME",
        default_value = "warehouse_raw_events",
        help_heading = "AWS"
    )]
    queue_name: String,

    /// The address of SQS and S3, instead of the embedded ones
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

    /// How long each answer of the embedded SQS and S3 takes at least, such as 300ms, as if they were far away
    #[arg(
        long,
        value_name = "TIME",
        value_parser = local_aws::latency,
        allow_hyphen_values = true,
        help_heading = "AWS"
    )]
    latency: Option<Duration>,

    /// How long a received message stays hidden from other receivers, from 1 to 43200; defaults to the
    /// queue's own setting
    ///
    /// The timeout is renewed while the message is being processed. If the process is killed, its
    /// messages come back after this time.
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PALLETO_VISIBILITY_TIMEOUT",
        value_parser = value_parser!(i32).range(1..=43_200),
        help_heading = "AWS"
    )]
    visibility_timeout: Option<i32>,

    /// The format of the log: full has time, level and fields, json is one object per line; by
    /// default, only the message is printed
    #[arg(long, value_name = "FORMAT", env = "LOG_FORMAT", default_value = "", hide_default_value = true, value_parser = log_format, help_heading = "Watching")]
    log_format: String,

    /// Show the stages at work in the terminal, until q is pressed
    #[arg(long, help_heading = "Watching")]
    watch: bool,
}

/// The arguments and the environment do not contradict each other. clap finds that out while it parses them, so that
/// a contradiction ends the program as any wrong argument does: in `parse`, with exit code 2.
#[derive(Clone, Debug)]
struct Consistent {
    /// Whether the endpoint is an argument. One in the environment counts less than that of one service.
    is_endpoint_argument: bool,
}

impl Consistent {
    fn check(matches: &ArgMatches) -> Result<(), UsageError> {
        // With several queues, any of them counts.
        let is_given = |urls| {
            let mut urls = matches.get_many::<String>(urls).into_iter().flatten();
            urls.any(|url| !url.is_empty())
        };
        let is_real = is_given("queue_url") || is_given("endpoint_url") || has_own_endpoint();
        if is_real && matches.contains_id("files") {
            return Err(UsageError::new(FILES_FOR_A_REAL_S3));
        }
        if is_real && matches.contains_id("latency") {
            return Err(UsageError::new(LATENCY_OF_A_REAL_S3));
        }
        // Not while clap parses, because its own error shows a name as it is, with its control characters.
        matches.get_many("files").into_iter().flatten().try_for_each(readable)?;
        if clock::is_to_be_paused()? && is_real {
            return Err(UsageError::new(PAUSED_CLOCK));
        }
        if matches.get_flag("watch") { watch::can_start() } else { Ok(()) }
    }
}

impl FromArgMatches for Consistent {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let error = |error| clap::Error::raw(ErrorKind::ArgumentConflict, error);
        Self::check(matches).map_err(error)?;
        let source = matches.value_source("endpoint_url");
        Ok(Self { is_endpoint_argument: source == Some(ValueSource::CommandLine) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        Self::from_arg_matches(matches).map(drop)
    }
}

/// It has no arguments of its own.
impl Args for Consistent {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl AwsArgs {
    pub(crate) fn is_real(&self) -> bool {
        self.given_queue_url().is_some()
            || self.given_endpoint_url().is_some()
            || has_own_endpoint()
    }

    // An empty environment variable counts as not set.

    fn given_queue_url(&self) -> Option<&str> {
        self.given_queue_urls().first().copied()
    }

    /// Each of them once.
    pub(crate) fn given_queue_urls(&self) -> Vec<&str> {
        let mut urls: Vec<&str> = Vec::new();
        for url in self.queue_url.iter().map(String::as_str).filter(|url| !url.is_empty()) {
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        urls
    }

    fn given_endpoint_url(&self) -> Option<&str> {
        self.endpoint_url.as_deref().filter(|url| !url.is_empty())
    }

    /// Sets up logging, listens for signals, and shows the stages with `--watch`. A second call changes nothing.
    ///
    /// # Errors
    ///
    /// If the terminal or the clock cannot be used.
    pub(crate) fn init(&self) -> Result<(), UsageError> {
        // First, because the log goes to its pane.
        if self.watch {
            watch::start()?;
        }
        stop::listen();
        crate::init_with(&self.log_format)
    }

    /// Sets up logging, then connects to the SQS and S3 that the arguments select, or starts and fills
    /// the embedded ones. Logs in one line which of the two it uses.
    ///
    /// A signal ends the program until this returns. From then on, [`stop_signal`](crate::stop_signal) tells of it.
    ///
    /// # Errors
    ///
    /// If SQS and S3 cannot be reached, or the queue does not exist.
    pub async fn connect(&self) -> Result<Aws, ConnectError> {
        let (mut queues, s3) = self.connect_all().await?;
        Ok(Aws { queue: queues.swap_remove(0), s3 })
    }

    /// Like [`connect`](Self::connect), for all queues. There is at least one.
    pub(crate) async fn connect_all(&self) -> Result<(Vec<Queue>, s3::Client), ConnectError> {
        self.init()?;
        let (queues, s3) = match Surroundings::simulated() {
            Some(simulated) => {
                let Clients { sqs, s3 } = Clients::embedded(&simulated.sdk_config);
                (vec![Queue::at(sqs, &simulated.queue_url).await?], s3)
            }
            None if self.is_real() => self.real().await?,
            None => self.embedded().await?,
        };
        stop::begin();
        Ok((queues.into_iter().map(|queue| self.set_up(queue)).collect(), s3))
    }

    async fn real(&self) -> Result<(Vec<Queue>, s3::Client), ConnectError> {
        let configured = self.configured().await?;
        for url in self.given_queue_urls() {
            if let Some(says) = configured.contradicts(url) {
                warn!("{says}");
            }
        }
        let Clients { sqs, s3 } = configured.sufficient().await?;
        let queues = self.find_queues(sqs).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        for queue in &queues {
            info!("Using the queue {}", queue.url);
            if queue.visibility_timeout == 0 && self.visibility_timeout.is_none() {
                warn!(
                    "The queue's VisibilityTimeout is 0, so that each message would be received again and again: \
                     {VISIBILITY_TIMEOUT} seconds are asked for (--visibility-timeout)"
                );
            }
        }
        Ok((queues, s3))
    }

    async fn embedded(&self) -> Result<(Vec<Queue>, s3::Client), ConnectError> {
        let local = self.start_embedded().await?;
        info!("Using the embedded SQS and S3 at {}", local.endpoint_url());
        local.fill(&self.files).await?;
        local.answer_after(self.latency.unwrap_or_default());
        let Clients { sqs, s3 } = Clients::embedded(local.sdk_config());
        Ok((vec![Queue::at(sqs, local.queue_url()).await?], s3))
    }

    // The parts of `connect`. `--check` looks at them one after the other.

    pub(crate) async fn configured(&self) -> Result<Configured, UsageError> {
        self.configured_for(self.given_queue_url()).await
    }

    async fn configured_for(&self, queue_url: Option<&str>) -> Result<Configured, UsageError> {
        let endpoint_url = self.given_endpoint_url();
        let argument = endpoint_url.filter(|_| self.consistent.is_endpoint_argument);
        Configured::load(argument, queue_url).await
    }

    /// The queues, by means of a client for the first one. Each other one can be elsewhere.
    pub(crate) async fn find_queues(&self, sqs: Client) -> Vec<Result<Queue, ConnectError>> {
        let urls = self.given_queue_urls();
        let [first, others @ ..] = &urls[..] else {
            return vec![Queue::named(sqs, &self.queue_name).await];
        };
        let mut queues = vec![Queue::at(sqs, first).await];
        for url in others {
            queues.push(self.find_other(url).await);
        }
        if urls.len() > 1 {
            let queues = queues.iter_mut().flatten();
            queues.for_each(|it| it.backoff = Backoff::new(format!("Receiving from {}", it.url)));
        }
        queues
    }

    async fn find_other(&self, url: &str) -> Result<Queue, ConnectError> {
        let Clients { sqs, .. } = self.configured_for(Some(url)).await?.sufficient().await?;
        Queue::at(sqs, url).await
    }

    pub(crate) async fn start_embedded(&self) -> Result<LocalAws, LocalAwsError> {
        if clock::paused().is_some() {
            LocalAws::start_in_memory(&self.queue_name).await
        } else {
            LocalAws::start(0, &self.queue_name).await
        }
    }

    pub(crate) fn set_up(&self, queue: Queue) -> Queue {
        let of_queue = Some(queue.visibility_timeout).filter(|seconds| *seconds > 0);
        let visibility_timeout = self.visibility_timeout.or(of_queue).unwrap_or(VISIBILITY_TIMEOUT);
        let buckets = Buckets::default();
        let queue = queue.with(visibility_timeout, RETRY_WAIT, buckets, None);
        Queue { wait: self.wait.into(), ..queue }
    }
}

/// Whether SQS has an endpoint of its own in the environment, as every AWS tool reads it.
fn has_own_endpoint() -> bool {
    env::var_os("AWS_ENDPOINT_URL_SQS").is_some_and(|url| !url.is_empty())
}

/// From now on, an option takes a negative number as its value, and says which values it takes. Otherwise, clap advises to
/// make the number a file.
pub(crate) fn takes_negative_numbers(option: Arg) -> Arg {
    let takes_value = option.get_action().takes_values() && !option.is_positional();
    if takes_value { option.allow_negative_numbers(true) } else { option }
}

/// Treats an empty environment variable as not set.
fn log_format(format: &str) -> Result<String, String> {
    match format {
        "" | "full" | "json" => Ok(format.to_owned()),
        _ => Err("it can be full or json; LOG_FORMAT in the environment sets it, too".to_owned()),
    }
}

fn readable(file: &PathBuf) -> Result<(), UsageError> {
    let error = match std::fs::metadata(file) {
        Ok(metadata) if metadata.is_dir() => "it is a folder; name files".to_owned(),
        found => match found.and_then(|_| std::fs::File::open(file)) {
            Ok(_) => return Ok(()),
            Err(error) => error.to_string(),
        },
    };
    Err(UsageError::new(format!("the file {} cannot be read: {error}", file.display())))
}

/// Accepts a URL with a scheme, or nothing.
fn url(url: &str) -> Result<String, String> {
    let scheme = ["http://", "https://"].into_iter().find(|scheme| url.starts_with(scheme));
    if url.is_empty() || scheme.is_some_and(|scheme| url.len() > scheme.len()) {
        Ok(url.to_owned())
    } else {
        Err("it must begin with http:// or https://".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// A program that takes several queues, as step 9 does.
    #[derive(Parser)]
    #[command(mut_arg("queue_url", |it| it.action(ArgAction::Append).value_delimiter(',')))]
    struct Several {
        #[command(flatten)]
        _aws: AwsArgs,
    }

    #[test]
    fn files_contradict_a_queue_anywhere_in_the_list() {
        let error = |urls| {
            let parsed = Several::try_parse_from(["step", "--queue-url", urls, "Cargo.toml"]);
            parsed.err().map(|error| error.to_string())
        };
        for urls in ["http://one", "http://one,http://two", ",http://two"] {
            assert!(error(urls).is_some_and(|it| it.contains(FILES_FOR_A_REAL_S3)), "{urls}");
        }
        assert_eq!(error(","), None, "an empty URL counts as none");
    }
}
