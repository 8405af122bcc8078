//! Checks whether results can be written.

use aws_sdk_s3::Client;

use super::report::Report;
use crate::aws::Queue;
use crate::error::chain;
use crate::results::{Output, Probed, Results, ResultsArgs};

const CHECK: &str = "Results";

pub(super) async fn check(
    args: &ResultsArgs,
    s3: Option<&Client>,
    queues: &[Queue],
    report: &mut Report,
) {
    let output = &args.output;
    if s3.is_none() && matches!(output, Output::Bucket { .. }) {
        let says = "AWS answers no request without a region and credentials";
        return report.skipped(CHECK, says);
    }
    let results = match Results::open(args, s3, queues).await {
        Ok(results) => results,
        Err(error) => return report.failed(CHECK, chain(&error)),
    };
    let Some(Probed { refuses, silent, unsure, keeps_failed }) = results.probe().await else {
        return report.ok(CHECK, format!("can be written to {output} (--output)"));
    };
    match refuses {
        Ok(true) => report.ok(CHECK, format!("can be written to {output} (--output), each once")),
        Ok(false) => report.warning(
            CHECK,
            format!(
                "can be written to {output} (--output), but more than once: this S3 ignores If-None-Match. If two \
                 programs do the same file, the later result replaces the earlier one"
            ),
        ),
        Err(reason) => {
            let reason = reason.trim_end_matches('.');
            let says =
                format!("cannot be written to {output}: {reason}. Allow s3:PutObject for {output}*");
            report.failed(CHECK, says);
        }
    }
    if let Some(reason) = silent {
        let says = format!(
            "S3 does not say whether there is one: {reason}. A file that is done is downloaded again if it is \
             announced again. Allow s3:GetObject for {output}*, and s3:ListBucket for the bucket"
        );
        report.warning("Earlier results", says);
    }
    if let Some(reason) = keeps_failed {
        let reason = reason.trim_end_matches('.');
        let says = format!(
            "cannot be removed when a later try succeeds: {reason}. Allow s3:DeleteObject for {output}failed/*"
        );
        report.warning("Records of failed files", says);
    }
    if let Some(reason) = unsure {
        let reason = reason.trim_end_matches('.');
        let says = format!(
            "S3 does not say whether the queue is told of them: {reason}. The program leaves its own results alone, but \
             allow s3:GetBucketNotification to have it checked"
        );
        report.warning("Notification of results", says);
    }
}
