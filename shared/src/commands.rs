//! Commands that a program runs instead of processing files.

use clap::Args;

use crate::Error;
use crate::backfill::BackfillArgs;
use crate::check::CheckArgs;
use crate::job::{Job, JobArgs};

/// A command that ends when it is done. Step 9 flattens these into its own arguments.
#[derive(Args, Clone, Debug)]
pub struct CommandArgs {
    #[command(flatten)]
    check: CheckArgs,

    #[command(flatten)]
    backfill: BackfillArgs,
}

impl CommandArgs {
    /// Runs the command that is asked for. Without one, this starts the job.
    ///
    /// # Errors
    ///
    /// The command's own, or the job's.
    pub async fn run_or_start(&self, job: &JobArgs) -> Result<Option<Job>, Error> {
        if self.check.is_asked_for() {
            self.check.run(job).await?;
        } else if self.backfill.is_asked_for() {
            self.backfill.run(job).await?;
        } else {
            return Ok(Some(job.start().await?));
        }
        Ok(None)
    }
}
