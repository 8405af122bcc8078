//! The message about an object, as S3 itself would send it.

use aws_sdk_s3::primitives::DateTimeFormat;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::Listed;

/// S3 leaves these as they are.
const ENCODED_IN_KEYS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// The body of a message that announces the object.
pub(super) fn body(bucket: &str, object: &Listed) -> String {
    let time = object.modified.and_then(|time| time.fmt(DateTimeFormat::DateTime).ok());
    let record = json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": time,
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            // S3 has the name of the bucket's configuration here. This tells a person where the message is from.
            "configurationId": "--backfill",
            "bucket": { "name": bucket, "arn": format!("arn:aws:s3:::{bucket}") },
            "object": {
                "key": utf8_percent_encode(&object.key, ENCODED_IN_KEYS).to_string(),
                "size": object.size,
                "eTag": object.etag,
                "versionId": object.version_id,
            },
        },
    });
    json!({ "Records": [record] }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::notification::parse;

    #[test]
    fn it_announces_the_object_whatever_its_key_is() {
        let all: String = ('\0'..'\u{180}').chain("日本🦀".chars()).collect();
        for (key, version) in
            [("a b+c%2B.gz", None), ("../up", Some("v1")), ("a//b/", None), (&all, None)]
        {
            let version_id = version.map(str::to_owned);
            let etag = Some("e".to_owned());
            let listed = Listed { key: key.to_owned(), version_id, etag, size: 7, modified: None };
            let told = parse(&body("b", &listed)).unwrap();
            assert_eq!((told.others.len(), told.unread.len()), (0, 0));
            let [object] = told.created.try_into().unwrap();
            assert_eq!((object.bucket.as_str(), object.key.as_str()), ("b", key));
            assert_eq!(
                (object.version_id.as_deref(), object.etag.as_deref()),
                (version, Some("e"))
            );
        }
    }
}
