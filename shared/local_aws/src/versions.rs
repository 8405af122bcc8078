//! The versions of a bucket's objects, page by page.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    DeleteMarkerEntry, ETag, EncodingType, ListObjectVersionsInput, ListObjectVersionsOutput,
    ObjectVersion,
};
use s3s::{S3Result, s3_error};

use super::store::Bucket;

/// The characters that a listing contains as they are. The others are encoded if the client asks for that, as
/// all clients do, because a key can have characters that XML cannot.
const ENCODED_IN_LISTINGS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) fn encoding(wanted: Option<&EncodingType>) -> impl Fn(String) -> String + Copy {
    let is_wanted = wanted.is_some_and(|encoding| encoding.as_str() == EncodingType::URL);
    move |key| {
        if is_wanted { utf8_percent_encode(&key, ENCODED_IN_LISTINGS).to_string() } else { key }
    }
}

/// Lists versions after the two markers, or after all versions of the key if there is only one.
pub(super) fn list(
    bucket: &Bucket,
    input: ListObjectVersionsInput,
) -> S3Result<ListObjectVersionsOutput> {
    if input.delimiter.is_some() {
        return Err(s3_error!(NotImplemented, "versions are not listed by folders here"));
    }
    let encode = encoding(input.encoding_type.as_ref());
    let max_keys = input.max_keys.unwrap_or(1000).clamp(0, 1000);
    let marker = input.key_marker.as_deref().unwrap_or_default();
    let prefix = input.prefix.clone().unwrap_or_default();
    let all: Vec<_> = bucket.versions(&prefix).collect();
    let seen = all.iter().rposition(|(key, version, _)| match &input.version_id_marker {
        Some(id) => key.as_str() < marker || key.as_str() == marker && version.name() == id,
        None => key.as_str() <= marker && input.key_marker.is_some(),
    });
    let rest = &all[seen.map_or(0, |seen| seen + 1)..];
    let page = &rest[..rest.len().min(usize::try_from(max_keys).unwrap_or(0))];
    let last = page.last().filter(|_| page.len() < rest.len());
    let (next_key_marker, next_version_id_marker) =
        last.map(|(key, version, _)| (encode((*key).clone()), version.name().to_owned())).unzip();
    let (mut versions, mut delete_markers) = (Vec::new(), Vec::new());
    for (key, version, is_latest) in page {
        let (key, version_id) = (Some(encode((*key).clone())), Some(version.name().to_owned()));
        let is_latest = Some(*is_latest);
        match &version.object {
            Some(object) => versions.push(ObjectVersion {
                key,
                version_id,
                is_latest,
                e_tag: Some(ETag::Strong(object.etag.clone())),
                size: i64::try_from(object.content.len()).ok(),
                last_modified: Some(object.modified.into()),
                ..Default::default()
            }),
            None => delete_markers.push(DeleteMarkerEntry {
                key,
                version_id,
                is_latest,
                ..Default::default()
            }),
        }
    }
    Ok(ListObjectVersionsOutput {
        name: Some(input.bucket),
        prefix: input.prefix.map(encode),
        key_marker: input.key_marker.map(encode),
        version_id_marker: input.version_id_marker,
        max_keys: Some(max_keys),
        is_truncated: Some(last.is_some()),
        next_key_marker,
        next_version_id_marker,
        versions: Some(versions),
        delete_markers: Some(delete_markers),
        encoding_type: input.encoding_type,
        ..Default::default()
    })
}
