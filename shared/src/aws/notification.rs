//! S3's messages in SQS: which objects were created.
//!
//! S3 notifies a queue of a new object in one of these ways:
//!
//! - directly: `{"Records": […]}`, with one or several objects,
//!   [as here](https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html);
//! - through an SNS topic: the same, as a string, in the envelope's `Message`;
//! - through EventBridge: `{"detail-type": "Object Created", …}`, one object,
//!   [as here](https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html);
//! - through CloudTrail: `PutObject` and the like, as records or through EventBridge.
//!
//! When the notification is configured, S3 sends an `s3:TestEvent`.

use aws_sdk_sqs::types::Message;
use serde_json::Value;
use tracing::{error, info};

use super::event::{self, Event};
pub use super::event::{NotANotification, S3Object};

/// The content of one message.
#[derive(Debug, Default)]
pub struct Notification {
    /// The objects that were created, or restored from an archive.
    pub created: Vec<S3Object>,
    /// The names of other events, such as `ObjectRemoved:Delete` or `s3:TestEvent`.
    pub others: Vec<String>,
    /// Why the other events of the message cannot be understood.
    pub unread: Vec<NotANotification>,
}

/// Returns the objects that a message announces: none, if it is about other events, which are logged.
///
/// `None` if the message cannot be read as a whole. It is then best left in the queue, whose redrive policy moves
/// it to the dead-letter queue.
pub fn objects_in(message: &Message) -> Option<Vec<S3Object>> {
    let (objects, is_whole) = read(message);
    is_whole.then_some(objects)
}

/// Returns the objects that a message announces, and whether all of the message can be read. Logs the rest.
pub(super) fn read(message: &Message) -> (Vec<S3Object>, bool) {
    let id = message.message_id().unwrap_or_default();
    let notification = parse(message.body().unwrap_or_default())
        .unwrap_or_else(|error| Notification { unread: vec![error], ..Notification::default() });
    for other in notification.others {
        info!(message_id = id, "Nothing to do for {other:.200}");
    }
    for error in &notification.unread {
        error!(
            message_id = id,
            "Cannot read the message {id}, which is left to the queue: {error}"
        );
    }
    (notification.created, notification.unread.is_empty())
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
    let events = if let Some(records) = message.get("Records").and_then(Value::as_array) {
        records.iter().map(event::in_record).collect()
    } else if let Some(name) = message.get("Event").and_then(Value::as_str) {
        vec![event::without_object(name)]
    } else if message.get("source").is_some_and(|source| source == "aws.s3") {
        vec![event::from_event_bridge(message)]
    } else {
        return Err(NotANotification::Unknown);
    };
    let mut notification = Notification::default();
    for event in events {
        match event {
            Ok(Event::Created(object)) => notification.created.push(object),
            Ok(Event::Other(name)) => notification.others.push(name),
            // The other events of the message can still be read.
            Err(error) => notification.unread.push(error),
        }
    }
    Ok(notification)
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
        assert!(matches!(parse(&body.to_string()).unwrap().unread[..], [NotANotification::Key(_)]));
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
            let Notification { created, others, unread } = parse(&body.to_string()).unwrap();
            assert_eq!((created.len(), others, unread.len()), (0, vec![name.to_owned()], 0));
        }
        let nothing = parse(r#"{"Records": []}"#).unwrap();
        assert!(nothing.created.is_empty() && nothing.others.is_empty());
        assert!(nothing.unread.is_empty());
    }

    #[test]
    fn the_good_events_of_a_message_are_read_and_it_is_known_that_there_are_others() {
        let body = json!({"Records": [
            record("ObjectCreated:Put", &json!({"key": "%FF"})),
            record("ObjectCreated:Put", &json!({"key": "good"})),
            record("ObjectCreated:Put", &json!({})),
        ]});
        let message = Message::builder().body(body.to_string()).build();
        assert_eq!(read(&message), (vec![object("good", None)], false));
        assert_eq!(objects_in(&message), None);
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
            let message = Message::builder().body(body).build();
            assert_eq!(read(&message), (vec![], false), "{body}");
        }
    }
}
