//! Writes the result of each file to a file of its own, in one folder.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use clap::Args;
use metrics::counter;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tracing::{Span, info};

use crate::aws::{Failure, S3Object};
use crate::clock;
use crate::contents::{Contents, Count};
use crate::metrics::{BYTES, FILES, LINES};

/// Where results go, and when the program ends. A step flattens these into its own arguments.
#[derive(Args, Clone, Debug)]
pub struct ResultsArgs {
    /// The folder for the results
    #[arg(long, value_name = "DIR", env = "PALLETO_OUTPUT", default_value = "output")]
    pub(crate) output: PathBuf,

    /// End when the queue is empty and all files are done; with exit code 1 if a file failed
    #[arg(long)]
    until_idle: bool,
}

/// A folder with one JSON file for each version of an object, and the totals of this run.
///
/// Clones share the folder and the totals.
#[derive(Clone, Debug)]
pub struct Results(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    until_idle: bool,
    started: Instant,
    /// When the last file was done.
    last: Mutex<Instant>,
    files: AtomicU64,
    already: AtomicU64,
    lines: AtomicU64,
    bytes: AtomicU64,
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("results cannot be written to {}, choose another folder with --output", folder.display())]
pub struct FolderError {
    folder: PathBuf,
    source: io::Error,
}

/// The content of a result file.
#[derive(Serialize)]
struct Document<'a, T> {
    bucket: &'a str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    /// The consumer's own fields.
    #[serde(flatten)]
    outcome: &'a T,
    /// The unzipped bytes.
    byte_size: u64,
    /// In the format of RFC 3339.
    processed_at: String,
}

impl Results {
    /// Uses the given folder, and creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// If files cannot be written to it.
    pub fn open(args: &ResultsArgs) -> Result<Self, FolderError> {
        let ResultsArgs { output: folder, until_idle } = args;
        let usable = fs::create_dir_all(folder).and_then(|()| unfinished(folder));
        if let Err(source) = usable {
            return Err(FolderError { folder: folder.clone(), source });
        }
        remove_left_behind(folder);
        Ok(Self(Arc::new(Inner {
            folder: folder.clone(),
            until_idle: *until_idle,
            started: Instant::now(),
            last: Instant::now().into(),
            files: AtomicU64::new(0),
            already: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        })))
    }

    /// Writes the `outcome` of the work on `object`, whose contents have been read. `outcome` must serialize to
    /// a JSON object. This method adds bucket, key, version, `etag`, `byte_size` and `processed_at` to it.
    ///
    /// The file is written whole or not at all. It replaces an earlier result of the same version. When this
    /// returns, the result survives a power failure.
    ///
    /// # Errors
    ///
    /// If the outcome is not a JSON object, or the file cannot be written.
    pub async fn write<T: Serialize>(
        &self,
        object: &S3Object,
        contents: &Contents,
        outcome: &T,
    ) -> io::Result<()> {
        self.write_counted(object, contents.etag(), contents.count(), outcome).await
    }

    /// Like [`write`](Self::write), for contents that were read and counted by other means.
    ///
    /// # Errors
    ///
    /// See [`write`](Self::write).
    pub async fn write_counted<T: Serialize>(
        &self,
        object: &S3Object,
        etag: Option<&str>,
        count: Count,
        outcome: &T,
    ) -> io::Result<()> {
        let document = Document {
            bucket: &object.bucket,
            key: &object.key,
            version_id: object.version_id.as_deref(),
            etag,
            outcome,
            byte_size: count.bytes(),
            processed_at: now(),
        };
        let json = serde_json::to_vec_pretty(&document)?;
        let path = self.0.folder.join(file_name(object));
        let Inner { files, lines, bytes, .. } = &*self.0;
        let folder = self.0.folder.clone();
        clock::blocking(move || write_whole(&folder, &path, &json)).await??;
        let span = Span::current();
        span.record("lines", count.lines());
        span.record("seconds", count.elapsed().as_secs_f64());
        files.fetch_add(1, Relaxed);
        lines.fetch_add(count.lines(), Relaxed);
        bytes.fetch_add(count.bytes(), Relaxed);
        counter!(FILES).increment(1);
        counter!(LINES).increment(count.lines());
        counter!(BYTES).increment(count.bytes());
        self.note_time();
        Ok(())
    }

    /// Makes sure that this version of the object has no result yet. In a bucket without versions, it compares
    /// the content.
    ///
    /// # Errors
    ///
    /// [`Failure::AlreadyDone`] if there is a result. The summary counts those.
    pub async fn ensure_new(&self, object: &S3Object) -> Result<(), Failure> {
        if self.find(object).await {
            self.0.already.fetch_add(1, Relaxed);
            return Err(Failure::AlreadyDone);
        }
        Ok(())
    }

    async fn find(&self, object: &S3Object) -> bool {
        let path = self.0.folder.join(file_name(object));
        // Not on a blocking thread: that takes ten times longer, and the file hardly ever exists.
        if !path.exists() {
            return false;
        }
        let Ok(json) = tokio::fs::read(path).await else { return false };
        let Ok(result) = serde_json::from_slice::<Value>(&json) else { return false };
        match (&object.version_id, &object.etag) {
            // The result of another version has another name.
            (Some(_), _) => true,
            (None, Some(etag)) => result["etag"] == **etag,
            (None, None) => false,
        }
    }

    pub(crate) fn until_idle(&self) -> bool {
        self.0.until_idle
    }

    pub(crate) fn files_done(&self) -> u64 {
        self.0.files.load(Relaxed)
    }

    pub(crate) fn lines(&self) -> u64 {
        self.0.lines.load(Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes.load(Relaxed)
    }

    fn note_time(&self) {
        *self.0.last.lock() = Instant::now();
    }

    /// Logs a summary of this run in one line. `failed` is the number of files that could not be processed.
    ///
    /// The time ends with the last file, because it takes a while longer to find that the queue is empty.
    pub(crate) fn summary(&self, failed: u64) {
        let Inner { files, already, lines, bytes, started, folder, .. } = &*self.0;
        let (files, lines, bytes) = (files.load(Relaxed), lines.load(Relaxed), bytes.load(Relaxed));
        let last = self.0.last.lock();
        let seconds = (*last - *started).as_secs_f64();
        let already = already.load(Relaxed);
        let folder = folder.display();
        info!(
            files,
            already,
            lines,
            bytes,
            failed,
            seconds,
            "Processed {files} files: {lines} lines, {bytes} bytes, {failed} failed, {seconds:.1} seconds{}",
            match already {
                0 => String::new(),
                _ => format!(". {already} were processed already: their results are in {folder}"),
            }
        );
    }
}

/// A name that starts readable, and ends unlike any other version's. The key itself will not do, because keys
/// can have any character, even `..`, and be longer than file names can.
fn file_name(object: &S3Object) -> String {
    let S3Object { bucket, key, version_id, .. } = object;
    let last = key.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' };
    let readable: String = last.trim_start_matches('.').chars().map(plain).take(80).collect();
    let mut hash = Sha256::new();
    for part in [bucket, key, version_id.as_deref().unwrap_or_default()] {
        // Each part's length precedes it, so that no two triples hash the same bytes.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    format!("{readable}-{}.json", hex::encode(&hash.finalize()[..16]))
}

fn write_whole(folder: &Path, path: &Path, json: &[u8]) -> io::Result<()> {
    let mut file = unfinished(folder)?;
    file.write_all(json)?;
    file.write_all(b"\n")?;
    // The message will be deleted, so the result must be on disk by then.
    file.as_file().sync_all()?;
    // Renaming is atomic, so half a result is never visible.
    file.persist(path)?;
    #[cfg(unix)]
    fs::File::open(folder)?.sync_all()?; // The name must be on disk too.
    Ok(())
}

/// The prefix of files that are not results yet.
const UNFINISHED: &str = ".unfinished-";
/// A result is written in a moment. A file that is still unfinished after this time was left by a killed
/// process. Younger ones may belong to other processes that use the same folder.
const LEFT_BEHIND: Duration = Duration::from_hours(1);

fn unfinished(folder: &Path) -> io::Result<NamedTempFile> {
    let mut options = tempfile::Builder::new();
    #[cfg(unix)]
    {
        // Readable by other users, as far as the umask allows.
        use std::os::unix::fs::PermissionsExt;
        options.permissions(fs::Permissions::from_mode(0o666));
    }
    options.prefix(UNFINISHED).tempfile_in(folder)
}

fn remove_left_behind(folder: &Path) {
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = || file.metadata()?.modified()?.elapsed().map_err(io::Error::other);
        if file.file_name().to_string_lossy().starts_with(UNFINISHED)
            && age().is_ok_and(|age| age > LEFT_BEHIND)
        {
            let _ = fs::remove_file(file.path()); // If that fails, another process removed it first.
        }
    }
}

fn now() -> String {
    // A time between the years 0 and 9999 can always be formatted.
    DateTime::from(SystemTime::now()).fmt(DateTimeFormat::DateTimeWithOffset).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use aws_sdk_s3::primitives::ByteStream;
    use serde_json::json;

    use super::*;
    use crate::aws::Download;
    use crate::contents::Limits;

    fn object(key: &str, version_id: Option<&str>) -> S3Object {
        S3Object {
            bucket: "b".into(),
            key: key.into(),
            version_id: version_id.map(Into::into),
            etag: Some("e".into()),
        }
    }

    fn open(folder: &Path) -> Result<Results, FolderError> {
        Results::open(&ResultsArgs { output: folder.to_owned(), until_idle: true })
    }

    #[tokio::test]
    async fn each_version_has_a_file_of_its_own_inside_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        let results = open(&folder).unwrap();
        let keys = [
            "../../etc/x",
            "/etc/x",
            "x",
            "x/",
            "a/x",
            ".",
            "..",
            "…",
            "a\0b",
            "%2e%2e",
            &"k".repeat(1024),
        ];
        let contents =
            Contents::unzip(Download::of(ByteStream::default()), Limits::default()).await;
        for key in keys {
            let write = async |version, line_count| {
                let outcome = json!({ "line_count": line_count });
                results.write(&object(key, version), &contents, &outcome).await.unwrap();
            };
            write(None, 1).await;
            write(Some("v1"), 1).await;
            write(Some("v1"), 2).await;
        }
        let files: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(files.len(), 2 * keys.len());
        assert!(files.iter().all(|file| file.extension().is_some_and(|it| it == "json")));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "nothing outside the folder");
        let contents: HashSet<_> = files
            .iter()
            .map(|file| {
                let result: serde_json::Value =
                    serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
                let last = if result.get("version_id").is_some() { 2 } else { 1 };
                assert_eq!(result["line_count"], last);
                (result["key"].to_string(), result["version_id"].to_string())
            })
            .collect();
        assert_eq!(contents.len(), files.len());
    }

    #[test]
    fn what_a_killed_process_left_long_ago_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, age: u64| {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_mins(age)).unwrap();
        };
        file(".unfinished-old", 61);
        file(".unfinished-new", 59);
        file("result.json", 1000);
        open(folder.path()).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort_unstable();
        assert_eq!(names, [".unfinished-new", "result.json"]);
    }

    #[tokio::test]
    async fn an_outcome_has_to_be_an_object() {
        let folder = tempfile::tempdir().unwrap();
        let contents =
            Contents::unzip(Download::of(ByteStream::default()), Limits::default()).await;
        let results = open(folder.path()).unwrap();
        assert!(results.write(&object("k", None), &contents, &7).await.is_err());
        assert!(results.ensure_new(&object("k", None)).await.is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_is_an_error() {
        let file = NamedTempFile::new().unwrap();
        let error = open(&file.path().join("results")).unwrap_err();
        assert!(error.to_string().contains("--output"), "{error}");
    }
}
