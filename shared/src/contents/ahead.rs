//! A download, of which some is there before it is asked for.

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;

use crate::aws::Download;

/// So much is read ahead: 1 MiB.
pub(super) const WINDOW: usize = 1 << 20;

/// A download whose first mebibyte is there. The rest comes as it is asked for.
#[derive(Debug)]
pub(super) struct Ahead {
    download: Download,
    /// What is there. An error is the last.
    chunks: VecDeque<io::Result<Bytes>>,
    is_whole: bool,
}

impl Ahead {
    pub(super) async fn read(download: Download) -> Self {
        let mut ahead = Self { download, chunks: VecDeque::new(), is_whole: false };
        let mut size = 0;
        while size < WINDOW && !ahead.is_whole {
            let chunk = ahead.download.next().await.transpose();
            ahead.is_whole = !matches!(chunk, Some(Ok(_)));
            size += chunk.iter().flatten().map(Bytes::len).sum::<usize>();
            ahead.chunks.extend(chunk);
        }
        ahead
    }

    /// Whether it ended within the window, well or not.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether it begins with these bytes.
    pub(super) fn starts_with(&self, bytes: &[u8]) -> bool {
        let first = self.chunks.iter().flatten().flatten().take(bytes.len());
        first.eq(bytes)
    }

    /// The next chunk, or `None` at the end. Not to be called again after that, or after an error.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        match self.chunks.pop_front() {
            None if !self.is_whole => self.download.next().await,
            chunk => chunk.transpose(),
        }
    }
}
