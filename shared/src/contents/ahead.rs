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
    /// What is there. An error is the last.
    chunks: VecDeque<io::Result<Bytes>>,
    /// `None` if nothing comes any more.
    rest: Option<Download>,
}

impl Ahead {
    pub(super) async fn read(mut download: Download) -> Self {
        let (mut chunks, mut size) = (VecDeque::new(), 0);
        while size < WINDOW {
            let chunk = download.next().await.transpose();
            let Some(Ok(bytes)) = &chunk else {
                chunks.extend(chunk);
                return Self { chunks, rest: None };
            };
            size += bytes.len();
            chunks.extend(chunk);
        }
        Self { chunks, rest: Some(download) }
    }

    /// Whether it ended within the window, well or not.
    pub(super) fn is_whole(&self) -> bool {
        self.rest.is_none()
    }

    /// Whether it begins with these bytes.
    pub(super) fn starts_with(&self, bytes: &[u8]) -> bool {
        let first = self.chunks.iter().flatten().flatten().take(bytes.len());
        first.eq(bytes)
    }

    /// The next chunk, or `None` at the end. Not to be called again after that, or after an error.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        match (self.chunks.pop_front(), &mut self.rest) {
            (None, Some(download)) => download.next().await,
            (chunk, _) => chunk.transpose(),
        }
    }
}
