//! Writes the result of each file to a file of its own in one folder, or to an object of its own in a bucket.

mod bucket;
mod document;
mod failures;
mod named;
mod output;
mod waiting;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use futures_util::future::BoxFuture;
use metrics::counter;
use parking_lot::Mutex;
use serde_json::Value;
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

    /// Writes the `outcome` of the work on `object`, whose contents have been read. `outcome` must be a JSON object.
    /// This method adds `bucket`, `key`, `version_id`, `etag`, `byte_size` and `processed_at` to it, so `outcome` must
    /// not have them.
    ///
    /// The file is written a little later, together with others, and before the message about the object is deleted. It
    /// is written whole or not at all. In a folder it replaces an earlier result of the same version; in a bucket, the
    /// earlier one stays. Until then, half a second at most, it waits in memory. If many wait, this writes those first. If
    /// the disk is full, or it or S3 fails, that is not the file's fault: this waits, and tries again until it is dropped.
    ///
    /// # Errors
    ///
    /// [`Failure::Permanent`] if the outcome is no such object.
    pub async fn write(
        &self,
        object: &S3Object,
        contents: &Contents,
        outcome: &Value,
    ) -> Result<(), Failure> {
        self.write_counted(object, contents.etag(), contents.count(), outcome).await
    }

    /// Like [`write`](Self::write), for contents that were read and counted by other means.
    ///
    /// # Errors
    ///
    /// See [`write`](Self::write).
    pub async fn write_counted(
        &self,
        object: &S3Object,
        etag: Option<&str>,
        count: Count,
        outcome: &Value,
    ) -> Result<(), Failure> {
        let json = document::json(object, etag, count, outcome).map_err(Failure::permanent)?;
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
            // A result is no file to process, or each would make another one.
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
mod tests;
