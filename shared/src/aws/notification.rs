//! S3's messages in SQS: which objects were created.
//!
//! S3 notifies a queue of a new object in one of these ways:
//!
//! - directly: `{"Records": […]}`, with one or several objects,
//!   [as here](https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html);
//! - through an SNS topic: the same, as a string, in the envelope's `Message`;
//! - through EventBridge: `{"detail-type": "Object Created", …}`, one object,
//!   [as here](https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html).
//!
//! When the notification is configured, S3 sends an `s3:TestEvent`.

use std::fmt;

use aws_sdk_sqs::types::Message;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;
use tracing::{error, info};

/// An object in a bucket: one version of it, if the bucket is versioned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Object {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
    /// The version, in a versioned bucket.
    pub version_id: Option<String>,
    /// The ETag, which differs if the content differs.
    pub etag: Option<String>,
}

impl fmt::Display for S3Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.key)
    }
}

/// The content of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// The objects that were created.
    pub created: Vec<S3Object>,
    /// The names of other events, such as `ObjectRemoved:Delete` or `s3:TestEvent`.
    pub others: Vec<String>,
}

/// Why a message cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum NotANotification {
    /// The body is not even JSON, or lacks a field that every event has.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The body is JSON of another kind.
    #[error("it is neither an S3 event, nor one wrapped by SNS or EventBridge")]
    Unknown,
    /// The `%XX`s of a key do not decode to UTF-8.
    #[error("the key {0} is not UTF-8")]
    Key(String),
}

/// Returns the objects that a message announces: none, if it is about other events, which are logged.
///
/// `None` if the message cannot be read. It is then best left in the queue, whose redrive policy moves it
/// to the dead-letter queue.
pub fn objects_in(message: &Message) -> Option<Vec<S3Object>> {
    let id = message.message_id().unwrap_or_default();
    match parse(message.body().unwrap_or_default()) {
        Ok(notification) => {
            for other in notification.others {
                info!(message_id = id, "Nothing to do for {other}");
            }
            Some(notification.created)
        }
        Err(error) => {
            error!(
                message_id = id,
                "Cannot read the message {id}, which is left to the queue: {error}"
            );
            None
        }
    }
}

/// Reads a message's body.
///
/// ```
/// let body = r#"{"Records": [{
///     "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
///     "s3": {"bucket": {"name": "warehouse"}, "object": {"key": "a+b%2Bc.gz"}}
/// }]}"#;
/// let notification = shared::aws::notification::parse(body)?;
/// assert_eq!(notification.created[0].key, "a b+c.gz");
/// # Ok::<(), shared::aws::notification::NotANotification>(())
/// ```
///
/// # Errors
///
/// If the body is no S3 notification.
pub fn parse(body: &str) -> Result<Notification, NotANotification> {
    let message: Value = serde_json::from_str(body)?;
    if let Some(wrapped) = message.get("Message").and_then(Value::as_str) {
        return from_s3_or_event_bridge(&serde_json::from_str(wrapped)?);
    }
    from_s3_or_event_bridge(&message)
}

fn from_s3_or_event_bridge(message: &Value) -> Result<Notification, NotANotification> {
    if let Some(records) = message.get("Records") {
        from_records(Vec::deserialize(records)?)
    } else if let Some(event) = message.get("Event").and_then(Value::as_str) {
        Ok(Notification { others: vec![event.to_owned()], ..Notification::default() })
    } else if message.get("source").is_some_and(|source| source == "aws.s3") {
        from_event_bridge(EventBridge::deserialize(message)?)
    } else {
        Err(NotANotification::Unknown)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    s3: Value,
}

#[derive(Deserialize)]
struct Entity {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    // S3 itself and EventBridge use different names for it.
    #[serde(rename = "versionId", alias = "version-id")]
    version_id: Option<String>,
    #[serde(rename = "eTag", alias = "etag")]
    etag: Option<String>,
}

#[derive(Deserialize)]
struct EventBridge {
    #[serde(rename = "detail-type")]
    detail_type: String,
    detail: Value,
}

fn from_records(records: Vec<Record>) -> Result<Notification, NotANotification> {
    let mut notification = Notification::default();
    for Record { event_name, s3 } in records {
        if event_name.trim_start_matches("s3:").starts_with("ObjectCreated:") {
            let Entity { bucket, object } = Entity::deserialize(s3)?;
            notification.created.push(S3Object {
                bucket: bucket.name,
                key: decode(&object.key)?,
                version_id: object.version_id,
                etag: object.etag,
            });
        } else {
            notification.others.push(event_name);
        }
    }
    Ok(notification)
}

fn from_event_bridge(event: EventBridge) -> Result<Notification, NotANotification> {
    let mut notification = Notification::default();
    if event.detail_type == "Object Created" {
        let Entity { bucket, object } = Entity::deserialize(event.detail)?;
        // EventBridge does not encode the key.
        let Object { key, version_id, etag } = object;
        notification.created.push(S3Object { bucket: bucket.name, key, version_id, etag });
    } else {
        notification.others.push(event.detail_type);
    }
    Ok(notification)
}

/// S3 encodes keys like HTML forms, so `+` is a space.
fn decode(key: &str) -> Result<String, NotANotification> {
    let spaced = key.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(NotANotification::Key(key.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(key: &str, version_id: Option<&str>) -> S3Object {
        S3Object {
            bucket: "b".into(),
            key: key.into(),
            version_id: version_id.map(Into::into),
            etag: None,
        }
    }

    fn record(name: &str, object: &Value) -> Value {
        json!({"eventSource": "aws:s3", "eventName": name, "s3": {"bucket": {"name": "b"}, "object": object}})
    }

    #[test]
    fn several_records_are_several_objects() {
        let body = json!({"Records": [
            record("ObjectCreated:Put", &json!({"key": "one"})),
            record("ObjectCreated:Copy", &json!({"key": "two", "versionId": "v2"})),
            record("ObjectRemoved:Delete", &json!({"key": "three"})),
        ]});
        let notification = parse(&body.to_string()).unwrap();
        assert_eq!(notification.created, [object("one", None), object("two", Some("v2"))]);
        assert_eq!(notification.others, ["ObjectRemoved:Delete"]);
    }

    #[test]
    fn keys_of_s3_are_decoded() {
        for (encoded, key) in [
            ("a+b", "a b"),
            ("a%2Bb", "a+b"),
            ("100%25", "100%"),
            ("%C3%BC/%E2%82%AC.gz", "ü/€.gz"),
            ("../../etc/x", "../../etc/x"),
        ] {
            let body = json!({"Records": [record("ObjectCreated:Put", &json!({"key": encoded}))]});
            assert_eq!(parse(&body.to_string()).unwrap().created, [object(key, None)]);
        }
    }

    #[test]
    fn a_key_that_is_not_utf8_is_an_error() {
        let body = json!({"Records": [record("ObjectCreated:Put", &json!({"key": "%FF"}))]});
        assert!(matches!(parse(&body.to_string()), Err(NotANotification::Key(_))));
    }

    #[test]
    fn keys_of_event_bridge_are_taken_as_they_are() {
        let body = json!({
            "source": "aws.s3", "detail-type": "Object Created",
            "detail": {"bucket": {"name": "b"}, "object": {"key": "a+b%20c", "version-id": "v1"}},
        });
        assert_eq!(parse(&body.to_string()).unwrap().created, [object("a+b%20c", Some("v1"))]);
    }

    #[test]
    fn an_sns_envelope_is_opened() {
        let inner = json!({"Records": [record("ObjectCreated:Put", &json!({"key": "a+b"}))]});
        let body = json!({"Type": "Notification", "TopicArn": "t", "Message": inner.to_string()});
        assert_eq!(parse(&body.to_string()).unwrap().created, [object("a b", None)]);
    }

    #[test]
    fn other_events_create_nothing() {
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"});
        let removed = json!({
            "source": "aws.s3", "detail-type": "Object Deleted",
            "detail": {"bucket": {"name": "b"}, "object": {"key": "k"}},
        });
        for (body, name) in [(test, "s3:TestEvent"), (removed, "Object Deleted")] {
            let notification = parse(&body.to_string()).unwrap();
            assert_eq!(notification, Notification { created: vec![], others: vec![name.into()] });
        }
        assert_eq!(parse(r#"{"Records": []}"#).unwrap(), Notification::default());
    }

    #[test]
    fn what_is_no_notification_is_an_error() {
        for body in [
            "hello",
            "",
            "{}",
            "[]",
            "7",
            r#"{"Records": 1}"#,
            r#"{"Message": "hello"}"#,
            r#"{"Records": [{"eventName": "ObjectCreated:Put", "s3": {}}]}"#,
        ] {
            assert!(parse(body).is_err(), "{body}");
        }
    }
}
