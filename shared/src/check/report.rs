//! What the checks say, a line each, and what that comes to.

use tracing::{error, info, warn};

/// How many checks went which way.
#[derive(Debug, Default)]
pub(super) struct Report {
    warnings: u32,
    failed: u32,
}

impl Report {
    /// All is well.
    pub(super) fn ok(&mut self, check: &str, says: impl AsRef<str>) {
        info!(mark = "ok", check, "ok       {check}: {}", line(says));
    }

    /// Files can be processed, but somebody should look at this.
    pub(super) fn warning(&mut self, check: &str, says: impl AsRef<str>) {
        self.warnings += 1;
        warn!(mark = "warning", check, "warning  {check}: {}", line(says));
    }

    /// Files cannot be processed.
    pub(super) fn failed(&mut self, check: &str, says: impl AsRef<str>) {
        self.failed += 1;
        error!(mark = "failed", check, "failed   {check}: {}", line(says));
    }

    /// Not checked, since something else would have to be known for that.
    pub(super) fn skipped(&mut self, check: &str, says: impl AsRef<str>) {
        info!(mark = "skipped", check, "skipped  {check}: {}", line(says));
    }

    /// Says what it comes to, and returns whether nothing failed.
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

/// Some errors of the SDK have several lines.
fn line(says: impl AsRef<str>) -> String {
    says.as_ref().lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
