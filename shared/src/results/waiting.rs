//! Results that wait to be written, all of them together.
//!
//! A disk takes about as long to force one file as to force several, S3 takes several requests at a time, and messages are
//! deleted by tens. So results wait until the first of their messages is about to be deleted.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::time::sleep;

use super::named::Named;
use super::output::Sink;
use crate::aws::Backoff;
use crate::clock;
use crate::disk::{Disk, UNFINISHED};

/// Results that wait to be written.
#[derive(Debug)]
pub(super) struct Waiting {
    sink: Sink,
    results: Mutex<Vec<Arc<Named>>>,
    /// Held while results are written. A second caller waits for the results that the first one writes.
    turn: tokio::sync::Mutex<()>,
    /// One permit for each KiB that may wait.
    room: Arc<Semaphore>,
    /// Tells [`keep_writing`](Self::keep_writing) that a result waits.
    added: Notify,
    /// Backs off when results cannot be written. All files share it, because they share the disk or the bucket.
    writing: Backoff,
}

/// How many KiB of results may wait. Each takes one at least.
const ROOM: u32 = 16 * 1024;

impl Waiting {
    pub(super) fn new(sink: Sink, writing: Backoff) -> Self {
        Self {
            sink,
            results: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            room: Arc::new(Semaphore::new(ROOM as usize)),
            added: Notify::new(),
            writing,
        }
    }

    /// Adds a result. If too many wait already, this writes those first.
    pub(super) async fn add(&self, name: String, json: Vec<u8>) {
        let size = u32::try_from(json.len() / 1024).unwrap_or(ROOM).clamp(1, ROOM);
        let room = loop {
            match self.room.clone().try_acquire_many_owned(size) {
                Ok(room) => break room,
                Err(_) => self.write().await,
            }
        };
        self.results.lock().push(Arc::new(Named { name, json: json.into(), _room: room }));
        self.added.notify_one();
    }

    /// Writes results that have waited for `limit`. Without this, a result would wait as long as its message, which
    /// another object can keep in the queue.
    pub(super) async fn keep_writing(&self, limit: Duration) {
        loop {
            self.added.notified().await;
            sleep(limit).await;
            self.write().await;
        }
    }

    /// Waits until all results that were added so far would survive a power failure. If the disk is full, or it or S3 fails,
    /// it tries again until it is dropped. Then they still wait.
    pub(super) async fn write(&self) {
        let _turn = self.turn.lock().await;
        let results = self.results.lock().clone();
        if results.is_empty() {
            return;
        }
        let count = results.len();
        match &self.sink {
            Sink::Folder(disk) => self.write_to_disk(disk, results).await,
            Sink::Bucket(bucket) => bucket.write(&results, &self.writing).await,
        }
        self.results.lock().drain(..count);
    }

    async fn write_to_disk(&self, disk: &Arc<dyn Disk>, results: Vec<Arc<Named>>) {
        loop {
            let (disk, results) = (disk.clone(), results.clone());
            match clock::blocking(move || write_all(&*disk, &results)).await {
                Ok(Ok(())) => break self.writing.succeeded(),
                Ok(Err(error)) => self.writing.failed_so_wait(error).await,
                Err(panic) => self.writing.failed_so_wait(panic).await,
            }
        }
    }
}

fn write_all(disk: &dyn Disk, results: &[Arc<Named>]) -> io::Result<()> {
    // Another process may be writing the same result.
    let unfinished =
        |Named { name, .. }: &Named| format!("{UNFINISHED}{:08x}-{name}", rand::random::<u32>());
    let files: Vec<_> = results.iter().map(|it| (unfinished(it), &**it)).collect();
    let written = write_in_order(disk, &files);
    if written.is_err() {
        for (unfinished, _) in &files {
            let _ = disk.remove(unfinished); // It may have its name by now, or not even exist.
        }
    }
    written
}

fn write_in_order(disk: &dyn Disk, files: &[(String, &Named)]) -> io::Result<()> {
    for (unfinished, Named { json, .. }) in files {
        disk.create(unfinished, json)?;
    }
    // The messages will be deleted, so the results must be on disk by then.
    for (unfinished, _) in files {
        disk.force(unfinished)?;
    }
    // Renaming is atomic, so half a result is never visible.
    for (unfinished, Named { name, .. }) in files {
        disk.rename(unfinished, name)?;
    }
    // The names must be on disk too. If that fails, the results stay: another process may have forced them by now.
    disk.force_names()
}
