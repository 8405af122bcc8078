//! Checks which AWS account, region and identity the program uses.

use aws_sdk_sqs::error::ProvideErrorMetadata;

use super::reason;
use super::report::Report;
use crate::aws::{AwsArgs, Configured, region_in};
use crate::error::chain;

/// Returns whether enough is configured to send requests to SQS and S3.
pub(super) async fn check(aws: &AwsArgs, configured: &Configured, report: &mut Report) -> bool {
    let endpoint = configured.endpoint_url();
    match (&configured.sqs_endpoint, endpoint) {
        (Some(sqs), None) => report.warning(
            "Configuration",
            format!(
                "the queue is at {sqs}, but S3 is AWS's: if the files are there too, set AWS_ENDPOINT_URL={sqs}"
            ),
        ),
        (_, Some(url)) => report.ok("Configuration", format!("SQS and S3 are those at {url}")),
        (None, None) => report.ok("Configuration", "SQS and S3 are AWS's"),
    }
    let region = configured.region().map(AsRef::as_ref);
    match &region {
        Ok(region) => match other_region(region, endpoint, aws.given_queue_url()) {
            None => report.ok("Region", region),
            Some(other) => {
                let says = format!(
                    "it is {region}, but the queue's URL is in {other}: set AWS_REGION={other}"
                );
                report.warning("Region", says);
            }
        },
        Err(error) => report.failed("Region", chain(error)),
    }
    let credentials = configured.credentials().await;
    match &credentials {
        Err(error) => report.failed("Credentials", chain(error)),
        Ok(()) if region.is_err() => {
            report.skipped("Credentials", "there are some. Without a region nobody says whose");
        }
        Ok(()) => return whose(configured, report).await,
    }
    false
}

/// The region in the URL of a queue at AWS, if it differs from the configured region.
fn other_region(region: &str, endpoint: Option<&str>, queue_url: Option<&str>) -> Option<String> {
    let in_url = queue_url.filter(|_| endpoint.is_none()).and_then(region_in)?;
    (in_url != region).then_some(in_url)
}

/// Asks STS for the identity. The program works without the answer, because an endpoint may have no STS
/// and a network may not reach it. Only credentials that STS refuses are a failure.
async fn whose(configured: &Configured, report: &mut Report) -> bool {
    match configured.sts().get_caller_identity().send().await {
        Ok(identity) => {
            let arn = identity.arn.as_deref().unwrap_or("somebody without a name");
            let account = identity.account.as_deref().unwrap_or("unknown");
            report.ok("Credentials", format!("those of {arn}, account {account}"));
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
            let endpoint = configured.endpoint_url().unwrap_or("AWS");
            // A server other than STS gives an answer of its own.
            let status = error.raw_response().filter(|_| error.code().is_none());
            let reason =
                status.map_or_else(|| reason(&error), |it| format!("HTTP {}", it.status()));
            report.warning(
                "Credentials",
                format!("whose they are is not known: no STS answers at {endpoint} ({reason})"),
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

    #[test]
    fn a_queue_in_another_region_is_seen() {
        let url = Some("https://sqs.eu-west-1.amazonaws.com/123456789012/queue");
        let other = other_region("us-east-1", None, url);
        assert_eq!(other.as_deref(), Some("eu-west-1"));
        assert_eq!(other_region("eu-west-1", None, url), None);
        assert_eq!(other_region("us-east-1", Some("http://localhost:4566"), url), None);
        assert_eq!(other_region("us-east-1", None, Some("http://localhost:4566/1/queue")), None);
    }
}
