//! Checks which AWS account, region and identity the program uses.

use aws_sdk_sqs::error::ProvideErrorMetadata;

use super::reason;
use super::report::Report;
use crate::aws::{Configured, is_at_aws};
use crate::error::chain;

/// Returns whether enough is configured to send requests to SQS and S3.
pub(super) async fn check(configured: &Configured, report: &mut Report) -> bool {
    match (&configured.sqs.endpoint, &configured.s3.endpoint) {
        // VPC endpoints and the like are AWS's, too.
        (Some(sqs), None) if !is_at_aws(sqs) => report.warning(
            "Configuration",
            format!(
                "SQS is that at {sqs}, but S3 is AWS's: if the files are there too, set AWS_ENDPOINT_URL={sqs}"
            ),
        ),
        (Some(sqs), Some(s3)) if sqs == s3 => {
            report.ok("Configuration", format!("SQS and S3 are those at {sqs}"));
        }
        (None, None) => report.ok("Configuration", "SQS and S3 are AWS's"),
        (sqs, s3) => {
            let place = |endpoint: &Option<String>| match endpoint {
                Some(url) => format!("that at {url}"),
                None => "AWS's".to_owned(),
            };
            report.ok("Configuration", format!("SQS is {}, S3 is {}", place(sqs), place(s3)));
        }
    }
    let region = configured.region().map(AsRef::as_ref);
    match (&region, configured.configured_region()) {
        (Ok(region), Some(other)) if *region != other.as_ref() => report.ok(
            "Region",
            format!(
                "{region}, as the queue's URL says, and not {other} (AWS_REGION, or the profile)"
            ),
        ),
        (Ok(region), _) => report.ok("Region", region),
        (Err(error), _) => report.failed("Region", chain(error)),
    }
    let credentials = configured.credentials().await;
    match &credentials {
        Err(error) => report.failed("Credentials", chain(error)),
        Ok(()) if region.is_err() => {
            report.skipped(
                "Credentials",
                "found. AWS can only name their owner once a region is set",
            );
        }
        Ok(()) => return whose(configured, report).await,
    }
    false
}

/// Asks STS for the identity. The program works without the answer, because an endpoint may have no STS
/// and a network may not reach it. Only credentials that STS refuses are a failure.
async fn whose(configured: &Configured, report: &mut Report) -> bool {
    match configured.sts().get_caller_identity().send().await {
        Ok(identity) => {
            let arn = identity.arn.as_deref().unwrap_or("an unnamed identity");
            let account = identity.account.as_deref().unwrap_or("unknown");
            report.ok("Credentials", format!("they belong to {arn}, account {account}"));
        }
        Err(error) if error.code().is_some_and(is_refused) => {
            report.failed(
                "Credentials",
                format!(
                    "they are refused: {}. Look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and \
                     AWS_SESSION_TOKEN or AWS_PROFILE, at when they expire, and at this machine's clock",
                    reason(&error)
                ),
            );
            return false;
        }
        Err(error) => {
            let endpoint = configured.sts_endpoint().unwrap_or_else(|| "AWS".to_owned());
            // A server other than STS gives an answer of its own.
            let status = error.raw_response().filter(|_| error.code().is_none());
            let reason =
                status.map_or_else(|| reason(&error), |it| format!("HTTP {}", it.status()));
            report.warning(
                "Credentials",
                format!(
                    "found, but their owner is unknown: no STS answers at {endpoint} ({reason})"
                ),
            );
        }
    }
    true
}

/// Whether the error means that the credentials are invalid. A missing permission is something else.
fn is_refused(code: &str) -> bool {
    let codes = [
        "ExpiredToken",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClient",
    ];
    codes.iter().any(|it| code.starts_with(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_aws_does_not_know_are_another_thing_than_no_sts() {
        for code in ["InvalidClientTokenId", "ExpiredTokenException", "SignatureDoesNotMatch"] {
            assert!(is_refused(code), "{code}");
        }
        for code in ["AccessDenied", "NotImplemented", "MethodNotAllowed", "InvalidAction"] {
            assert!(!is_refused(code), "{code}");
        }
    }
}
