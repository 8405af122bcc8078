//! Unzips the bytes that have arrived so far.

use std::io::{self, BufRead, Read};

use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;

/// The first bytes of every gzip file.
pub(super) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A file, unzipped as it is read. Returns [`io::ErrorKind::WouldBlock`] when it needs the next chunk.
#[derive(Debug)]
pub(super) enum Unzip {
    /// A gzip file can have several members, one after the other.
    Gzip(Box<MultiGzDecoder<Zipped>>),
    Plain(Zipped),
}

/// The bytes of the file that have arrived but were not read yet.
#[derive(Debug, Default)]
pub(super) struct Zipped {
    chunk: Bytes,
    is_last: bool,
    /// How many bytes were read.
    pub(super) read: u64,
}

impl Unzip {
    pub(super) fn new(is_gzip: bool) -> Self {
        let zipped = Zipped::default();
        if is_gzip {
            Self::Gzip(Box::new(MultiGzDecoder::new(zipped)))
        } else {
            Self::Plain(zipped)
        }
    }

    pub(super) fn zipped(&mut self) -> &mut Zipped {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Plain(zipped) => zipped,
        }
    }
}

impl Read for Unzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Plain(zipped) => zipped.read(buffer),
        }
    }
}

impl Zipped {
    /// Adds the next chunk. All bytes of the last one must have been read.
    pub(super) fn put(&mut self, chunk: Option<Bytes>) {
        self.is_last = chunk.is_none();
        self.chunk = chunk.unwrap_or_default();
    }
}

impl Read for Zipped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Zipped {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.chunk.is_empty() && !self.is_last {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, count: usize) {
        self.read += count as u64;
        self.chunk.advance(count);
    }
}
