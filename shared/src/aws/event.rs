//! One event in a message, and the object that it is about.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;

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

/// Why a message, or an event in it, cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum NotANotification {
    /// The body is not even JSON, or lacks a field that every event has.
    #[error("{:.200}", .0.to_string())]
    Json(#[from] serde_json::Error),
    /// The body is JSON of another kind.
    #[error("it is neither an S3 event, nor one wrapped by SNS or EventBridge")]
    Unknown,
    /// S3 documents no such event, so the object may be a new one.
    #[error("S3 has no event {0:.200}")]
    Event(String),
    /// No bucket has such a name: the SDK would ask another host than S3's, or fail.
    #[error("{0:.200} is not the name of a bucket")]
    Bucket(String),
    /// No object has such a long name: the SDK panics at much longer ones.
    #[error("{0} has {1} bytes, and in S3 at most 1024")]
    TooLong(&'static str, usize),
    /// The `%XX`s of a key do not decode to UTF-8.
    #[error("the key {0:.200} is not UTF-8")]
    Key(String),
}

/// The part of a message that is about one object.
pub(super) enum Event {
    /// The object can be read from now on.
    Created(S3Object),
    /// There is nothing to read. The event's name.
    Other(String),
}

/// Events after which an object can be read: S3's own families, EventBridge's names, and CloudTrail's, which some
/// programs that rewrite events use too.
const CREATED: [&str; 8] = [
    "ObjectCreated",
    "ObjectRestore:Completed",
    "Object Created",
    "Object Restore Completed",
    "PutObject",
    "PostObject",
    "CopyObject",
    "CompleteMultipartUpload",
];

/// The other events that S3 documents: the families of its own, and EventBridge's names.
const OTHERS: [&str; 19] = [
    "IntelligentTiering",
    "LifecycleExpiration",
    "LifecycleTransition",
    "ObjectAcl",
    "ObjectAnnotation",
    "ObjectRemoved",
    "ObjectRestore",
    "ObjectTagging",
    "ReducedRedundancyLostObject",
    "Replication",
    "TestEvent",
    "Object ACL Updated",
    "Object Access Tier Changed",
    "Object Deleted",
    "Object Restore Expired",
    "Object Restore Initiated",
    "Object Storage Class Changed",
    "Object Tags Added",
    "Object Tags Deleted",
];

/// EventBridge's name for an event of CloudTrail.
const CLOUD_TRAIL: &str = "AWS API Call via CloudTrail";

/// The limits of S3, in bytes. Those for buckets were once higher than now.
const LONGEST_BUCKET: usize = 255;
const LONGEST_NAME: usize = 1024;

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
#[serde(rename_all = "camelCase")]
struct Request {
    bucket_name: String,
    key: String,
}

/// Reads a record of S3 or of CloudTrail.
pub(super) fn in_record(record: &Value) -> Result<Event, NotANotification> {
    let Some(entity) = record.get("s3") else { return from_cloud_trail(record) };
    let name = text(record, "eventName")?;
    if !creates(name)? {
        return Ok(Event::Other(name.to_owned()));
    }
    let Entity { bucket, mut object } = Entity::deserialize(entity)?;
    object.key = decode_key(&object.key)?;
    created(bucket.name, object)
}

/// Reads an event that EventBridge has sent. EventBridge does not encode the key.
pub(super) fn from_event_bridge(event: &Value) -> Result<Event, NotANotification> {
    let (name, detail) = (text(event, "detail-type")?, &event["detail"]);
    if name == CLOUD_TRAIL {
        return from_cloud_trail(detail);
    }
    if !creates(name)? {
        return Ok(Event::Other(name.to_owned()));
    }
    let Entity { bucket, object } = Entity::deserialize(detail)?;
    created(bucket.name, object)
}

/// Reads an event that is about no object, such as `s3:TestEvent`.
pub(super) fn without_object(name: &str) -> Result<Event, NotANotification> {
    if creates(name)? { Err(NotANotification::Unknown) } else { Ok(Event::Other(name.to_owned())) }
}

/// CloudTrail records each request to S3, even one that fails. It does not encode the key.
fn from_cloud_trail(record: &Value) -> Result<Event, NotANotification> {
    let name = text(record, "eventName")?;
    if !creates(name)? {
        return Ok(Event::Other(name.to_owned()));
    }
    if let Some(error) = record.get("errorCode").and_then(Value::as_str) {
        return Ok(Event::Other(format!("{name}, which failed ({error})")));
    }
    let Request { bucket_name, key } = Request::deserialize(&record["requestParameters"])?;
    let version_id = record["responseElements"]["x-amz-version-id"].as_str().map(Into::into);
    created(bucket_name, Object { key, version_id, etag: None })
}

/// Whether an object can be read after the event of this name. An event that S3 does not document is an error,
/// because the object may be a new one, which would be lost if the message were deleted.
fn creates(name: &str) -> Result<bool, NotANotification> {
    let plain = name.trim_start_matches("s3:");
    let family = plain.split(':').next().unwrap_or_default();
    if CREATED.contains(&plain) || CREATED.contains(&family) {
        Ok(true)
    } else if OTHERS.contains(&family) {
        Ok(false)
    } else {
        Err(NotANotification::Event(name.to_owned()))
    }
}

fn created(bucket: String, object: Object) -> Result<Event, NotANotification> {
    let Object { key, version_id, etag } = object;
    // The SDK takes the first two for access points, and a region in them for a part of the host's name.
    if bucket.starts_with("arn:") || bucket.ends_with("--op-s3") || bucket.len() > LONGEST_BUCKET {
        return Err(NotANotification::Bucket(bucket));
    }
    for (what, name) in [("the key", Some(&key)), ("the version", version_id.as_ref())] {
        if let Some(name) = name.filter(|name| name.len() > LONGEST_NAME) {
            return Err(NotANotification::TooLong(what, name.len()));
        }
    }
    // Some S3s, and programs that rewrite events, have these values for an object without versions.
    let version_id = version_id.filter(|id| !["", "null"].contains(&id.as_str()));
    let etag = etag.map(|etag| etag.trim_matches('"').to_owned()).filter(|etag| !etag.is_empty());
    Ok(Event::Created(S3Object { bucket, key, version_id, etag }))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, NotANotification> {
    value.get(name).and_then(Value::as_str).ok_or(NotANotification::Unknown)
}

/// S3 encodes keys like HTML forms, so `+` is a space.
pub(crate) fn decode_key(key: &str) -> Result<String, NotANotification> {
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
    use crate::aws::notification::{Notification, parse};

    fn object(version_id: Option<&str>, etag: Option<&str>) -> S3Object {
        let (bucket, key) = ("b".to_owned(), "a+b".to_owned());
        S3Object { bucket, key, version_id: version_id.map(Into::into), etag: etag.map(Into::into) }
    }

    fn record(name: &str, object: &Value) -> Value {
        json!({"eventSource": "aws:s3", "eventName": name, "s3": {"bucket": {"name": "b"}, "object": object}})
    }

    /// Each of these names says that an object can be read, and each other one that S3 documents that it cannot.
    #[test]
    fn only_events_that_s3_documents_are_taken_for_nothing_to_do() {
        let object = json!({"key": "k"});
        let read = |name: &str| {
            let direct = json!({"Records": [record(name, &object)]});
            let bridged = json!({
                "source": "aws.s3", "detail-type": name,
                "detail": {"bucket": {"name": "b"}, "object": object},
            });
            [direct, bridged].map(|body| {
                let Notification { created, others, unread } = parse(&body.to_string()).unwrap();
                assert_eq!(created.len() + others.len() + unread.len(), 1);
                (created.len(), others.len())
            })
        };
        for name in [
            "ObjectCreated:Put",
            "s3:ObjectCreated:CompleteMultipartUpload",
            "ObjectCreated:SomethingNew",
            "ObjectRestore:Completed",
            "Object Created",
            "Object Restore Completed",
            "PutObject",
            "CopyObject",
        ] {
            assert_eq!(read(name), [(1, 0); 2], "{name}");
        }
        for name in [
            "ObjectRemoved:DeleteMarkerCreated",
            "s3:ObjectRestore:Post",
            "ObjectRestore:Delete",
            "ReducedRedundancyLostObject",
            "Replication:OperationMissedThreshold",
            "LifecycleTransition",
            "IntelligentTiering",
            "ObjectTagging:Put",
            "ObjectAcl:Put",
            "Object Deleted",
            "Object Tags Added",
        ] {
            assert_eq!(read(name), [(0, 1); 2], "{name}");
        }
        for name in ["ObjectPublished:Put", "PutObjectAcl", "GetObject", "objectcreated:put", ""] {
            assert_eq!(read(name), [(0, 0); 2], "{name}");
        }
    }

    #[test]
    fn cloud_trail_tells_of_objects_too() {
        let put = json!({
            "eventSource": "s3.amazonaws.com", "eventName": "PutObject",
            "requestParameters": {"bucketName": "b", "key": "a+b"},
            "responseElements": {"x-amz-version-id": "v1"},
        });
        let bridged = json!({"source": "aws.s3", "detail-type": "AWS API Call via CloudTrail", "detail": put});
        for body in [json!({"Records": [put]}), bridged] {
            assert_eq!(parse(&body.to_string()).unwrap().created, [object(Some("v1"), None)]);
        }
        let mut denied = put.clone();
        denied["errorCode"] = "AccessDenied".into();
        let denied = parse(&json!({"Records": [denied]}).to_string()).unwrap();
        assert_eq!((denied.created.len(), denied.unread.len()), (0, 0));
        assert_eq!(denied.others, ["PutObject, which failed (AccessDenied)"]);
    }

    #[test]
    fn no_version_has_several_names() {
        for version in [json!(""), json!("null"), Value::Null] {
            let written = json!({"key": "a%2Bb", "versionId": version, "eTag": "\"e\""});
            let body = json!({"Records": [record("ObjectCreated:Put", &written)]});
            let created = parse(&body.to_string()).unwrap().created;
            assert_eq!(created, [object(None, Some("e"))]);
        }
    }

    #[test]
    fn a_name_that_leads_elsewhere_than_to_s3_is_not_a_buckets() {
        let endless = "b".repeat(256);
        for name in ["arn:aws:s3:::b", "arn:aws:s3:nowhere:1:accesspoint/a", "b--op-s3", &endless] {
            let mut body = json!({"Records": [record("ObjectCreated:Put", &json!({"key": "k"}))]});
            body["Records"][0]["s3"]["bucket"]["name"] = name.into();
            let unread = parse(&body.to_string()).unwrap().unread;
            assert!(matches!(&unread[..], [NotANotification::Bucket(it)] if it == name), "{name}");
        }
    }

    #[test]
    fn a_name_that_s3_cannot_have_given_is_an_error() {
        for (length, is_good) in [(1024, true), (1025, false), (100_000, false)] {
            let name = "n".repeat(length);
            for object in [json!({"key": name}), json!({"key": "k", "versionId": name})] {
                let body = json!({"Records": [record("ObjectCreated:Put", &object)]});
                assert_eq!(
                    parse(&body.to_string()).unwrap().unread.is_empty(),
                    is_good,
                    "{length}"
                );
            }
        }
    }
}
