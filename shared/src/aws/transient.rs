//! Which of the SDK's errors are transient.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ConnectorError, ProvideErrorMetadata, SdkError};

/// Codes of transient errors that S3 sends with a status that otherwise means a wrong request.
const TRANSIENT: [&str; 6] = [
    // The SDK renews credentials before they expire, but sometimes a little late.
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "TokenRefreshRequired",
    // The request took too long to arrive.
    "RequestTimeout",
    "RequestLimitExceeded",
];

/// Whether the same request may well succeed later, because there was no response, the service is
/// down or overloaded, or no credentials are valid at the moment.
pub(crate) fn is_transient<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    match error {
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        SdkError::DispatchFailure(failure) => failure.as_connector_error().is_some_and(may_pass),
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = error.code().unwrap_or_default();
            let is_down = status >= 500 && status != 501; // 501 (Not Implemented) does not pass.
            is_down || status == 429 || TRANSIENT.contains(&code) || code.contains("Throttl")
        }
        _ => false,
    }
}

/// Whether the same request may well be sent later. The SDK reports every failure on the way to an answer as a
/// connector's error: not only the network, but also credentials that it does not get, and a bucket for which there is
/// no address. Of those that the SDK cannot name itself, only some are known to pass.
fn may_pass(error: &ConnectorError) -> bool {
    if error.is_io() || error.is_timeout() || error.as_other().is_some() {
        return true;
    }
    let mut cause = error.source().filter(|_| !error.is_user());
    while let Some(error) = cause {
        let is_from_credentials = error.is::<CredentialsError>()
            // The SDK has no public type for this one.
            || error.to_string().starts_with("identity resolver timed out");
        // If the answer was not HTTP, the server may just be starting.
        if is_from_credentials || error.is::<hyper::Error>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::config::http::HttpResponse;
    use aws_sdk_s3::error::ErrorMetadata;
    use aws_sdk_s3::operation::get_object::GetObjectError;
    use aws_sdk_s3::primitives::SdkBody;

    use super::*;

    fn answer(status: u16, code: &str) -> SdkError<GetObjectError> {
        let response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        let error = GetObjectError::generic(ErrorMetadata::builder().code(code).build());
        SdkError::service_error(error, response)
    }

    #[test]
    fn what_passes_is_waited_for_and_what_is_wrong_is_not() {
        for (status, code) in [
            (500, "InternalError"),
            (503, "SlowDown"),
            (503, ""),
            (429, "TooManyRequests"),
            (400, "ExpiredToken"),
            (403, "ExpiredToken"),
            (400, "KMS.ThrottlingException"),
            (400, "RequestTimeout"),
        ] {
            assert!(is_transient(&answer(status, code)), "{status} {code}");
        }
        for (status, code) in [
            (403, "AccessDenied"),
            (403, "InvalidAccessKeyId"),
            (404, "NoSuchKey"),
            (412, "PreconditionFailed"),
            (416, "InvalidRange"),
            (501, "NotImplemented"),
        ] {
            assert!(!is_transient(&answer(status, code)), "{status} {code}");
        }
        let wrong: SdkError<GetObjectError> = SdkError::construction_failure("no bucket");
        assert!(!is_transient(&wrong));
        assert!(is_transient(&SdkError::<GetObjectError>::timeout_error("late")));
    }
}
