//! The contents of a file, unzipped while it is being downloaded.

mod ahead;
mod count;
mod limits;
mod lines;
mod read;
#[cfg(test)]
mod tests;
mod unzip;

use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::time::Duration;

use ahead::Ahead;
pub use count::Count;
pub use limits::Limits;
pub use lines::MAX_LINE;

use crate::aws::{Download, Replaced};
use unzip::{GZIP, Unzip};

/// Whether the contents ended because the object was replaced or deleted while it was being
/// downloaded. Processing must begin again then.
pub fn is_replaced(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.downcast_ref::<Replaced>().is_some())
}

/// The contents of a file: unzipped if its first bytes are those of a gzip file, or else as they
/// are. The first mebibyte of the file is in memory, and the rest is downloaded as the contents are read.
///
/// There are three ways to read them, which can follow each other:
///
/// - [`next`](Self::next) gives the next bytes as they come, at most 64 KiB. It is the fastest.
/// - [`next_line`](Self::next_line) gives the next line as text.
/// - [`AsyncBufRead`](tokio::io::AsyncBufRead) and [`AsyncRead`](tokio::io::AsyncRead), which csv-async, tokio's
///   [`lines`](tokio::io::AsyncBufReadExt::lines), tokio-util's codecs, and others take.
///
/// Whichever it is, bytes are unzipped when they are asked for. Since that is work for a processor, other
/// tasks of the thread have their turn in between. The contents [count](Self::line_count) what they give.
///
/// # Errors
///
/// Reading fails if the download breaks off for good, or the object [was replaced](Self::was_replaced), or the
/// gzip data are damaged or incomplete, or there is more of them than the limits allow. Reading on fails too,
/// so that half a file is never taken for a whole one.
#[derive(Debug)]
pub struct Contents {
    etag: Option<String>,
    ahead: Ahead,
    unzip: Unzip,
    limits: Limits,
    count: Count,
    /// Unzipped bytes. The memory is used again and again: new memory costs a page fault for each 4 KiB.
    chunk: Vec<u8>,
    /// Where in `chunk` those are that nobody has read.
    unread: Range<usize>,
    /// The beginning of a line whose end was not in the chunk.
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
}

impl Contents {
    /// Returns when the whole download is in memory, or the first mebibyte of it: the rest has to
    /// wait until some is read. The limits are those for the unzipped file.
    pub async fn unzip(download: Download, limits: Limits) -> Self {
        let etag = download.etag().map(str::to_owned);
        let ahead = Ahead::read(download).await;
        let unzip = Unzip::new(ahead.starts_with(&GZIP));
        Self {
            etag,
            ahead,
            unzip,
            limits,
            count: Count::default(),
            chunk: Vec::new(),
            unread: 0..0,
            line: Vec::new(),
            failed: None,
        }
    }

    /// Names the object's content, without quotes, if S3 has sent it.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Whether the whole file was downloaded when the contents were returned.
    pub fn is_whole(&self) -> bool {
        self.ahead.is_whole()
    }

    /// The next bytes, or `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// See [`Contents`].
    pub async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        poll_fn(|cx| self.poll_unread(cx)).await?;
        let chunk = &self.chunk[std::mem::take(&mut self.unread)];
        Ok(Some(chunk).filter(|chunk| !chunk.is_empty()))
    }

    /// How many lines are not empty, so far: all of them when the contents were read to their end.
    ///
    /// The contents look for the ends of lines as they unzip, so that no other pass over the bytes is needed.
    pub fn line_count(&self) -> u64 {
        self.count.lines()
    }

    /// How many bytes were unzipped, so far: all of them when the contents were read to their end.
    pub fn byte_size(&self) -> u64 {
        self.count.bytes()
    }

    /// The time since the first bytes were read.
    pub fn elapsed(&self) -> Duration {
        self.count.elapsed()
    }

    /// Whether reading failed because the object was replaced or deleted while it was being downloaded.
    /// Processing must begin again then, whatever error a reader in between made of that.
    pub fn was_replaced(&self) -> bool {
        self.failed == Some(Why::Replaced)
    }

    /// Whether reading failed because the download broke off. It can succeed the next time, whatever error a
    /// reader in between made of that: it says nothing about the file.
    pub fn broke_off(&self) -> bool {
        matches!(self.failed, Some(Why::Replaced | Why::Download))
    }
}
