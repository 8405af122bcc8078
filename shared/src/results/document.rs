//! The content of a result file.

use serde::Serialize;
use serde_json::{Map, Value};

use super::now;
use crate::aws::S3Object;
use crate::contents::Count;

#[derive(Serialize)]
struct Document<'a> {
    bucket: &'a str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    /// The consumer's own fields. None of them has the name of another field here.
    #[serde(flatten)]
    outcome: &'a Map<String, Value>,
    /// The unzipped bytes.
    byte_size: u64,
    /// In the format of RFC 3339.
    processed_at: String,
}

/// The names of a [`Document`]'s other fields. A parser that finds one of them twice takes either.
const RESERVED: [&str; 6] = ["bucket", "key", "version_id", "etag", "byte_size", "processed_at"];
/// How many characters of an outcome an error shows.
const SHOWN: usize = 60;

/// The result of the work on `object`.
///
/// # Errors
///
/// If the `outcome` is not a JSON object, or has a field of a reserved name.
pub(super) fn json(
    object: &S3Object,
    etag: Option<&str>,
    count: Count,
    outcome: &Value,
) -> Result<Vec<u8>, String> {
    let Value::Object(outcome) = outcome else {
        let shown: String = outcome.to_string().chars().take(SHOWN).collect();
        return Err(format!("process must return a JSON object, and returned {shown}"));
    };
    if let Some(name) = RESERVED.iter().find(|name| outcome.contains_key(**name)) {
        return Err(format!(
            "process returned the field {name}, which every result has already: give it another name"
        ));
    }
    let document = Document {
        bucket: &object.bucket,
        key: &object.key,
        version_id: object.version_id.as_deref(),
        etag,
        outcome,
        byte_size: count.bytes(),
        processed_at: now(),
    };
    let mut json = serde_json::to_vec_pretty(&document).map_err(|error| error.to_string())?;
    json.push(b'\n');
    Ok(json)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(outcome: &Value) -> Result<Map<String, Value>, String> {
        let object = S3Object {
            bucket: "b".into(),
            key: "k".into(),
            version_id: Some("v".into()),
            etag: Some("e".into()),
        };
        let json = json(&object, Some("e"), Count::default(), outcome)?;
        Ok(serde_json::from_slice(&json).unwrap())
    }

    #[test]
    fn an_outcome_has_to_be_an_object() {
        let long = "x".repeat(1000);
        for (outcome, shown) in [
            (json!(4000), "4000"),
            (json!(null), "null"),
            (json!([{ "words": 7 }]), r#"[{"words":7}]"#),
            (json!(long), &format!("\"{}", &long[1..SHOWN])),
        ] {
            let expected = format!("process must return a JSON object, and returned {shown}");
            assert_eq!(result(&outcome), Err(expected));
        }
    }

    #[test]
    fn an_outcome_has_no_field_that_every_result_has() {
        let whole = result(&json!({ "words": 7 })).unwrap();
        let mut names: Vec<_> = RESERVED.into_iter().chain(["words"]).collect();
        names.sort_unstable();
        assert_eq!(whole.keys().collect::<Vec<_>>(), names);
        for name in RESERVED {
            let error = result(&json!({ "words": 7, name: 7 })).unwrap_err();
            assert!(error.contains(&format!("the field {name},")), "{error}");
        }
    }
}
