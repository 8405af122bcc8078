//! Checks how the queue is set up.

use std::collections::HashMap;

use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::QueueAttributeName::{self, All};
use serde_json::Value;

use super::reason;
use super::report::Report;
use crate::aws::{Queue, is_denied};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The facts about the queue that other checks need.
#[derive(Default)]
pub(super) struct Known {
    pub(super) arn: Option<String>,
    /// The access policy, as JSON.
    pub(super) policy: Option<String>,
}

pub(super) async fn check(queue: &Queue, is_embedded: bool, report: &mut Report) -> Known {
    long_polling(queue.wait, report);
    let request = queue.client.get_queue_attributes().queue_url(&queue.url).attribute_names(All);
    let mut attributes = match request.send().await {
        Ok(answer) => answer.attributes.unwrap_or_default(),
        Err(error) => {
            report.warning(
                "Queue's settings",
                format!(
                    "cannot be read: {}. Allow sqs:GetQueueAttributes to have them checked",
                    reason(&error)
                ),
            );
            return Known::default();
        }
    };
    let number = |name| attributes.get(&name)?.parse::<u64>().ok();
    let hidden_for = queue.visibility_timeout.unsigned_abs().into();
    visibility_timeout(hidden_for, number(QueueAttributeName::VisibilityTimeout), report);
    if let Some(seconds) = number(QueueAttributeName::MessageRetentionPeriod) {
        retention(seconds, report);
    }
    let waiting = number(QueueAttributeName::ApproximateNumberOfMessages);
    let hidden = number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible);
    if let (Some(waiting), Some(hidden)) = (waiting, hidden) {
        report.ok("Messages", format!("about {waiting} to be received, about {hidden} in work"));
    }
    redrive(queue, &attributes, is_embedded, report).await;
    Known {
        arn: attributes.remove(&QueueAttributeName::QueueArn),
        policy: attributes.remove(&QueueAttributeName::Policy),
    }
}

/// The queue's own `ReceiveMessageWaitTimeSeconds` does not matter, because each receive says how long
/// it waits.
fn long_polling(wait: i32, report: &mut Report) {
    if wait == 0 {
        let says = "off: an empty queue is asked again and again, and AWS is paid for each time. Set --wait to 20";
        report.warning("Long polling", says);
    } else {
        let says = format!(
            "a receive waits up to {} for messages (--wait)",
            spoken(wait.unsigned_abs().into())
        );
        report.ok("Long polling", says);
    }
}

/// The timeout hides a message, and is renewed while its file is being processed. So it need not be
/// longer than a file takes.
fn visibility_timeout(seconds: u64, of_queue: Option<u64>, report: &mut Report) {
    let set = "Set the queue's VisibilityTimeout, or --visibility-timeout";
    let time = spoken(seconds);
    match seconds {
        _ if of_queue == Some(0) => report.warning(
            "Visibility timeout",
            format!("{time} are asked for, because the queue's own is 0. {set}, to 30 seconds or more"),
        ),
        0..30 => report.warning(
            "Visibility timeout",
            format!(
                "{time}. It is renewed while a file is worked on, but a pause of a few seconds is enough to have \
                 the file worked on twice. {set}, to 30 seconds or more"
            ),
        ),
        30..=HOUR => report
            .ok("Visibility timeout", format!("{time}, and renewed while a file is worked on")),
        _ => report.warning(
            "Visibility timeout",
            format!(
                "{time}. If the program is killed, others see its messages only after that. As it is renewed \
                 while a file is worked on, it can be short. {set}, to an hour at most"
            ),
        ),
    }
}

fn retention(seconds: u64, report: &mut Report) {
    let time = spoken(seconds);
    if seconds < DAY {
        let says = format!(
            "{time}: a message that is not processed by then is lost. Set the queue's MessageRetentionPeriod to some days"
        );
        report.warning("Message retention", says);
    } else {
        report.ok("Message retention", time);
    }
}

async fn redrive(
    queue: &Queue,
    attributes: &HashMap<QueueAttributeName, String>,
    is_embedded: bool,
    report: &mut Report,
) {
    const CHECK: &str = "Redrive policy";
    let given = attributes.get(&QueueAttributeName::RedrivePolicy).filter(|it| !it.is_empty());
    let Some(policy) = given else {
        let says = "none, so that a file that cannot be processed comes back for ever";
        if is_embedded {
            report.ok(CHECK, format!("{says} (here: until the program ends)"));
        } else {
            let advice = "Give the queue a RedrivePolicy, with a dead-letter queue and a maxReceiveCount of 3 or more";
            report.warning(CHECK, format!("{says}. {advice}"));
        }
        return;
    };
    let Some((target, tries)) = redrive_policy(policy) else {
        return report.warning(CHECK, format!("not understood: {policy}"));
    };
    let told = format!("after {tries} tries, a message goes to {target}");
    if tries < 3 {
        let says = format!(
            "{told}. A program that is killed uses up a try too: set maxReceiveCount to 3 or more"
        );
        report.warning(CHECK, says);
    } else if is_missing(queue, &target).await {
        let says = format!(
            "{told}, which is not there: it stays, and comes back for ever. Create that queue"
        );
        report.warning(CHECK, says);
    } else {
        report.ok(CHECK, told);
        dead_letters(queue, report).await;
    }
}

async fn dead_letters(queue: &Queue, report: &mut Report) {
    const CHECK: &str = "Dead letters";
    match queue.in_flight.count_dead_letters().await {
        Ok(None) => {}
        Ok(Some(0)) => report.ok(CHECK, "none"),
        Ok(Some(count)) => report.warning(
            CHECK,
            format!(
                "about {count}: their files were not processed. Find out why, and have SQS send them back for another \
                 try (StartMessageMoveTask)"
            ),
        ),
        Err(reason) => {
            let reason = reason.trim_end_matches('.');
            let advice = "Allow sqs:GetQueueAttributes for the dead-letter queue to have them counted";
            report.skipped(CHECK, format!("not known: {reason}. {advice}"));
        }
    }
}

/// The dead-letter queue's ARN, and how many times a message is received before it goes there. The
/// policy has this count as a number or as a string.
fn redrive_policy(policy: &str) -> Option<(String, u64)> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let target = policy.get("deadLetterTargetArn")?.as_str()?;
    let tries = policy.get("maxReceiveCount")?;
    Some((target.to_owned(), tries.as_u64().or_else(|| tries.as_str()?.parse().ok())?))
}

/// Whether SQS reports that the queue does not exist. A denied request proves nothing, because a program
/// may work on a queue without the permission to look at its dead-letter queue.
async fn is_missing(queue: &Queue, arn: &str) -> bool {
    let mut parts = arn.rsplit(':');
    let (Some(name), Some(account)) = (parts.next(), parts.next()) else { return false };
    let request = queue.client.get_queue_url().queue_name(name).queue_owner_aws_account_id(account);
    match request.send().await {
        Ok(_) => false,
        Err(error) => {
            let code = error.code().unwrap_or_default();
            // "The specified queue does not exist or you do not have access to it."
            let is_ambiguous = error.message().is_some_and(|says| says.contains("access"));
            !is_denied(code) && !is_ambiguous && code.contains("Queue")
        }
    }
}

/// `30 seconds`, `4 days`.
fn spoken(seconds: u64) -> String {
    let units = [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")];
    let fits =
        units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    let (unit, name) = fits.unwrap_or((1, "second"));
    let count = seconds / unit;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_the_largest_unit_that_fits() {
        let times = [(0, "0 seconds"), (1, "1 second"), (90, "90 seconds"), (60, "1 minute")];
        for (seconds, says) in times.into_iter().chain([(7200, "2 hours"), (4 * DAY, "4 days")]) {
            assert_eq!(spoken(seconds), says);
        }
    }

    #[test]
    fn a_receive_count_is_a_number_or_a_string() {
        for count in ["3", "\"3\""] {
            let policy = format!("{{\"deadLetterTargetArn\":\"a:b\",\"maxReceiveCount\":{count}}}");
            assert_eq!(redrive_policy(&policy), Some(("a:b".to_owned(), 3)));
        }
        assert_eq!(redrive_policy("{}"), None);
    }
}
