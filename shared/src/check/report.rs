//! Prints the results of the checks, one line each, and a summary.

use tracing::{error, info, warn};

/// How many checks had each result.
#[derive(Debug, Default)]
pub(super) struct Report {
    warnings: u32,
    failed: u32,
}

impl Report {
    /// The check passed.
    pub(super) fn ok(&mut self, check: &str, says: impl AsRef<str>) {
        info!(mark = "ok", check, "ok       {check}: {}", line(says));
    }

    /// Files can be processed, but a person should look at this.
    pub(super) fn warning(&mut self, check: &str, says: impl AsRef<str>) {
        self.warnings += 1;
        warn!(mark = "warning", check, "warning  {check}: {}", line(says));
    }

    /// Files cannot be processed.
    pub(super) fn failed(&mut self, check: &str, says: impl AsRef<str>) {
        self.failed += 1;
        error!(mark = "failed", check, "failed   {check}: {}", line(says));
    }

    /// Not checked, because that would need facts that are not known.
    pub(super) fn skipped(&mut self, check: &str, says: impl AsRef<str>) {
        info!(mark = "skipped", check, "skipped  {check}: {}", line(says));
    }

    /// Prints the summary, and returns whether no check failed.
    pub(super) fn end(self) -> bool {
        match self {
            Self { failed: 0, warnings: 0 } => info!("Everything is set up"),
            Self { failed: 0, warnings } => {
                info!("Files can be processed. Warnings: {warnings}");
            }
            Self { failed, warnings } => {
                error!("Files cannot be processed. Failed: {failed}, warnings: {warnings}");
            }
        }
        self.failed == 0
    }
}

/// Joins lines, because some of the SDK's errors have several.
fn line(says: impl AsRef<str>) -> String {
    says.as_ref().lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
