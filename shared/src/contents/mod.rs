//! The contents of a file, unzipped during its download.

mod ahead;
mod count;
mod limits;
mod lines;
mod packing;
mod read;
#[cfg(test)]
mod tests;
mod unzip;

use std::future::poll_fn;
use std::io;
use std::ops::Range;

use ahead::Ahead;
pub use count::Count;
pub use limits::Limits;
pub use lines::MAX_LINE;

use crate::aws::{Download, Failure};
use unzip::Unzip;

/// The contents of a file: unzipped if the file starts with the bytes of a gzip, zstd or bzip2 file, and unchanged otherwise.
/// The first mebibyte of the file is in memory. The rest is downloaded as the contents are read.
///
/// There are three ways to read them. You can switch between them at any time:
///
/// - [`next`](Self::next) returns the next bytes, at most 64 KiB. It is the fastest.
/// - [`next_line`](Self::next_line) returns the next line as text.
/// - [`AsyncBufRead`](tokio::io::AsyncBufRead) and [`AsyncRead`](tokio::io::AsyncRead) are the input of csv-async,
///   tokio's [`lines`](tokio::io::AsyncBufReadExt::lines), tokio-util's codecs, and others.
///
/// Bytes are unzipped when they are requested. Unzipping takes processor time, so the contents let other tasks of
/// the thread run in between. They [count](Self::line_count) the lines and bytes that they return.
///
/// # Errors
///
/// Reading fails if the download breaks off for good, the object was replaced, the zipped data are damaged or
/// incomplete, the file exceeds the limits, or it is [packed](Self::accept_packed) in another way, or twice.
/// After a failure every further read fails too, so that half a file is never taken for a whole one.
#[derive(Debug)]
pub struct Contents {
    etag: Option<String>,
    ahead: Ahead,
    unzip: Unzip,
    limits: Limits,
    count: Count,
    /// Unzipped bytes. The buffer is reused, because new memory costs a page fault for each 4 KiB.
    chunk: Vec<u8>,
    /// How many of the file's first bytes are in `chunk` and wait for more: together they tell how it is packed.
    gathered: usize,
    accepts_packed: bool,
    /// The range of the bytes in `chunk` that are still unread.
    unread: Range<usize>,
    /// The beginning of a line that continues after the chunk.
    line: Vec<u8>,
    failed: Option<Why>,
}

/// Why reading failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Why {
    /// The object was replaced or deleted.
    Replaced,
    /// The download broke off.
    Download,
    /// The file is damaged, or too large.
    File,
    /// The file would have to be unpacked first.
    Packed,
}

impl Contents {
    /// Returns when the whole download, or its first mebibyte, is in memory. The rest waits until contents are
    /// read. The limits apply to the unzipped file.
    pub async fn unzip(download: Download, limits: Limits) -> Self {
        let etag = download.etag().map(str::to_owned);
        let ahead = Ahead::read(download).await;
        let unzip = Unzip::new(ahead.format());
        Self {
            etag,
            ahead,
            unzip,
            limits,
            count: Count::default(),
            chunk: Vec::new(),
            gathered: 0,
            accepts_packed: false,
            unread: 0..0,
            line: Vec::new(),
            failed: None,
        }
    }

    /// Returns the bytes of zip, xz, tar and the like as they are, for work that unpacks them itself. Without this
    /// call, reading such a file fails, because its bytes are easily taken for its contents. Gzip in gzip, and tar in
    /// zstd, are such files too.
    pub fn accept_packed(&mut self) {
        self.accepts_packed = true;
    }

    /// The ETag of the object's content, without quotes, if S3 has sent one.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Whether the whole file was already downloaded when `unzip` returned.
    pub fn is_whole(&self) -> bool {
        self.ahead.is_whole()
    }

    /// Returns the next bytes, or `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// See [`Contents`].
    pub async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        poll_fn(|cx| self.poll_unread(cx)).await?;
        let chunk = &self.chunk[std::mem::take(&mut self.unread)];
        Ok(Some(chunk).filter(|chunk| !chunk.is_empty()))
    }

    /// How many non-empty lines were unzipped so far. At the end of the contents, that is all of them.
    ///
    /// The contents count line endings as they unzip, so that no second pass over the bytes is needed.
    pub fn line_count(&self) -> u64 {
        self.count.lines()
    }

    /// How many bytes were unzipped so far. At the end of the contents, that is all of them.
    pub fn byte_size(&self) -> u64 {
        self.count.bytes()
    }

    /// The lines and bytes so far, and the time since the first bytes were read.
    pub fn count(&self) -> Count {
        self.count
    }

    /// The `result` of work that has read these contents. If the download failed, this is the cause of the work's
    /// failure, no matter which error the work returned. Such a failure says nothing about the file, so it is never
    /// permanent. If the file would have to be unpacked first, the failure is permanent.
    ///
    /// # Errors
    ///
    /// If the work has failed.
    pub fn cause_of<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        result.map_err(|failure| match (self.failed, failure) {
            (Some(Why::Replaced), _) => Failure::Replaced,
            (Some(Why::Download), Failure::Permanent(reason)) => Failure::Other(reason),
            (Some(Why::Packed), Failure::Other(reason)) => Failure::Permanent(reason),
            (_, failure) => failure,
        })
    }
}
