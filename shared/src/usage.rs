//! What a program says when it was started in a way that it does not understand.

use std::env;
use std::process::exit;

/// The program cannot run with these arguments or this environment. For `main` to print, and to leave with.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

impl UsageError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Prints the message, and ends the program as any command ends after a usage error: with exit code 2.
    pub fn exit(&self) -> ! {
        eprintln!("error: {self}");
        exit(2)
    }
}

/// Returns whether the program has the argument `--watch`, if `watch` says that it may have it. Any other argument is
/// an error.
pub(crate) fn arguments(watch: bool) -> Result<bool, UsageError> {
    let mut is_watched = false;
    for argument in env::args_os().skip(1) {
        if watch && argument == "--watch" {
            is_watched = true;
        } else {
            let accepted = if watch { "it has only --watch" } else { "it has none" };
            let message =
                format!("this program has no argument {}: {accepted}", argument.display());
            return Err(UsageError::new(message));
        }
    }
    Ok(is_watched)
}
