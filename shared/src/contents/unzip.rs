//! Unzips the bytes that have arrived so far.

use std::io::{self, BufRead, ErrorKind, Read};
use std::mem;

use bytes::{Buf, Bytes};
use flate2::bufread::GzDecoder;

/// The first bytes of every gzip file. The third one names the only method of compression that there is.
pub(super) const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// A file, unzipped as it is read. Returns [`ErrorKind::WouldBlock`] when it needs the next chunk.
#[derive(Debug)]
pub(super) enum Unzip {
    /// A gzip file can have several members, one after the other. The decoder reads one.
    Gzip {
        member: Box<GzDecoder<Zipped>>,
        is_first: bool,
    },
    /// Zeros may follow the last member, because some tools fill up a block.
    Padding(Zipped),
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
            Self::Gzip { member: Box::new(GzDecoder::new(zipped)), is_first: true }
        } else {
            Self::Plain(zipped)
        }
    }

    pub(super) fn zipped(&mut self) -> &mut Zipped {
        match self {
            Self::Gzip { member, .. } => member.get_mut(),
            Self::Padding(zipped) | Self::Plain(zipped) => zipped,
        }
    }

    pub(super) fn is_gzip(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }

    /// The member has ended. Its next byte tells what follows.
    fn next_member(&mut self) -> io::Result<()> {
        if let Self::Gzip { member, is_first } = self {
            let next = member.get_mut().fill_buf()?.first().copied();
            let zipped = mem::take(member.get_mut());
            if next == Some(GZIP[0]) {
                member.reset(zipped);
                *is_first = false;
            } else {
                *self = Self::Padding(zipped);
            }
        }
        Ok(())
    }
}

impl Read for Unzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let size = match self {
                Self::Plain(zipped) => return zipped.read(buffer),
                Self::Padding(zipped) => return zipped.skip_zeros().map(|()| 0),
                Self::Gzip { member, is_first } => match member.read(buffer) {
                    // After a first member, these bytes are not the header of another one.
                    Err(error)
                        if error.kind() == ErrorKind::InvalidInput
                            && !*is_first
                            && member.header().is_none() =>
                    {
                        return Err(garbage());
                    }
                    read => read?,
                },
            };
            if size > 0 || buffer.is_empty() {
                return Ok(size);
            }
            self.next_member()?;
        }
    }
}

fn garbage() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "there is garbage after the end of the gzip data")
}

impl Zipped {
    /// Adds the next chunk. All bytes of the last one must have been read.
    pub(super) fn put(&mut self, chunk: Option<Bytes>) {
        self.is_last = chunk.is_none();
        self.chunk = chunk.unwrap_or_default();
    }

    fn skip_zeros(&mut self) -> io::Result<()> {
        loop {
            let chunk = self.fill_buf()?;
            if chunk.is_empty() {
                return Ok(());
            }
            if chunk.iter().any(|byte| *byte != 0) {
                return Err(garbage());
            }
            let zeros = chunk.len();
            self.consume(zeros);
        }
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
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, count: usize) {
        self.read += count as u64;
        self.chunk.advance(count);
    }
}
