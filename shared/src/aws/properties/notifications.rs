//! Properties of every message: those that S3 sends are understood, and all others do no harm.

use std::fmt::Write;
use std::fs;

use aws_sdk_sqs::types::Message;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use testing::property::holds_for_all;

use super::super::notification::{self, Notification, S3Object, parse};

/// Any text, and often the characters that mean something in a URL, in JSON or to a file system.
fn text() -> impl Strategy<Value = String> {
    let special =
        select(" +%&=;/\\\"'.~*-_#?\n\r\t\0\u{7f}é\u{301}\u{fffd}€💾".chars().collect::<Vec<_>>());
    let char = prop_oneof![any::<char>(), special, proptest::char::range('!', '~')];
    vec(char, 1..60).prop_map(String::from_iter)
}

/// Any object that S3 can have.
fn object() -> impl Strategy<Value = S3Object> {
    let version_id = option::of("[A-Za-z0-9._]{1,32}".prop_filter("none", |id| id != "null"));
    (
        "[a-z0-9][a-z0-9.-]{1,30}[a-z0-9]",
        text(),
        version_id,
        option::of("[0-9a-f]{32}(-[0-9]{1,4})?"),
    )
        .prop_map(|(bucket, key, version_id, etag)| S3Object { bucket, key, version_id, etag })
}

/// S3's encoding of a key: that of HTML forms, but for `/`.
fn encoded(key: &str) -> String {
    let mut encoded = String::new();
    for byte in key.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            _ if byte.is_ascii_alphanumeric() || b"/-._*".contains(&byte) => {
                encoded.push(byte.into());
            }
            _ => write!(encoded, "%{byte:02X}").unwrap(),
        }
    }
    encoded
}

/// The decoding of HTML forms, byte by byte: only `%` and two digits, and `+`, change.
fn decoded(encoded: &str) -> Option<String> {
    let mut rest = encoded.as_bytes();
    let mut decoded = Vec::new();
    while let [first, after @ ..] = rest {
        rest = after;
        let digit = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        decoded.push(match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                rest = &after[2..];
                u8::try_from(16 * high + low).unwrap()
            }
            (b'+', ..) => b' ',
            (other, ..) => *other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn record(object: &S3Object) -> Value {
    let S3Object { bucket, key, version_id, etag } = object;
    let mut entity =
        json!({"bucket": {"name": bucket}, "object": {"key": encoded(key), "size": 7}});
    if let Some(id) = version_id {
        entity["object"]["versionId"] = json!(id);
    }
    if let Some(etag) = etag {
        entity["object"]["eTag"] = json!(etag);
    }
    json!({"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": entity})
}

fn bridged(object: &S3Object) -> Value {
    let S3Object { bucket, key, version_id, etag } = object;
    let object = json!({"key": key, "version-id": version_id, "etag": etag});
    json!({
        "source": "aws.s3", "detail-type": "Object Created",
        "detail": {"bucket": {"name": bucket}, "object": object},
    })
}

/// Objects, and a message that announces them in one of the ways that S3 has.
fn announced() -> impl Strategy<Value = (Vec<S3Object>, String)> {
    (vec(object(), 1..5), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(mut objects, is_bridged, by_sns, is_ascii)| {
            let mut body = if is_bridged {
                objects.truncate(1);
                bridged(&objects[0])
            } else {
                json!({"Records": objects.iter().map(record).collect::<Vec<_>>()})
            };
            if by_sns {
                body =
                    json!({"Type": "Notification", "TopicArn": "t", "Message": body.to_string()});
            }
            let body = body.to_string();
            (objects, if is_ascii { escaped(&body) } else { body })
        },
    )
}

/// The same JSON in ASCII, as some programs write it.
fn escaped(json: &str) -> String {
    let mut escaped = String::new();
    for char in json.chars() {
        if char.is_ascii() {
            escaped.push(char);
        } else {
            for unit in char.encode_utf16(&mut [0; 2]) {
                write!(escaped, "\\u{unit:04x}").unwrap();
            }
        }
    }
    escaped
}

/// JSON that is made of the words of notifications, in any place.
fn any_json() -> impl Strategy<Value = Value> {
    let word = || {
        let words = "Records Message Event source aws.s3 s3 s3:TestEvent bucket name object key versionId version-id \
             eTag etag eventName ObjectCreated:Put ObjectRemoved:Delete PutObject detail-type Object_Created \
             AWS_API_Call_via_CloudTrail detail requestParameters bucketName \
             responseElements x-amz-version-id errorCode";
        select(words.split_whitespace().map(|word| word.replace('_', " ")).collect::<Vec<_>>())
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
        text().prop_map(Value::from),
        (1..2000_usize).prop_map(|length| "long ".repeat(length).into()),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            inner.clone().prop_map(|inner| inner.to_string().into()),
            vec((word(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Puts a value into a notification, somewhere where it has another one.
fn misplaced(body: &mut Value, value: Value, at: &[Index]) {
    let Some((first, rest)) = at.split_first() else {
        *body = value;
        return;
    };
    let inside: Vec<&mut Value> = match body {
        Value::Array(values) => values.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    let count = inside.len();
    match inside.into_iter().nth(if count == 0 { 0 } else { first.index(count) }) {
        Some(inside) => misplaced(inside, value, rest),
        None => *body = value,
    }
}

fn any_body() -> impl Strategy<Value = String> {
    let almost = (vec(object(), 1..3), any::<bool>(), any_json(), vec(any::<Index>(), 1..6))
        .prop_map(|(objects, is_bridged, value, at)| {
            let mut body = if is_bridged {
                bridged(&objects[0])
            } else {
                json!({"Records": objects.iter().map(record).collect::<Vec<_>>()})
            };
            misplaced(&mut body, value, &at);
            body.to_string()
        });
    let cut = (announced(), any::<Index>())
        .prop_map(|((_, body), end)| body.chars().take(end.index(body.len())).collect());
    prop_oneof![
        1 => text(),
        3 => any_json().prop_map(|json| json.to_string()),
        6 => almost,
        1 => cut,
    ]
}

#[test]
fn what_s3_announces_is_what_is_read() {
    holds_for_all(500, &announced(), |(objects, body)| {
        let Notification { created, others, unread } = parse(&body).unwrap();
        assert_eq!(created, objects);
        assert_eq!((others.len(), unread.len()), (0, 0));
    });
}

#[test]
fn a_key_is_decoded_as_html_forms_are() {
    let pieces = prop_oneof![text(), "(%[0-9A-Fa-f]{2}){1,4}", "[%+]{1,3}[0-9A-Fg]?"];
    let written = vec(pieces, 1..6).prop_map(|pieces| pieces.concat());
    holds_for_all(1000, &written, |written| {
        let mut body = json!({"Records": [record(&S3Object { bucket: "b".into(), key: "k".into(), version_id: None, etag: None })]});
        body["Records"][0]["s3"]["object"]["key"] = json!(written);
        let Notification { created, unread, .. } = parse(&body.to_string()).unwrap();
        let key = decoded(&written).filter(|key| key.len() <= 1024);
        assert_eq!(created.first().map(|object| &object.key), key.as_ref());
        assert_eq!(created.len() + unread.len(), 1);
    });
}

#[test]
fn no_message_does_harm() {
    holds_for_all(1000, &any_body(), |body| {
        let parsed = parse(&body);
        let whole = parsed.as_ref().is_ok_and(|it| it.unread.is_empty());
        let (created, unread) = match parsed {
            Ok(Notification { created, unread, .. }) => (created, unread),
            Err(error) => (Vec::new(), vec![error]),
        };
        for why in unread {
            // Each is a line in the log.
            let why = why.to_string();
            assert!((1..500).contains(&why.chars().count()), "{why}");
        }
        let can_be = |it: &S3Object| it.key.len() <= 1024 && it.bucket.len() <= 255;
        assert!(created.iter().all(can_be), "{created:?}");
        let message = Message::builder().body(body).build();
        assert_eq!(notification::read(&message), (created, whole));
    });
}

/// Each file in the folder is a message, and the file beside it lists the objects that it
/// announces.
#[test]
fn messages_of_s3_and_others_are_read_as_it_says_beside_them() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/notifications");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort_unstable();
    let is_outcome = |name: &str| name.ends_with(".outcome.json");
    paths.retain(|path| !is_outcome(&path.to_string_lossy()));
    assert!(paths.len() >= 20, "{paths:?}");
    for path in paths {
        let object = |it: S3Object| json!({"bucket": it.bucket, "key": it.key, "version_id": it.version_id, "etag": it.etag});
        let outcome = match parse(&fs::read_to_string(&path).unwrap()) {
            Ok(Notification { created, others, unread }) => {
                let created: Vec<_> = created.into_iter().map(object).collect();
                let unread: Vec<_> = unread.iter().map(ToString::to_string).collect();
                json!({"created": created, "others": others, "unread": unread})
            }
            Err(error) => json!({"error": error.to_string()}),
        };
        let beside = path.with_extension("outcome.json");
        let expected =
            fs::read_to_string(&beside).unwrap_or_else(|error| panic!("{beside:?}: {error}"));
        let expected: Value = serde_json::from_str(&expected).unwrap();
        assert_eq!(outcome, expected, "{}", path.display());
    }
}
