//! Records of the files that fail: one for each version of an object, under `failed/`, where the results are.
//!
//! A record is for people, and nothing depends on it. So records are written by a task of their own, and no file, message or
//! result waits for that. If a record cannot be written, the log says so, and the message still comes back.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::bucket::{Bucket, FAILED, Listed};
use super::output::Sink;
use super::waiting::Waiting;
use super::{file_name, now};
use crate::aws::{Failed, S3Object};
use crate::clock;
use crate::disk::{Disk, UNFINISHED};

/// The changes that wait to be made to the records.
#[derive(Debug)]
pub(super) struct Failures {
    sink: Sink,
    changes: Mutex<VecDeque<Change>>,
    /// Held while changes are made.
    turn: tokio::sync::Mutex<()>,
    /// Tells [`keep_writing`](Self::keep_writing) that a change waits.
    added: Notify,
    /// The records that were in the bucket a moment ago.
    listed: Mutex<Listed>,
    /// The log's last line about a change that could not be made.
    said: Mutex<String>,
}

#[derive(Debug)]
struct Change {
    /// The record's name.
    name: String,
    /// The record to write. Without one, the record of this name is removed.
    record: Option<Record>,
}

/// The content of a record.
#[derive(Debug, Serialize)]
struct Record {
    bucket: String,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    attempts: u64,
    reason: String,
    /// Whether the message went to the dead-letter queue at once.
    put_aside: bool,
    /// In the format of RFC 3339.
    first_failed_at: String,
    last_failed_at: String,
}

/// The fields of an older record that the next one takes over.
#[derive(Deserialize)]
struct Older {
    attempts: u64,
    first_failed_at: String,
}

/// In characters. A reason can be as long as an answer of S3.
const LONGEST_REASON: usize = 1000;
/// How many changes may wait. Others are not made.
const ROOM: usize = 4096;
/// How many changes are made at the same time.
const AT_ONCE: usize = 32;
/// How often a bucket's records are listed.
const LISTED: Duration = Duration::from_mins(1);

impl Failures {
    pub(super) fn new(sink: Sink) -> Self {
        Self {
            sink,
            changes: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            added: Notify::new(),
            listed: Mutex::default(),
            said: Mutex::default(),
        }
    }

    /// The work on the object has failed. Its record is written later.
    pub(super) fn failed(&self, object: &S3Object, failed: &Failed<'_>) {
        let S3Object { bucket, key, version_id, etag } = object.clone();
        let now = now();
        let record = Record {
            bucket,
            key,
            version_id,
            etag,
            attempts: failed.receive_count.into(),
            reason: failed.reason.chars().take(LONGEST_REASON).collect(),
            put_aside: failed.is_put_aside,
            first_failed_at: now.clone(),
            last_failed_at: now,
        };
        self.add(Change { name: name(object), record: Some(record) });
    }

    /// The work on the object is done. If it may have a record, that is removed later.
    pub(super) fn done(&self, object: &S3Object, receive_count: u32) {
        let name = name(object);
        // A message that comes out of the dead-letter queue again counts as a new one, so its receive count does not tell.
        let may_have_failed = receive_count > 1
            || match &self.sink {
                Sink::Folder(disk) => disk.exists(&format!("{FAILED}{name}")).unwrap_or(false),
                Sink::Bucket(_) => self.listed.lock().may_have(&name),
            };
        if may_have_failed {
            self.add(Change { name, record: None });
        }
    }

    fn add(&self, change: Change) {
        let mut changes = self.changes.lock();
        if changes.len() < ROOM {
            changes.push_back(change);
            self.added.notify_one();
        } else {
            drop(changes);
            self.say("more of them fail than can be recorded".to_owned());
        }
    }

    /// Makes changes as long as the program runs.
    pub(super) async fn keep_writing(&self, results: &Waiting) {
        let mut now_and_then = interval(LISTED);
        now_and_then.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match &self.sink {
                Sink::Folder(_) => self.added.notified().await,
                Sink::Bucket(bucket) => tokio::select! {
                    () = self.added.notified() => {}
                    _ = now_and_then.tick() => self.list(bucket).await,
                },
            }
            self.write(results).await;
        }
    }

    async fn list(&self, bucket: &Bucket) {
        match bucket.list_failed().await {
            Ok(listed) => *self.listed.lock() = listed,
            Err(error) => self.say(error),
        }
    }

    /// Makes the changes that wait. `results` are durable before the record of one of their files is removed.
    pub(super) async fn write(&self, results: &Waiting) {
        let _turn = self.turn.lock().await;
        loop {
            let changes = self.next();
            if changes.is_empty() {
                return;
            }
            if changes.iter().any(|change| change.record.is_none()) {
                results.write().await;
            }
            match &self.sink {
                Sink::Folder(disk) => {
                    let disk = disk.clone();
                    let changes =
                        move || changes.into_iter().map(|it| it.make_on(&*disk)).collect();
                    let made: Result<Vec<_>, _> = clock::blocking(changes).await;
                    let errors = made.into_iter().flatten().filter_map(Result::err);
                    errors.for_each(|error| self.say(error.to_string()));
                }
                Sink::Bucket(bucket) => {
                    let make = async |change: Change| {
                        if let Err(error) = change.make_in(bucket).await {
                            self.say(error);
                        }
                    };
                    stream::iter(changes).map(make).buffer_unordered(AT_ONCE).collect::<()>().await;
                }
            }
        }
    }

    /// The next changes that can be made in any order, because each is about another record.
    fn next(&self) -> Vec<Change> {
        let mut changes = self.changes.lock();
        let mut names = HashSet::new();
        let another = changes.iter().take(AT_ONCE).take_while(|it| names.insert(it.name.clone()));
        let count = another.count();
        changes.drain(..count).collect()
    }

    /// Logs why a change is not made, unless the log said the same last.
    fn say(&self, error: String) {
        let mut said = self.said.lock();
        if *said != error {
            warn!("The records of failed files are not up to date: {error}");
            *said = error;
        }
    }
}

impl Change {
    fn make_on(self, disk: &dyn Disk) -> io::Result<()> {
        let path = format!("{FAILED}{}", self.name);
        let Some(record) = self.record else {
            return if disk.exists(&path)? { disk.remove(&path) } else { Ok(()) };
        };
        if disk.exists(&self.name)? {
            return Ok(());
        }
        let older = if disk.exists(&path)? { Some(disk.read(&path)?) } else { None };
        let unfinished = format!("{UNFINISHED}{:08x}-{}", rand::random::<u32>(), self.name);
        let written = disk
            .create(&unfinished, &record.after(older.as_deref()))
            .and_then(|()| disk.force(&unfinished))
            .and_then(|()| disk.rename(&unfinished, &path));
        if written.is_err() {
            let _ = disk.remove(&unfinished); // It may not exist.
        }
        written
    }

    async fn make_in(self, bucket: &Bucket) -> Result<(), String> {
        let Some(record) = self.record else { return bucket.remove_failed(&self.name).await };
        // Another receiver of the message can have been faster.
        if bucket.has(&self.name).await {
            return Ok(());
        }
        let older = bucket.read_failed(&self.name).await?;
        bucket.write_failed(&self.name, record.after(older.as_deref())).await
    }
}

impl Record {
    /// As JSON. It goes on where an older one ended.
    fn after(mut self, older: Option<&[u8]>) -> Vec<u8> {
        let older = older.and_then(|json| serde_json::from_slice::<Older>(json).ok());
        if let Some(Older { attempts, first_failed_at }) = older {
            // The receive count begins again when the message comes out of the dead-letter queue.
            self.attempts = self.attempts.max(attempts.saturating_add(1));
            self.first_failed_at = first_failed_at;
        }
        let mut json = serde_json::to_vec_pretty(&self).unwrap_or_default();
        json.push(b'\n');
        json
    }
}

/// A record has the name of the result that the same version would have.
fn name(object: &S3Object) -> String {
    let version = object.version_id.as_deref().or(object.etag.as_deref());
    file_name(object, version.unwrap_or_default())
}
