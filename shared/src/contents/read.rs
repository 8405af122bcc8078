//! Implements tokio's `AsyncRead` and `AsyncBufRead` for contents.

use std::io::{self, Read};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use tokio::task::coop::poll_proceed;

use super::packing::{HEAD, packing};
use super::unzip::Format;
use super::{Contents, Why};
use crate::aws::Replaced;

/// The most bytes that are unzipped at once.
const STEP: usize = 64 * 1024;

impl Contents {
    /// Unzips the next bytes if all earlier ones were read. At the end of the file there are none.
    pub(super) fn poll_unread(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.failed.is_some() {
            let error = "reading has failed before: the rest of the file is unknown";
            return Poll::Ready(Err(io::Error::other(error)));
        }
        if !self.unread.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let unzipped = ready!(self.poll_unzip(cx));
        if let Err((why, _)) = &unzipped {
            self.failed = Some(*why);
        }
        Poll::Ready(unzipped.map_err(|(_, error)| error))
    }

    fn poll_unzip(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), (Why, io::Error)>> {
        self.chunk.resize(STEP, 0);
        loop {
            let turn = ready!(poll_proceed(cx));
            match self.unzip.read(&mut self.chunk[self.gathered..]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let zipped = ready!(self.ahead.poll_next(cx)).map_err(download_failed)?;
                    self.unzip.zipped().put(zipped);
                }
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    return Poll::Ready(Err((Why::Packed, error)));
                }
                Err(error) => return Poll::Ready(Err((Why::File, error))),
                Ok(size) => {
                    self.spend(cx);
                    self.gathered += size;
                    // The first bytes can come one by one, but tell only together how the file is packed.
                    let is_head = self.count.bytes() == 0;
                    if !is_head || size == 0 || self.gathered >= HEAD {
                        let size = mem::take(&mut self.gathered);
                        if is_head {
                            self.check_packing(size)?;
                        }
                        self.take(size)?;
                        turn.made_progress();
                        return Poll::Ready(Ok(()));
                    }
                }
            }
            turn.made_progress();
        }
    }

    /// Lets other tasks have their turn sooner if unzipping takes long.
    fn spend(&self, cx: &mut Context<'_>) {
        for _ in 1..self.unzip.format().map_or(1, Format::effort) {
            if let Poll::Ready(turn) = poll_proceed(cx) {
                turn.made_progress();
            }
        }
    }

    /// The first bytes of `chunk`, this many, are unread contents.
    fn take(&mut self, size: usize) -> Result<(), (Why, io::Error)> {
        self.count.add(&self.chunk[..size]);
        let (unzipped, zipped) = (self.count.bytes(), self.unzip.zipped().read);
        self.limits.check(unzipped, zipped).map_err(|error| (Why::File, error))?;
        self.unread = 0..size;
        Ok(())
    }

    /// The first bytes of `chunk`, this many, are the first ones of the contents.
    fn check_packing(&self, size: usize) -> Result<(), (Why, io::Error)> {
        match packing(&self.chunk[..size]) {
            Some(packing) if !self.accepts_packed => {
                let format = self.unzip.format();
                let within = format.map(|format| format!(" in {}", format.name()));
                let error = format!(
                    "it is packed as {packing}{}, which is not unpacked here: only gzip, zstd and bzip2 are, and only once",
                    within.unwrap_or_default()
                );
                Err((Why::Packed, io::Error::new(io::ErrorKind::InvalidData, error)))
            }
            _ => Ok(()),
        }
    }

    /// Marks this many unread bytes as read.
    pub(super) fn advance(&mut self, count: usize) {
        self.unread.start += count.min(self.unread.len());
    }
}

fn download_failed(error: io::Error) -> (Why, io::Error) {
    let is_replaced =
        error.get_ref().is_some_and(|cause| cause.downcast_ref::<Replaced>().is_some());
    (if is_replaced { Why::Replaced } else { Why::Download }, error)
}

impl AsyncBufRead for Contents {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_unread(cx))?;
        Poll::Ready(Ok(&this.chunk[this.unread.clone()]))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().advance(count);
    }
}

impl AsyncRead for Contents {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let unread = ready!(self.as_mut().poll_fill_buf(cx))?;
        let count = unread.len().min(buffer.remaining());
        buffer.put_slice(&unread[..count]);
        self.consume(count);
        Poll::Ready(Ok(()))
    }
}
