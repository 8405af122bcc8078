//! The SDK's errors in one line that a person can read.

use std::error::Error;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

use crate::error::chain;

/// Why a request failed: the service's own code and message if it answered, or else the error of the
/// connection. The SDK's errors by themselves only say "service error".
pub fn why<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => chain(error),
    }
}

/// Whether a code means that a permission is missing: `AccessDenied` of S3, `AccessDeniedException` of
/// SQS.
pub(crate) fn is_denied(code: &str) -> bool {
    code.starts_with("AccessDenied")
}
