//! Commands that a program runs instead of processing files.

use clap::Args;

use crate::Error;
use crate::aws::takes_negative_numbers;
use crate::backfill::BackfillArgs;
use crate::check::CheckArgs;
use crate::job::{Job, JobArgs};

/// A command that ends when it is done. Step 9 flattens these into its own arguments.
#[derive(Args, Clone, Debug)]
#[command(mut_args(takes_negative_numbers))]
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

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::concurrency::ConcurrencyArgs;

    /// A program with all arguments, as step 9 is.
    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        _job: JobArgs,

        #[command(flatten)]
        _command: CommandArgs,

        #[command(flatten)]
        _concurrency: ConcurrencyArgs,
    }

    fn error(arguments: &[&str]) -> Option<clap::Error> {
        Program::try_parse_from([&["program"], arguments].concat()).err()
    }

    /// clap's own advice would make it one of the FILES.
    #[test]
    fn a_negative_number_is_the_value_of_the_option_before_it() {
        let command = Program::command();
        for option in command.get_opts().filter(|option| option.get_action().takes_values()) {
            let name = format!("--{}", option.get_long().unwrap());
            let apart = error(&[&name, "-3"]).map(|error| error.to_string());
            let together = error(&[&format!("{name}=-3")]).map(|error| error.to_string());
            assert_eq!(apart, together);
        }
        for (option, value, says) in [
            ("--max-demand", "-3", "it can be auto"),
            ("--max-demand", "-3,5", "it can be auto"),
            ("--pipelines", "-3", "it can be auto"),
            ("--latency", "-300ms", "300ms or 2s"),
            ("--wait", "-1", "0..=20"),
        ] {
            let error = error(&[option, value]).unwrap().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_command_does_not_wait_until_the_program_is_idle() {
        for command in [&["--check"][..], &["--backfill", "s3://b"]] {
            for other in ["--until-idle", "--watch"] {
                let error = error(&[command, &[other]].concat()).unwrap();
                assert_eq!(error.kind(), ErrorKind::ArgumentConflict, "{error}");
                assert!(error.to_string().contains(other), "{error}");
            }
        }
    }
}
