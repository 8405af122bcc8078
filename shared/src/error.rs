//! The error with which a step ends.

use std::error::Error as StdError;
use std::fmt;

use crate::plain::plain;

/// Any error, for `main` to return: printed in one line with its causes, with exit code 1.
///
/// ```
/// let error: shared::Error = "seven".parse::<u8>().unwrap_err().into();
/// assert_eq!(format!("{error:?}"), "invalid digit found in string");
/// ```
pub struct Error(Box<dyn StdError + Send + Sync>);

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

/// `main` prints errors with `Debug`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(&chain(&*self.0)))
    }
}

/// An error and its causes, leaving out a cause that the error already mentions.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_line = cause.to_string();
        if !line.ends_with(&cause_line) {
            line = format!("{line}: {cause_line}");
        }
        source = cause.source();
    }
    line
}
