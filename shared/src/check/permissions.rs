//! Checks whether the program may use the queue. Only a request can tell, so each request is sent with
//! arguments that make it fail.
//!
//! - `DeleteMessage` and `ChangeMessageVisibility` are sent with a receipt handle that SQS never gave.
//!   A program with the permission is told that the handle is not valid (`ReceiptHandleIsInvalid`). Some
//!   services that speak SQS's protocol accept the handle silently.
//! - `ReceiveMessage` asks for 11 messages, which is one more than SQS gives
//!   (`InvalidParameterValue`). Even a receive with a visibility timeout of 0 would count as one of the
//!   attempts that a redrive policy allows.
//!
//! **Assumed**: SQS checks the caller's permissions before it checks these arguments. AWS does not document
//! this. If the order were ever reversed, a missing permission would count as present; a present one would
//! never count as missing.

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

use super::reason;
use super::report::Report;
use crate::aws::{Queue, is_denied};

/// SQS has never handed out this handle.
const NO_RECEIPT_HANDLE: &str = "palleto-check-no-such-receipt-handle";

pub(super) async fn check(queue: &Queue, report: &mut Report) {
    let Queue { client, url, .. } = queue;
    let receive = client.receive_message().queue_url(url).max_number_of_messages(11).send().await;
    told("sqs:ReceiveMessage", receive.err(), report);
    let delete = client.delete_message().queue_url(url).receipt_handle(NO_RECEIPT_HANDLE);
    told("sqs:DeleteMessage", delete.send().await.err(), report);
    let change = client.change_message_visibility().queue_url(url).visibility_timeout(30);
    let change = change.receipt_handle(NO_RECEIPT_HANDLE).send().await;
    told("sqs:ChangeMessageVisibility", change.err(), report);
}

fn told<E>(action: &str, error: Option<SdkError<E>>, report: &mut Report)
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let Some(error) = error else { return report.ok(action, "allowed") };
    let reason = reason(&error);
    match judge(error.code().unwrap_or_default(), &reason) {
        Verdict::Allowed => report.ok(action, "allowed"),
        Verdict::Denied => {
            let says =
                format!("not allowed: {reason}. Allow it in the IAM policy of this user or role");
            report.failed(action, says);
        }
        Verdict::Other => report.failed(action, reason),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Denied,
    /// SQS did not answer, needs a KMS key that may not be used, or the like: the report quotes its own words.
    Other,
}

fn judge(code: &str, reason: &str) -> Verdict {
    let is_about_the_arguments =
        ["ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight"];
    if is_about_the_arguments.iter().any(|it| code.ends_with(it)) {
        Verdict::Allowed
    } else if is_denied(code) && !reason.to_lowercase().contains("kms") {
        Verdict::Denied
    } else {
        Verdict::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_about_the_arguments_means_that_it_is_allowed() {
        let codes = [
            "ReceiptHandleIsInvalid",
            "InvalidParameterValue",
            "AWS.SimpleQueueService.MessageNotInflight",
        ];
        for code in codes {
            assert_eq!(judge(code, code), Verdict::Allowed);
        }
    }

    #[test]
    fn what_is_denied_is_told_from_what_is_denied_to_a_key() {
        let denied = "AccessDenied: User: arn:aws:iam::1:user/u is not authorized to perform: sqs:deletemessage";
        assert_eq!(judge("AccessDenied", denied), Verdict::Denied);
        let key = "KMS.AccessDeniedException: User: u is not authorized to perform: kms:Decrypt on resource: key";
        for code in ["KMS.AccessDeniedException", "AccessDeniedException"] {
            assert_eq!(judge(code, key), Verdict::Other);
        }
        for code in ["InvalidClientTokenId", "OverLimit", "RequestThrottled", ""] {
            assert_eq!(judge(code, code), Verdict::Other);
        }
    }
}
