//! What steps 08 and 09 work with, and how they are told of it.

use std::io;
use std::process::{ExitCode, exit};

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use clap::Args;
use tracing::info;

use crate::aws::{Aws, AwsArgs, CheckArgs, Receipt, S3Object, Share, why};
use crate::contents::is_replaced;
use crate::metrics::MetricsArgs;
use crate::results::{Results, ResultsArgs};
use crate::{Error, progress};

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
}

/// Where files come from, and where results go.
#[derive(Clone, Debug)]
pub struct Work {
    /// The queue, and the S3.
    pub aws: Aws,
    /// The results.
    pub results: Results,
}

impl WorkArgs {
    /// Sets up logging, and all that there is to work with. With `--check`, it looks whether that is
    /// possible, and ends the program.
    ///
    /// # Errors
    ///
    /// If results cannot be written, the queue cannot be reached, or the numbers cannot be served.
    pub async fn begin(&self) -> Result<Work, Error> {
        crate::init_with(self.aws.log_format());
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
        Ok(Work { aws, results })
    }
}

impl Work {
    /// The object that `message` tells of cannot be downloaded, and why. If it is gone, there is nothing
    /// left to do. Otherwise that is a failure.
    pub fn no_download(&self, object: &S3Object, message: Share, error: &SdkError<GetObjectError>) {
        if matches!(error.code(), Some("NoSuchKey" | "NoSuchVersion")) {
            info!("{object} is gone: there is nothing left to process");
            message.release();
        } else {
            self.results.failed(object, &message, &why(error));
        }
    }

    /// Processing the object that `message` tells of failed, and why. If the object was replaced in the
    /// meantime, it is to be begun again. Otherwise that is a failure.
    pub fn failed(&self, object: &S3Object, message: &Receipt, error: &io::Error) {
        if is_replaced(error) {
            info!("{object} was replaced while it was read, and is begun again");
            message.give_back();
        } else {
            self.results.failed(object, message, &error.to_string());
        }
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

    /// Waits until no message is in hand, says in a line what was done, and returns the exit code for it.
    pub async fn summary(&self) -> ExitCode {
        self.aws.queue.settled().await;
        progress::clear();
        self.results.summary(&self.aws.queue)
    }
}
