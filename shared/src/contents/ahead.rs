//! A download that is read ahead before the contents are read.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use sync_wrapper::SyncWrapper;

use super::unzip::Format;
use crate::aws::Download;

/// How many bytes are read ahead: 1 MiB.
pub(super) const WINDOW: usize = 1 << 20;

/// A download whose first mebibyte is in memory. The rest arrives when it is requested.
#[derive(Debug)]
pub(super) struct Ahead {
    /// The chunks in memory. Only the last one can be an error.
    chunks: VecDeque<io::Result<Bytes>>,
    /// `None` if the download ended within the window.
    ///
    /// Wrapped, because the SDK's requests are not `Sync`, but a reference to the contents must be
    /// `Send`.
    rest: Option<SyncWrapper<BoxStream<'static, io::Result<Bytes>>>>,
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
        let rest = stream::unfold(download, async |mut download| {
            let chunk = download.next().await.transpose()?;
            Some((chunk, download))
        });
        Self { chunks, rest: Some(SyncWrapper::new(Box::pin(rest))) }
    }

    /// Whether the download ended within the window, successfully or not.
    pub(super) fn is_whole(&self) -> bool {
        self.rest.is_none()
    }

    /// The format of the file, if its first bytes say that it is one of those that are unzipped here.
    pub(super) fn format(&self) -> Option<Format> {
        let bytes = self.chunks.iter().flatten().flatten();
        Format::of(&bytes.take(Format::HEAD).copied().collect::<Vec<_>>())
    }

    /// The next chunk, or `None` at the end. It must not be called again after that, nor after an error.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        match (self.chunks.pop_front(), &mut self.rest) {
            (None, Some(rest)) => rest.get_mut().as_mut().poll_next(cx).map(Option::transpose),
            (chunk, _) => Poll::Ready(chunk.transpose()),
        }
    }
}
