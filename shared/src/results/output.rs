//! Where results go: a folder, or a bucket.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::bucket::Bucket;
use crate::disk::Disk;

/// The place that `--output` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Folder(PathBuf),
    /// The objects of a bucket whose keys begin with a prefix, which is empty or ends with a slash.
    Bucket {
        name: String,
        prefix: String,
    },
}

/// The folder or the bucket, opened.
#[derive(Clone, Debug)]
pub(super) enum Sink {
    Folder(Arc<dyn Disk>),
    Bucket(Bucket),
}

/// In bytes. A key has 1,024 at most, and a result's name 120.
const LONGEST_PREFIX: usize = 800;

impl Output {
    /// # Errors
    ///
    /// If it begins like an address, but is not the address of a bucket.
    pub(super) fn parse(given: OsString) -> Result<Self, String> {
        let address = given.to_str().and_then(|given| given.split_once(':'));
        let Some((scheme, rest)) = address.filter(|(scheme, rest)| is_address(scheme, rest)) else {
            return Ok(Self::Folder(given.into()));
        };
        let rest = rest.strip_prefix("//").filter(|_| scheme == "s3").unwrap_or_default();
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() || prefix.len() > LONGEST_PREFIX {
            return Err(format!(
                "a bucket is given as s3://BUCKET/PREFIX/, and the prefix can have {LONGEST_PREFIX} bytes. For a folder \
                 of this name, write ./ before it"
            ));
        }
        let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
        Ok(Self::Bucket { name: name.to_owned(), prefix: format!("{prefix}{slash}") })
    }
}

/// Whether `SCHEME:REST` is meant as an address: `s3:/bucket` and `gs://bucket` are hardly meant as folders.
fn is_address(scheme: &str, rest: &str) -> bool {
    scheme.eq_ignore_ascii_case("s3") || rest.starts_with("//") && !scheme.contains('/')
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Bucket { name, prefix } => write!(f, "s3://{name}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_begins_with_s3_and_no_other_address_is_taken_for_a_folder() {
        for (given, shown) in [
            ("s3://b", "s3://b/"),
            ("s3://b/", "s3://b/"),
            ("s3://b/a", "s3://b/a/"),
            ("s3://b/a/c/", "s3://b/a/c/"),
        ] {
            let output = Output::parse(given.into()).unwrap();
            assert!(matches!(output, Output::Bucket { .. }), "{given}");
            assert_eq!(output.to_string(), shown);
        }
        for folder in
            ["output", "/a/b", "s3", "s3/b:", "./s3://b/a", "./s3:", "a:b", r"C:\a", "C:/a"]
        {
            assert_eq!(Output::parse(folder.into()).unwrap(), Output::Folder(folder.into()));
        }
        let too_long = format!("s3://b/{}", "a".repeat(801));
        for wrong in
            ["s3://", "s3:///a", &too_long, "s3:/b/a", "s3:b", "S3://b", "gs://b", "file:///a"]
        {
            let error = Output::parse(wrong.into()).unwrap_err();
            assert!(error.contains("s3://BUCKET/PREFIX/"), "{wrong}: {error}");
        }
    }
}
