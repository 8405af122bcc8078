//! Why an object could not be processed, which decides how its message ends.

use std::error::Error;
use std::fmt::Display;
use std::io;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;

use super::{Replaced, why};
use crate::error::chain;

/// Why an object was not processed. Any error converts to one with `?`, and so does a text.
///
/// ```
/// use shared::aws::Failure;
///
/// fn port(address: &str) -> Result<u16, Failure> {
///     let (_, port) = address.split_once(':').ok_or("the address has no port")?;
///     Ok(port.parse()?)
/// }
/// assert!(matches!(port("a"), Err(Failure::Other(reason)) if reason == "the address has no port"));
/// assert!(matches!(port("a:b"), Err(Failure::Other(reason)) if reason.contains("invalid digit")));
/// ```
#[derive(Debug)]
pub enum Failure {
    /// The object has already been processed.
    AlreadyDone,
    /// The object is gone.
    Gone,
    /// The object was replaced or deleted while it was being read.
    Replaced,
    /// The work was cancelled, or did not begin, because another receiver may have the message by now
    /// or because the program is stopping.
    Cancelled,
    /// A retry would fail for the same reason.
    Permanent(String),
    /// A retry may help.
    Other(String),
}

impl Failure {
    /// A failure that no retry can fix: the message is put aside at once.
    ///
    /// ```
    /// # use shared::aws::Failure;
    /// let status = "abc".parse::<u16>().map_err(Failure::permanent);
    /// assert!(matches!(status, Err(Failure::Permanent(_))));
    /// ```
    pub fn permanent(reason: impl Display) -> Self {
        Self::Permanent(reason.to_string())
    }
}

/// Errors, boxed errors and texts convert into a boxed error.
impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        let failure: Box<dyn Error + Send + Sync> = error.into();
        // A parser that reads the contents wraps the download's error into one of its own.
        let mut cause: Option<&(dyn Error + 'static)> = Some(&*failure);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<SdkError<GetObjectError>>() {
                return match error.code() {
                    Some("NoSuchKey" | "NoSuchVersion") => Self::Gone,
                    _ => Self::Other(why(error)),
                };
            }
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if inner.is_some_and(|inner| inner.downcast_ref::<Replaced>().is_some()) {
                return Self::Replaced;
            }
            cause = error.source();
        }
        Self::Other(chain(&*failure))
    }
}
