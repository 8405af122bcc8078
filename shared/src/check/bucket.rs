//! Checks whether a bucket's files may be read.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Config;
use aws_sdk_s3::error::ProvideErrorMetadata;

use super::notification::{self, Filter};
use super::reason;
use super::report::Report;
use crate::aws::{is_denied, other_region};

/// A key that no file has.
const NO_SUCH_FILE: &str = "palleto-check/no-such-file";

pub(super) async fn check(s3: &Client, bucket: &str, queue: Option<&str>, report: &mut Report) {
    let filter = notification::check(s3, bucket, queue, report).await;
    may_get(s3, bucket, &filter.unwrap_or_default(), report).await;
}

/// Requests a file that does not exist, under a key that the queue could be notified of, because
/// policies can be limited to a folder too.
///
/// Without the permission to list a bucket, S3 does not say whether a file exists: it denies a missing
/// file just as it denies every file without the permission to get it. Newer error messages of S3 name
/// the action.
async fn may_get(s3: &Client, bucket: &str, filter: &Filter, report: &mut Report) {
    let check = format!("s3:GetObject of {bucket}");
    let key = format!("{}{NO_SUCH_FILE}{}", filter.prefix, filter.suffix);
    let get = s3.get_object().bucket(bucket).key(key);
    let mut answer = get.clone().send().await;
    if let Some(region) = answer.as_ref().err().and_then(other_region) {
        let says = format!(
            "{region}, which is not where files are asked for first: each takes a request more"
        );
        report.warning(&format!("Region of {bucket}"), says);
        let there = Config::builder().region(region);
        answer = get.customize().config_override(there).send().await;
    }
    let Err(error) = answer else { return report.ok(&check, "allowed") };
    let reason = reason(&error);
    match get_verdict(error.code().unwrap_or_default(), &reason) {
        GetVerdict::Allowed => report.ok(&check, "allowed"),
        GetVerdict::NoSuchBucket => report.failed(&check, "there is no such bucket"),
        GetVerdict::MayNotList => report.warning(
            &check,
            format!(
                "not known: {reason}. Without s3:ListBucket, S3 does not say of a file that it is gone, and the \
                 program takes that for a failure. Allow it"
            ),
        ),
        GetVerdict::Denied => {
            let advice = format!("Allow s3:GetObject for arn:aws:s3:::{bucket}/*");
            report.failed(&check, format!("not allowed: {reason}. {advice}"));
        }
        GetVerdict::MayNotGetOrList => report.failed(
            &check,
            format!(
                "not allowed: {reason}. Allow s3:GetObject for arn:aws:s3:::{bucket}/*, and s3:ListBucket for \
                 arn:aws:s3:::{bucket}: it could be that only this one is missing"
            ),
        ),
        GetVerdict::Other => report.failed(&check, reason),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum GetVerdict {
    Allowed,
    NoSuchBucket,
    MayNotList,
    /// `s3:GetObject` is missing, and S3 says so itself.
    Denied,
    /// One of the two is missing, but S3 does not say which.
    MayNotGetOrList,
    Other,
}

fn get_verdict(code: &str, reason: &str) -> GetVerdict {
    match code {
        "NoSuchKey" => GetVerdict::Allowed,
        "NoSuchBucket" => GetVerdict::NoSuchBucket,
        code if is_denied(code) && reason.contains("s3:ListBucket") => GetVerdict::MayNotList,
        code if is_denied(code) && reason.contains("s3:GetObject") => GetVerdict::Denied,
        code if is_denied(code) => GetVerdict::MayNotGetOrList,
        _ => GetVerdict::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_be_denied_a_missing_file_can_mean_two_things() {
        let says = |action| {
            format!("AccessDenied: User: u is not authorized to perform: {action} on resource: r")
        };
        assert_eq!(get_verdict("NoSuchKey", ""), GetVerdict::Allowed);
        assert_eq!(get_verdict("NoSuchBucket", ""), GetVerdict::NoSuchBucket);
        assert_eq!(get_verdict("AccessDenied", &says("s3:ListBucket")), GetVerdict::MayNotList);
        assert_eq!(get_verdict("AccessDenied", &says("s3:GetObject")), GetVerdict::Denied);
        let silent = "AccessDenied: Access Denied";
        assert_eq!(get_verdict("AccessDenied", silent), GetVerdict::MayNotGetOrList);
        assert_eq!(get_verdict("PermanentRedirect", ""), GetVerdict::Other);
    }
}
