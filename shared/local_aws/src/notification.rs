//! Tells queues of the objects created in a bucket, as S3 does.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>

use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustack_sqs_core::provider::RustackSqs;
use rustack_sqs_model::error::SqsError;
use rustack_sqs_model::input::SendMessageInput;
use s3s::dto::{FilterRuleName, QueueConfiguration};
use serde_json::{Value, json};

use super::{ACCOUNT, REGION};

/// S3 encodes keys as HTML forms do, except that it leaves `/` as it is.
const ENCODED_IN_KEYS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b' ');

/// An object that was created.
pub(super) struct Created<'a> {
    /// `Put`, `Copy` or `CompleteMultipartUpload`.
    pub(super) by: &'static str,
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) size: usize,
    pub(super) etag: &'a str,
    pub(super) version_id: Option<&'a str>,
    /// Greater for a later event of the same key.
    pub(super) sequencer: &'a str,
}

impl Created<'_> {
    /// Whether this configuration of a bucket's notifications asks for a message about this event.
    pub(super) fn concerns(&self, configuration: &QueueConfiguration) -> bool {
        let name = format!("s3:ObjectCreated:{}", self.by);
        let event = configuration
            .events
            .iter()
            .any(|event| ["s3:ObjectCreated:*", &name].contains(&event.as_ref()));
        let rules =
            configuration.filter.iter().filter_map(|f| f.key.as_ref()?.filter_rules.as_ref());
        event
            && rules.flatten().all(|rule| {
                let value = rule.value.as_deref().unwrap_or_default();
                match rule.name.as_ref().map(FilterRuleName::as_str) {
                    Some(name) if name.eq_ignore_ascii_case("prefix") => {
                        self.key.starts_with(value)
                    }
                    Some(name) if name.eq_ignore_ascii_case("suffix") => self.key.ends_with(value),
                    _ => true,
                }
            })
    }

    /// The message that S3 sends.
    pub(super) fn message(&self, configuration_id: &str) -> String {
        let key = utf8_percent_encode(self.key, ENCODED_IN_KEYS).to_string().replace(' ', "+");
        let mut object = json!({
            "key": key,
            "size": self.size,
            "eTag": self.etag,
            "sequencer": self.sequencer,
        });
        if let Some(id) = self.version_id {
            object["versionId"] = id.into();
        }
        let record = json!({
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": REGION,
            "eventTime": now(),
            "eventName": format!("ObjectCreated:{}", self.by),
            "userIdentity": { "principalId": ACCOUNT },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": { "x-amz-request-id": self.sequencer, "x-amz-id-2": self.sequencer },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": configuration_id,
                "bucket": {
                    "name": self.bucket,
                    "ownerIdentity": { "principalId": ACCOUNT },
                    "arn": format!("arn:aws:s3:::{}", self.bucket),
                },
                "object": object,
            },
        });
        json!({ "Records": [record] }).to_string()
    }
}

/// The message that S3 sends to a queue when a bucket's notification is configured, to check that it can.
pub(super) fn test_event(bucket: &str, request_id: &str) -> Value {
    json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": now(),
        "Bucket": bucket,
        "RequestId": request_id,
        "HostId": request_id,
    })
}

/// Sends a message to the queue with this ARN.
pub(super) async fn send(
    queues: &Arc<RustackSqs>,
    queue_arn: &str,
    message: String,
) -> Result<(), SqsError> {
    let queue_url = queues.queue_url_for_arn(queue_arn)?;
    let input = SendMessageInput { queue_url, message_body: message, ..Default::default() };
    queues.send_message(input).await.map(drop)
}

fn now() -> String {
    // A time between the years 0 and 9999 can always be formatted.
    DateTime::from(SystemTime::now()).fmt(DateTimeFormat::DateTimeWithOffset).unwrap_or_default()
}
