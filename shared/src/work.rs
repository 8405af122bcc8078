//! What steps 08 and 09 work with, and how they are told of it.

use std::io;
use std::process::exit;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use clap::{Args, value_parser};
use tracing::info;

use crate::aws::{Aws, AwsArgs, CheckArgs, S3Object, Share, why};
use crate::contents::is_replaced;
use crate::metrics::MetricsArgs;
use crate::results::{FilesFailed, Results, ResultsArgs};
use crate::{Error, progress, watch};

/// All settings but those that a step teaches. To be flattened into a step's own arguments.
#[derive(Args, Clone, Debug)]
pub struct WorkArgs {
    #[command(flatten)]
    aws: AwsArgs,

    #[command(flatten)]
    results: ResultsArgs,

    #[command(flatten)]
    check: CheckArgs,

    #[command(flatten)]
    metrics: MetricsArgs,

    /// How many files each stage asks for at a time: 1 for large ones, 20 for many small ones
    #[arg(
        long,
        value_name = "N",
        env = "PALLETO_MAX_DEMAND",
        default_value_t = 1,
        value_parser = value_parser!(u16).range(1..)
    )]
    max_demand: u16,
}

/// Why a file could not be processed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// S3 does not give it.
    #[error(transparent)]
    Get(Box<SdkError<GetObjectError>>),
    /// The download broke off, it cannot be unzipped, or its result cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<SdkError<GetObjectError>> for Failure {
    fn from(error: SdkError<GetObjectError>) -> Self {
        Self::Get(Box::new(error))
    }
}

fn is_gone(error: &SdkError<GetObjectError>) -> bool {
    matches!(error.code(), Some("NoSuchKey" | "NoSuchVersion"))
}

/// Where files come from, and where results go.
#[derive(Clone, Debug)]
pub struct Work {
    /// The queue, and the S3.
    pub aws: Aws,
    /// The results.
    pub results: Results,
    /// How many files each stage is to ask for at a time.
    pub max_demand: usize,
}

impl WorkArgs {
    /// Sets up logging, and all that there is to work with. With `--check`, it looks whether that is
    /// possible, and ends the program.
    ///
    /// # Errors
    ///
    /// If results cannot be written, the queue cannot be reached, or the numbers cannot be served.
    pub async fn begin(&self) -> Result<Work, Error> {
        self.aws.init();
        if self.check.is_asked_for() {
            let is_well = self.check.run(&self.aws, &self.results).await;
            exit(i32::from(!is_well));
        }
        let results = Results::open(&self.results)?;
        let aws = self.aws.connect().await?;
        self.metrics.serve(&aws.queue).await?;
        if results.until_idle() {
            progress::show(&results, &aws.queue);
        }
        Ok(Work { aws, results, max_demand: self.max_demand.into() })
    }
}

impl Work {
    /// Begins the work on `object`, of which `message` told: does `download`. Returns what came of it, and
    /// the message.
    ///
    /// `None` if there is nothing more to do here. Then the message has been taken care of:
    ///
    /// - The object was processed already, or it is gone: the message is released.
    /// - The program is to end: the message is given back.
    /// - It failed: the message is left to the queue, which shows it again later, and later each time, or
    ///   puts it aside if it has a dead-letter queue. That is logged, and all else goes on.
    /// - The message could not be kept hidden: it is somebody else's now.
    pub async fn begin<T>(
        &self,
        object: &S3Object,
        message: Share,
        download: impl Future<Output = Result<T, Failure>>,
    ) -> Option<(Share, T)> {
        if self.results.has(object).await {
            info!("{object} is processed already");
            message.release();
            return None;
        }
        // A future of kilobytes is not to be moved from one to the next.
        let downloaded = message.begin(object, Box::pin(download)).await?;
        self.went_well(object, message, downloaded)
    }

    /// Ends the work on `object`, of which `message` told: does `processing`. Returns the message, which can
    /// be released now.
    ///
    /// `None` if that failed, or was cancelled, as with [`begin`](Self::begin). If the object was replaced
    /// while it was read, the message is given back, so that the object is begun again.
    pub async fn finish(
        &self,
        object: &S3Object,
        message: Share,
        processing: impl Future<Output = Result<(), Failure>>,
    ) -> Option<Share> {
        let processed = message.while_held(object, processing).await?;
        self.went_well(object, message, processed).map(|(message, ())| message)
    }

    /// If not, takes care of the message.
    fn went_well<T>(
        &self,
        object: &S3Object,
        message: Share,
        result: Result<T, Failure>,
    ) -> Option<(Share, T)> {
        match result {
            Ok(done) => return Some((message, done)),
            Err(Failure::Get(error)) if is_gone(&error) => {
                info!("{object} is gone: there is nothing left to process");
                message.release();
            }
            Err(Failure::Io(error)) if is_replaced(&error) => {
                info!("{object} was replaced while it was read, and is begun again");
                message.give_back();
            }
            Err(Failure::Get(error)) => self.results.failed(object, &message, &why(&*error)),
            Err(Failure::Io(error)) => self.results.failed(object, &message, &error.to_string()),
        }
        None
    }

    /// Waits until all is done, if the program is to end then.
    pub async fn all_done(&self) {
        if self.results.until_idle() {
            self.aws.queue.idle().await;
        } else {
            std::future::pending::<()>().await;
        }
    }

    /// From now on, messages that are not begun are given back, and what is begun has the time of
    /// `--stop-limit`.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn stop(&self) {
        self.aws.queue.stop();
    }

    /// Waits until no message is in hand, and says in a line what was done.
    ///
    /// # Errors
    ///
    /// If the program ran until all was done, and a file failed.
    pub async fn summary(&self) -> Result<(), FilesFailed> {
        self.aws.queue.settled().await;
        progress::clear();
        watch::end();
        self.results.summary(&self.aws.queue)
    }
}
