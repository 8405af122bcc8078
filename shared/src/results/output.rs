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
    /// If it begins like the name of a bucket, but is none.
    pub(super) fn parse(given: OsString) -> Result<Self, String> {
        let Some(rest) = given.to_str().and_then(|given| given.strip_prefix("s3://")) else {
            return Ok(Self::Folder(given.into()));
        };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() || prefix.len() > LONGEST_PREFIX {
            let most = format!("the prefix can have {LONGEST_PREFIX} bytes");
            return Err(format!("a bucket is given as s3://BUCKET/PREFIX/, and {most}"));
        }
        let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
        Ok(Self::Bucket { name: name.to_owned(), prefix: format!("{prefix}{slash}") })
    }
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
    fn a_bucket_begins_with_s3_and_everything_else_is_a_folder() {
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
        for folder in ["output", "/a/b", "s3", "s3:/b/a", "./s3://b/a"] {
            assert_eq!(Output::parse(folder.into()).unwrap(), Output::Folder(folder.into()));
        }
        for wrong in ["s3://", "s3:///a", &format!("s3://b/{}", "a".repeat(801))] {
            assert!(Output::parse(wrong.into()).unwrap_err().contains("s3://BUCKET/PREFIX/"));
        }
    }
}
