//! What a program does instead of processing files.

use clap::Args;

use crate::Error;
use crate::backfill::BackfillArgs;
use crate::check::CheckArgs;
use crate::job::JobArgs;

/// A command that ends when it is done. Step 9 flattens these into its own arguments.
#[derive(Args, Clone, Debug)]
pub struct CommandArgs {
    #[command(flatten)]
    check: CheckArgs,

    #[command(flatten)]
    backfill: BackfillArgs,
}

impl CommandArgs {
    /// Whether the program is to do something else than to process files.
    pub fn is_asked_for(&self) -> bool {
        self.check.is_asked_for() || self.backfill.is_asked_for()
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// The command's own.
    pub async fn run(&self, job: &JobArgs) -> Result<(), Error> {
        if self.check.is_asked_for() {
            self.check.run(job).await
        } else {
            self.backfill.run(job).await
        }
    }
}
