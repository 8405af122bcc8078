//! Properties of the name of every result's file.

use std::collections::HashMap;
use std::path::{Component, Path};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use testing::property::holds_for_all;

use super::file_name;
use crate::aws::S3Object;

/// Keys that a file system may take for others: in upper case, composed differently, or with dots and spaces at the end.
fn key() -> impl Strategy<Value = String> {
    let words = "k K a.gz A.GZ con CON.txt nul Aux.json com1 COM\u{b9}.x lpt9.tar.gz .. . .hidden .unfinished-1 e\u{301} \
         \u{e9} E\u{301} \u{212a} \u{17f} \u{fb01} fi \u{130} i \u{df} ss \u{3c3} \u{3c2} / \\ : * ? \" < > | \0 \n -x % $ ~";
    let words: Vec<_> = words.split(' ').map(str::to_owned).collect();
    let piece = prop_oneof![
        6 => select(words),
        2 => select(vec![" ".to_owned(), ".".to_owned(), "/".to_owned(), "_".to_owned()]),
        1 => any::<char>().prop_map(String::from),
        1 => (1..400_usize).prop_map(|length| "long".repeat(length)),
    ];
    vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// Objects and versions, so few different parts that some of them would be alike if they were only put together.
fn named() -> impl Strategy<Value = (S3Object, String)> {
    let part = || prop_oneof![1 => key(), 1 => select(vec!["", "a", "aa", "b", "ab", "A"]).prop_map(str::to_owned)];
    (part(), part(), part()).prop_map(|(bucket, key, version)| {
        (S3Object { bucket, key, version_id: None, etag: None }, version)
    })
}

/// A name as a file system sees it that ignores case, composition, and dots and spaces at the end. The names are ASCII,
/// in which nothing is composed.
fn folded(name: &str) -> String {
    assert!(name.is_ascii());
    name.to_ascii_lowercase().trim_end_matches(['.', ' ']).to_owned()
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |kind| {
        stem.strip_prefix(kind)
            .is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit())
    };
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&&*stem)
        || numbered("COM")
        || numbered("LPT")
}

#[test]
fn every_name_is_one_that_every_file_system_takes() {
    holds_for_all(1000, &named(), |(object, version)| {
        let name = file_name(&object, &version);
        // While it is written, a file has a longer name.
        assert!(".unfinished-00000000-".len() + name.len() <= 255, "{name}");
        assert!(
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
            "{name}"
        );
        let path = Path::new(&name);
        assert!(
            matches!(path.components().collect::<Vec<_>>()[..], [Component::Normal(it)] if it == path)
        );
        assert!(
            !name.starts_with('.') && !name.ends_with(['.', ' ']) && !is_device(&name),
            "{name}"
        );
        assert_eq!(path.extension().unwrap(), "json");
    });
}

#[test]
fn no_two_versions_have_the_same_file_in_any_file_system() {
    holds_for_all(100, &vec(named(), 2..40), |named| {
        let mut found = HashMap::new();
        for (object, version) in named {
            let of = (object.bucket.clone(), object.key.clone(), version.clone());
            let name = file_name(&object, &version);
            assert_eq!(file_name(&object, &version), name);
            let other = found.insert(folded(&name), of.clone());
            assert!(other.as_ref().is_none_or(|other| *other == of), "{of:?} and {other:?}");
        }
    });
}
