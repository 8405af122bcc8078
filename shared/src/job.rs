//! The settings and connections of steps 08 and 09.

use std::num::NonZero;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::aws::{
    AwsArgs, Buckets, Meter, Queue, Selection, name_or_pattern, takes_negative_numbers,
};
use crate::contents::Limits;
use crate::metrics::MetricsArgs;
use crate::results::{Results, ResultsArgs};
use crate::{Error, otel, progress, watch};

pub use crate::aws::{Download, Failure, S3Object};
pub use crate::contents::Contents;

/// All settings except those that a step teaches. A step flattens these into its own arguments.
#[derive(Args, Clone, Debug)]
#[command(mut_args(takes_negative_numbers))]
pub struct JobArgs {
    #[command(flatten)]
    pub(crate) aws: AwsArgs,

    #[command(flatten)]
    pub(crate) results: ResultsArgs,

    #[command(flatten)]
    metrics: MetricsArgs,

    #[command(flatten)]
    selection: Selection,

    #[command(flatten)]
    limits: Limits,

    /// A bucket whose files may be read, with * and ? for other characters; by default, those that the
    /// queue's access policy names, or else all
    ///
    /// Several are separated by commas, or given one after the other. A message about another bucket goes to the
    /// dead-letter queue.
    #[arg(
        long = "allow-bucket",
        value_name = "BUCKET",
        env = "PALLETO_ALLOW_BUCKETS",
        value_delimiter = ',',
        value_parser = name_or_pattern,
        help_heading = "AWS"
    )]
    pub(crate) allow_buckets: Vec<String>,

    /// How long to wait before retrying a failed file; doubles with each try, up to 15 minutes
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PALLETO_RETRY_WAIT",
        default_value_t = 5,
        help_heading = "AWS"
    )]
    retry_wait: u16,

    /// How long files in progress may take when the program is told to stop; after that they are
    /// given back
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PALLETO_STOP_LIMIT",
        default_value_t = 30,
        help_heading = "AWS"
    )]
    stop_limit: u16,

    /// How many files each stage asks for at a time: a number, or auto for 1 and, in step 9, more if they are small
    ///
    /// Two numbers, as in 5,20, are those of the producer-consumer and of the consumer.
    #[arg(
        long,
        value_name = "N|auto",
        env = "PALLETO_MAX_DEMAND",
        default_value = "auto",
        allow_hyphen_values = true
    )]
    max_demand: Demand,
}

/// Where files come from, and where results go.
#[derive(Clone, Debug)]
pub struct Job {
    /// The queue that announces new objects, or the first of several.
    pub queue: Queue,
    /// All queues that announce new objects.
    pub queues: Vec<Queue>,
    /// The S3 that stores the objects.
    pub s3: aws_sdk_s3::Client,
    /// How large a file may be.
    pub limits: Limits,
    /// The results.
    pub results: Results,
    /// How many files a producer-consumer asks for at a time, and how many a consumer.
    pub max_demand: [usize; 2],
    pub(crate) demand: Demand,
    /// Measures `s3`.
    pub(crate) meter: Meter,
    stop_limit: Duration,
    gave_up: CancellationToken,
}

/// The program ran until the queue was empty, but some files failed, or some messages stay in the queue.
#[derive(Debug, thiserror::Error)]
#[error(
    "{count} failed; the lines above say why, and where {} now",
    if *count == 1 { "its message is" } else { "their messages are" }
)]
pub struct FilesFailed {
    count: u64,
}

/// The program should run until all files are done, but it cannot find out whether they are.
#[derive(Debug, thiserror::Error)]
#[error("no messages can be received from {queue}: {reason}")]
pub struct CannotReceive {
    queue: String,
    reason: String,
}

/// The numbers of a producer-consumer and of a consumer. `None` is `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demand(pub(crate) Option<[u16; 2]>);

impl FromStr for Demand {
    type Err = &'static str;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        if given == "auto" {
            return Ok(Self(None));
        }
        let (first, second) = given.split_once(',').unwrap_or((given, given));
        let number = |given: &str| given.trim().parse::<NonZero<u16>>().map(NonZero::get);
        match (number(first), number(second)) {
            (Ok(first), Ok(second)) => Ok(Self(Some([first, second]))),
            _ => Err("it can be auto, a number from 1 to 65535, or two with a comma between them"),
        }
    }
}

impl Demand {
    /// `auto` stands for this number for both.
    pub(crate) fn or(self, auto: u32) -> [usize; 2] {
        self.0.map_or([auto as usize; 2], |fixed| fixed.map(usize::from))
    }
}

/// A number, or `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Auto,
    Number(u16),
}

impl FromStr for Setting {
    type Err = &'static str;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        match given.parse::<NonZero<u16>>() {
            Ok(number) => Ok(Self::Number(number.get())),
            Err(_) if given == "auto" => Ok(Self::Auto),
            Err(_) => Err("it can be auto, or a number from 1 to 65535"),
        }
    }
}

impl Setting {
    pub(crate) fn or(self, auto: u32) -> u32 {
        match self {
            Self::Auto => auto,
            Self::Number(number) => number.into(),
        }
    }
}

/// How long the last results may take to be written.
const WRITE_LIMIT: Duration = Duration::from_secs(8);
/// How long the last records of failed files may take to be written.
const RECORDS_LIMIT: Duration = Duration::from_secs(3);

impl JobArgs {
    /// Sets up logging, connects to the queue and S3, and opens the folder or the bucket for
    /// results.
    ///
    /// # Errors
    ///
    /// If results cannot be written, the queue cannot be reached, or the metrics cannot be served.
    pub async fn start(&self) -> Result<Job, Error> {
        self.aws.init()?;
        let (connected, s3) = self.aws.connect_all().await?;
        let results = Results::open(&self.results, Some(&s3), &connected).await?;
        let meter = Meter::default();
        let s3 = s3.config().to_builder().interceptor(meter.clone()).build();
        let s3 = aws_sdk_s3::Client::from_conf(s3);
        let retry_wait = Duration::from_secs(self.retry_wait.into());
        let mut queues: Vec<Queue> = Vec::new();
        for queue in connected {
            let hidden_for = queue.visibility_timeout;
            let buckets = Buckets::allowed(&self.allow_buckets, queue.policy.as_deref());
            // The embedded queue tells of one bucket only, and this program has filled that bucket.
            if self.aws.is_real() || !self.allow_buckets.is_empty() {
                buckets.log();
            }
            let beside = queues.first().map(|first| &first.in_flight);
            queues.push(queue.with(hidden_for, retry_wait, buckets, beside));
        }
        let queue = queues[0].clone();
        tokio::spawn(results.clone().keep_writing());
        queue.in_flight.delete_behind(Arc::new(results.clone()));
        queue.in_flight.select(self.selection.clone());
        let in_flight = queue.in_flight.clone();
        let not_ready = move || in_flight.receive_error();
        let install = |recorder| otel::count(&queue.url, recorder);
        self.metrics.serve(install, queue.in_flight.stopping().clone(), not_ready).await?;
        if self.metrics.are_served() || otel::is_on() {
            tokio::spawn(queue.in_flight.clone().measure_dead_letters());
        }
        if results.until_idle() {
            progress::show(&results, &queues);
        }
        Ok(Job {
            queue,
            queues,
            s3,
            limits: self.limits,
            results,
            max_demand: self.max_demand.or(1),
            demand: self.max_demand,
            meter,
            stop_limit: Duration::from_secs(self.stop_limit.into()),
            gave_up: CancellationToken::new(),
        })
    }
}

impl Job {
    /// Waits until all files are processed, or until that cannot be found out, if the program ends then.
    pub async fn all_done(&self) {
        if !self.results.until_idle() {
            std::future::pending::<()>().await;
        }
        tokio::select! {
            () = self.queue.in_flight.idle() => {}
            () = self.queue.in_flight.cannot_receive() => self.gave_up.cancel(),
        }
    }

    /// From now on, files that no stage has begun are given back, and work that has begun may take
    /// `--stop-limit` longer.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn stop(&self) {
        self.queue.in_flight.stop(self.stop_limit);
    }

    /// Waits until no message is in flight, and logs a summary in one line.
    ///
    /// # Errors
    ///
    /// If the program ran until all files were done, and a file failed, or a message stays in the queue because it
    /// cannot be read, kept hidden or deleted; or if no message could be received.
    pub async fn summary(&self) -> Result<(), Error> {
        self.queue.in_flight.settled().await;
        if timeout(WRITE_LIMIT, self.results.make_durable()).await.is_err() {
            warn!("Some results could not be written: their messages will come back");
        } else if timeout(RECORDS_LIMIT, self.results.write_failures()).await.is_err() {
            warn!("Some records of failed files could not be written");
        }
        progress::clear();
        watch::end();
        let count = self.queue.in_flight.failed();
        self.results.summary(count, self.queue.in_flight.left_out());
        if self.gave_up.is_cancelled() {
            let (queue, reason) = self.queue.in_flight.failing().unwrap_or_default();
            return Err(CannotReceive { queue, reason }.into());
        }
        if self.results.until_idle() && count > 0 {
            return Err(FilesFailed { count }.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::aws::Clients;

    #[derive(Parser)]
    struct UntilIdle {
        #[command(flatten)]
        results: ResultsArgs,
    }

    #[test]
    fn demand_is_a_number_or_one_for_each_stage_or_auto() {
        assert_eq!("7".parse(), Ok(Demand(Some([7, 7]))));
        assert_eq!("5,20".parse(), Ok(Demand(Some([5, 20]))));
        assert_eq!("5, 20".parse(), Ok(Demand(Some([5, 20]))));
        assert_eq!("auto".parse(), Ok(Demand(None)));
        for wrong in ["", "0", "5,0", "5,", ",5", "5,20,1", "auto,5", "65536", "-1"] {
            assert!(wrong.parse::<Demand>().is_err(), "{wrong}");
        }
    }

    /// The clock jumps to the end of the wait.
    #[tokio::test(start_paused = true)]
    async fn a_queue_that_can_never_be_received_from_ends_a_program_that_waits_for_it_to_be_empty()
    {
        let output = tempfile::tempdir().unwrap();
        let arguments = ["", "--until-idle", "--output", output.path().to_str().unwrap()];
        let Clients { sqs, s3 } = Clients::local("http://127.0.0.1:1");
        let queue = Queue::new(sqs, "http://127.0.0.1:1/0/queue".to_owned(), 30);
        let results = UntilIdle::parse_from(arguments).results;
        let job = Job {
            queue: queue.clone(),
            queues: vec![queue.clone()],
            s3,
            limits: Limits::default(),
            results: Results::open(&results, None, &[]).await.unwrap(),
            max_demand: [1; 2],
            demand: Demand(None),
            meter: Meter::default(),
            stop_limit: Duration::ZERO,
            gave_up: CancellationToken::new(),
        };
        let started = tokio::time::Instant::now();
        queue.backoff.failed("KMS.AccessDeniedException: no");
        job.all_done().await;
        assert_eq!(started.elapsed().as_secs(), 300);
        let error = format!("{:?}", job.summary().await.unwrap_err());
        assert!(error.contains("0/queue: Receiving from SQS: KMS.Access"), "{error}");
    }
}
