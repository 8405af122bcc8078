//! Writes the result of each file to a file of its own in one folder, or to an object of its own in a bucket.

mod bucket;
mod failures;
mod named;
mod output;
mod waiting;

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use futures_util::future::BoxFuture;
use metrics::counter;
use parking_lot::Mutex;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tracing::{Span, info};

use crate::aws::{Backoff, Failed, Failure, Outcomes, Queue, S3Object};
use crate::contents::{Contents, Count};
use crate::disk::Folder;
use crate::metrics::{BYTES, FILES, LINES};
use crate::surroundings::Surroundings;

use bucket::Bucket;
pub(crate) use bucket::Probed;
use failures::Failures;
pub(crate) use output::Output;
use output::Sink;
use waiting::Waiting;

/// Where results go, and when the program ends. A step flattens these into its own arguments.
#[derive(Args, Clone, Debug)]
pub struct ResultsArgs {
    #[arg(
        long,
        help = "Where results go: a folder, or the objects of a bucket, as s3://BUCKET/PREFIX/",
        value_name = "DIR|S3",
        env = "PALLETO_OUTPUT",
        default_value = "output",
        value_parser = OsStringValueParser::new().try_map(Output::parse)
    )]
    pub(crate) output: Output,

    /// End when the queue is empty and all files are done; with exit code 1 if a file failed
    #[arg(long)]
    until_idle: bool,
}

/// A folder with one JSON file for each version of an object, or a bucket with one JSON object for each, and the totals of
/// this run. Without versions, each content of an object counts as a version of its own.
///
/// Clones share the totals.
#[derive(Clone, Debug)]
pub struct Results(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    output: Output,
    sink: Sink,
    waiting: Waiting,
    failures: Failures,
    until_idle: bool,
    started: Instant,
    /// When the last file was done.
    last: Mutex<Instant>,
    files: AtomicU64,
    already: AtomicU64,
    lines: AtomicU64,
    bytes: AtomicU64,
}

/// How long a result waits for others, if no message is deleted meanwhile.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// The folder or the bucket cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("results cannot be written to {output}, choose another place with --output")]
pub struct OutputError {
    output: Output,
    source: Box<dyn Error + Send + Sync>,
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
    /// Uses the given folder, and creates it if it does not exist; or uses the given bucket of this S3, whose new objects
    /// the queues must not be told of.
    ///
    /// # Errors
    ///
    /// If results cannot be written there.
    pub async fn open(
        args: &ResultsArgs,
        s3: Option<&aws_sdk_s3::Client>,
        queues: &[Queue],
    ) -> Result<Self, OutputError> {
        let ResultsArgs { output, until_idle } = args;
        let sink = match output {
            Output::Folder(folder) => match Surroundings::simulated() {
                Some(simulated) => Ok(Sink::Folder(simulated.disk)),
                None => match Folder::open(folder.clone()) {
                    Ok(opened) => Ok(Sink::Folder(Arc::new(opened))),
                    Err(error) => Err(error.into()),
                },
            },
            Output::Bucket { name, prefix } => match s3 {
                Some(s3) => Bucket::open(s3, name, prefix, queues).await.map(Sink::Bucket),
                None => Err("there is no S3".into()),
            },
        };
        let sink = sink.map_err(|source| OutputError { output: output.clone(), source })?;
        let writing = Backoff::new(format!("Writing to {output}"));
        Ok(Self(Arc::new(Inner {
            output: output.clone(),
            waiting: Waiting::new(sink.clone(), writing),
            failures: Failures::new(sink.clone()),
            sink,
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
    /// The file is written a little later, together with others, and before the message about the object is deleted. It
    /// is written whole or not at all. In a folder it replaces an earlier result of the same version; in a bucket, the
    /// earlier one stays. Until then, half a second at most, it waits in memory. If many wait, this writes those first. If
    /// the disk is full, or it or S3 fails, that is not the file's fault: this waits, and tries again until it is dropped.
    ///
    /// # Errors
    ///
    /// If the outcome is not a JSON object.
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
        let mut json = serde_json::to_vec_pretty(&document)?;
        json.push(b'\n');
        let version = object.version_id.as_deref().or(etag).unwrap_or_default();
        let Inner { files, lines, bytes, waiting, .. } = &*self.0;
        waiting.add(file_name(object, version), json).await;
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

    /// Finds out how S3 treats results, with one that it removes again. `None` if they go to a folder.
    pub(crate) async fn probe(&self) -> Option<Probed> {
        match &self.0.sink {
            Sink::Folder(_) => None,
            Sink::Bucket(bucket) => Some(bucket.probe().await),
        }
    }

    /// Waits until all results so far are written, and would survive a power failure. If the disk is full, or it or S3
    /// fails, this waits, and tries again until it is dropped.
    pub async fn make_durable(&self) {
        self.0.waiting.write().await;
    }

    /// Writes the records of failures so far, and removes those of files that are done.
    pub(crate) async fn write_failures(&self) {
        self.0.failures.write(&self.0.waiting).await;
    }

    /// Writes results as long as the program runs, each at most a moment after it was added; and records of failures.
    pub(crate) async fn keep_writing(self) {
        let Inner { waiting, failures, .. } = &*self.0;
        tokio::join!(waiting.keep_writing(LONGEST_WAIT), failures.keep_writing(waiting));
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
        let version = object.version_id.as_deref().or(object.etag.as_deref());
        let disk = match &self.0.sink {
            // There is nothing to do for a result, or each would bring forth another one.
            Sink::Bucket(bucket) if bucket.is_result(object) => return true,
            Sink::Bucket(bucket) => {
                let Some(version) = version else { return false };
                return bucket.has(&file_name(object, version)).await;
            }
            Sink::Folder(disk) => disk,
        };
        let Some(version) = version else { return false };
        // Not on a blocking thread: that takes ten times longer, and the file hardly ever exists. Another process may
        // have written it and not come to force its name to disk. If that fails, the result is written again.
        disk.exists(&file_name(object, version)).unwrap_or(false) && disk.force_names().is_ok()
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

    /// Logs a summary of this run in one line. `failed` is the number of files that could not be processed,
    /// and `left_out` of those that were not selected.
    ///
    /// The time ends with the last file, because it takes a while longer to find that the queue is empty.
    pub(crate) fn summary(&self, failed: u64, left_out: u64) {
        let Inner { files, already, lines, bytes, started, output, .. } = &*self.0;
        let (files, lines, bytes) = (files.load(Relaxed), lines.load(Relaxed), bytes.load(Relaxed));
        let last = self.0.last.lock();
        let seconds = (*last - *started).as_secs_f64();
        let already = already.load(Relaxed);
        info!(
            files,
            already,
            lines,
            bytes,
            failed,
            left_out,
            seconds,
            "Processed {files} files: {lines} lines, {bytes} bytes, {failed} failed, {seconds:.1} seconds{}{}",
            match already {
                0 => String::new(),
                _ => format!(". {already} were processed already: their results are in {output}"),
            },
            match left_out {
                0 => String::new(),
                _ => format!(". {left_out} were left out (--include, --exclude)"),
            }
        );
    }
}

impl Outcomes for Results {
    fn durable(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.make_durable())
    }

    fn failed(&self, object: &S3Object, failed: &Failed<'_>) {
        self.0.failures.failed(object, failed);
    }

    fn done(&self, object: &S3Object, receive_count: u32) {
        self.0.failures.done(object, receive_count);
    }
}

/// A name that starts readable, and ends unlike any other version's. The key itself will not do, because keys
/// can have any character, even `..`, and be longer than file names can. In a bucket without versions, the ETag tells
/// contents apart: if an object is replaced while its old content is still being read, neither result may take the
/// place of the other.
fn file_name(object: &S3Object, version: &str) -> String {
    let S3Object { bucket, key, .. } = object;
    let last = key.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' };
    let readable: String = last.trim_start_matches('.').chars().map(plain).take(80).collect();
    // Windows takes a name such as con.txt or COM1.log for a device, with any ending.
    let stem = readable.split_once('.').map(|(stem, _)| stem.to_ascii_lowercase());
    let is_device = stem.is_some_and(|stem| {
        let name = stem.strip_suffix(|c: char| c.is_ascii_digit() && stem.len() == 4);
        ["con", "prn", "aux", "nul", "com", "lpt"].contains(&name.unwrap_or(&stem))
    });
    let start = if is_device { "_" } else { "" };
    let mut hash = Sha256::new();
    for part in [bucket, key, version] {
        // Each part's length precedes it, so that no two triples hash the same bytes.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    format!("{start}{readable}-{}.json", hex::encode(&hash.finalize()[..16]))
}

fn now() -> String {
    // A time between the years 0 and 9999 can always be formatted.
    DateTime::from(SystemTime::now()).fmt(DateTimeFormat::DateTimeWithOffset).unwrap_or_default()
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs;
    use std::path::Path;

    use aws_sdk_s3::primitives::ByteStream;
    use serde_json::json;

    use super::*;
    use crate::aws::Download;
    use crate::contents::Limits;
    use crate::disk::Disk;

    fn object(key: &str, version_id: Option<&str>) -> S3Object {
        S3Object {
            bucket: "b".into(),
            key: key.into(),
            version_id: version_id.map(Into::into),
            etag: Some("e".into()),
        }
    }

    async fn open(folder: &Path) -> Result<Results, OutputError> {
        let output = Output::Folder(folder.to_owned());
        Results::open(&ResultsArgs { output, until_idle: true }, None, &[]).await
    }

    #[tokio::test]
    async fn each_version_has_a_file_of_its_own_inside_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        let results = open(&folder).await.unwrap();
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
        results.make_durable().await;
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

    #[tokio::test]
    async fn an_outcome_has_to_be_an_object() {
        let folder = tempfile::tempdir().unwrap();
        let contents =
            Contents::unzip(Download::of(ByteStream::default()), Limits::default()).await;
        let results = open(folder.path()).await.unwrap();
        assert!(results.write(&object("k", None), &contents, &7).await.is_err());
        assert!(results.ensure_new(&object("k", None)).await.is_ok());
    }

    /// A disk that does nothing, and fails to force names as often as it is told to.
    #[derive(Debug, Default)]
    struct Failing {
        names: parking_lot::Mutex<HashSet<String>>,
        failures: AtomicU64,
        created: AtomicU64,
    }

    impl Disk for Failing {
        fn exists(&self, name: &str) -> io::Result<bool> {
            Ok(self.names.lock().contains(name))
        }

        fn read(&self, _: &str) -> io::Result<Vec<u8>> {
            Ok(Vec::new())
        }

        fn create(&self, name: &str, _: &[u8]) -> io::Result<()> {
            self.created.fetch_add(1, Relaxed);
            self.names.lock().insert(name.to_owned());
            Ok(())
        }

        fn force(&self, _: &str) -> io::Result<()> {
            Ok(())
        }

        fn rename(&self, from: &str, to: &str) -> io::Result<()> {
            let mut names = self.names.lock();
            assert!(names.remove(from));
            names.insert(to.to_owned());
            Ok(())
        }

        fn remove(&self, name: &str) -> io::Result<()> {
            self.names.lock().remove(name);
            Ok(())
        }

        fn force_names(&self) -> io::Result<()> {
            let failures = &self.failures;
            let fails = failures.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
            if fails { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
        }
    }

    async fn on(disk: Arc<Failing>, test: impl AsyncFn(Results)) {
        let surroundings = Surroundings {
            sdk_config: local_aws::sdk_config("http://127.0.0.1:1"),
            queue_url: String::new(),
            disk,
            stop: tokio_util::sync::CancellationToken::new(),
        };
        let test = async move { test(open(Path::new("nowhere")).await.unwrap()).await };
        surroundings.run(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_is_written_again_until_its_name_is_on_disk() {
        let disk = Arc::new(Failing { failures: 3.into(), ..Failing::default() });
        on(disk.clone(), async |results| {
            let contents =
                Contents::unzip(Download::of(ByteStream::default()), Limits::default()).await;
            results.write(&object("k", None), &contents, &json!({})).await.unwrap();
            results.make_durable().await;
        })
        .await;
        assert_eq!((disk.created.load(Relaxed), disk.names.lock().len()), (4, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_does_not_count_as_long_as_its_name_is_not_on_disk() {
        let name = file_name(&object("k", None), "e");
        let disk = Failing { failures: 1.into(), ..Failing::default() };
        disk.names.lock().insert(name);
        on(disk.into(), async |results| {
            assert!(results.ensure_new(&object("k", None)).await.is_ok());
            let again = results.ensure_new(&object("k", None)).await;
            assert!(matches!(again, Err(Failure::AlreadyDone)));
            assert!(results.ensure_new(&object("k", Some("v"))).await.is_ok());
        })
        .await;
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_to_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = open(&file.path().join("results")).await.unwrap_err();
        assert!(error.to_string().contains("--output"), "{error}");
    }
}
