//! Errors in the arguments and the environment of a program.

use std::env;
use std::process::exit;

use crate::plain::plain;

/// The program cannot run with these arguments or this environment. `main` prints this error, and exits with it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

impl UsageError {
    /// The message can name an argument or a variable, which can have any character.
    pub(crate) fn new(message: impl AsRef<str>) -> Self {
        Self(plain(message.as_ref()).into_owned())
    }

    /// Prints the message, and ends the program with exit code 2, like any command after a usage error.
    pub fn exit(&self) -> ! {
        eprintln!("error: {self}");
        exit(2)
    }
}

/// Returns whether the program has the argument `--watch`, if `watch` allows it. Any other argument is an error.
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
