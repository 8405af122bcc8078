//! Unzips the bytes that have arrived so far.

use std::fmt;
use std::io::{self, BufRead, ErrorKind, Read};
use std::mem;

use bytes::{Buf, Bytes};
use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

/// The formats that are unzipped here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    Gzip,
    Bzip2,
    Zstd,
}

/// The first bytes of the files of each format. A digit in bzip2's tells the size of its blocks, and four bits in the
/// last ones of zstd are of no meaning to zstd.
const MAGIC: [(Format, &[u8]); 5] = [
    // The third byte names the only method of compression that there is.
    (Format::Gzip, b"\x1f\x8b\x08"),
    (Format::Bzip2, b"BZh1\x31\x41\x59\x26\x53\x59"),
    // An empty file.
    (Format::Bzip2, b"BZh1\x17\x72\x45\x38\x50\x90"),
    (Format::Zstd, b"\x28\xb5\x2f\xfd"),
    // A note to other programs, which is skipped.
    (Format::Zstd, b"\x50\x2a\x4d\x18"),
];

/// A frame of zstd may refer back to its last 8 MiB, as RFC 8878 asks for, and all of them are kept in memory. `zstd`
/// needs no more before `--ultra` or `--long`.
const LARGEST_WINDOW: u32 = 23;

impl Format {
    /// This many bytes tell the format.
    pub(super) const HEAD: usize = 10;

    /// The format of a file that begins with these bytes, or that ends within the bytes that tell. A file of one byte is
    /// too likely to be text.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let mut head = head.to_vec();
        if let Some(first @ 0x50..=0x5f) = head.first_mut() {
            *first = 0x50;
        }
        if let Some(fourth @ b'1'..=b'9') = head.get_mut(3) {
            *fourth = b'1';
        }
        let is_format = |magic: &[u8]| head.starts_with(magic) || magic.starts_with(&head);
        let found = MAGIC.iter().find(|(_, magic)| is_format(magic)).filter(|_| head.len() > 1);
        found.map(|(format, _)| *format)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Zstd => "zstd",
        }
    }

    /// How much processor time it takes to unzip, compared with gzip.
    pub(super) fn effort(self) -> u32 {
        if self == Self::Bzip2 { 16 } else { 1 }
    }
}

/// A file, unzipped as it is read. Returns [`ErrorKind::WouldBlock`] when it needs the next chunk, and
/// [`ErrorKind::Unsupported`] if the file is well but cannot be unzipped here.
pub(super) enum Unzip {
    /// A gzip file can have several members, one after the other. The decoder reads one.
    Gzip {
        member: Box<GzDecoder<Zipped>>,
        is_first: bool,
    },
    /// A bzip2 file can have several streams, one after the other. The decoder reads one.
    Bzip2(Box<BzDecoder<Zipped>>),
    /// The decoder reads all frames, and skips notes between them.
    Zstd(Box<ZstdDecoder<'static, Zipped>>),
    /// Zeros may follow the last member, because some tools fill up a block.
    Padding(Format, Zipped),
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
    /// # Panics
    ///
    /// If there is no memory left.
    pub(super) fn new(format: Option<Format>) -> Self {
        let zipped = Zipped::default();
        match format {
            None => Self::Plain(zipped),
            Some(Format::Gzip) => {
                Self::Gzip { member: Box::new(GzDecoder::new(zipped)), is_first: true }
            }
            Some(Format::Bzip2) => Self::Bzip2(Box::new(BzDecoder::new(zipped))),
            Some(Format::Zstd) => {
                let frames = ZstdDecoder::with_buffer(zipped).and_then(|mut frames| {
                    frames.window_log_max(LARGEST_WINDOW)?;
                    Ok(frames)
                });
                Self::Zstd(Box::new(frames.expect("zstd accepts these settings")))
            }
        }
    }

    pub(super) fn zipped(&mut self) -> &mut Zipped {
        match self {
            Self::Gzip { member, .. } => member.get_mut(),
            Self::Bzip2(stream) => stream.get_mut(),
            Self::Zstd(frames) => frames.get_mut(),
            Self::Padding(_, zipped) | Self::Plain(zipped) => zipped,
        }
    }

    pub(super) fn format(&self) -> Option<Format> {
        match self {
            Self::Gzip { .. } => Some(Format::Gzip),
            Self::Bzip2(_) => Some(Format::Bzip2),
            Self::Zstd(_) => Some(Format::Zstd),
            Self::Padding(format, _) => Some(*format),
            Self::Plain(_) => None,
        }
    }

    /// The member has ended. The next byte tells whether another member, padding or rubbish follows.
    fn next_member(&mut self) -> io::Result<()> {
        let Some(format) = self.format() else { return Ok(()) };
        let next = self.zipped().fill_buf()?.first().copied();
        let zipped = mem::take(self.zipped());
        match self {
            Self::Gzip { member, is_first } if next == Some(0x1f) => {
                member.reset(zipped);
                *is_first = false;
            }
            Self::Bzip2(stream) if next == Some(b'B') => **stream = BzDecoder::new(zipped),
            _ => *self = Self::Padding(format, zipped),
        }
        Ok(())
    }
}

impl Read for Unzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let format = self.format();
        self.read_member(buffer).map_err(|error| match format {
            // The decoders say "incomplete deflate stream" and the like.
            Some(format) if error.kind() == ErrorKind::UnexpectedEof => {
                let says = format!("the file is cut off: its {} data have no end", format.name());
                io::Error::new(ErrorKind::UnexpectedEof, says)
            }
            _ => error,
        })
    }
}

impl Unzip {
    fn read_member(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let size = match self {
                Self::Plain(zipped) => return zipped.read(buffer),
                Self::Padding(format, zipped) => return zipped.skip_zeros(*format).map(|()| 0),
                Self::Zstd(frames) => {
                    // Not without bytes: zstd takes it for an error if it is often asked to go on without any.
                    frames.get_mut().fill_buf()?;
                    return frames.read(buffer).map_err(zstd_error);
                }
                Self::Bzip2(stream) => stream.read(buffer).map_err(bzip2_error)?,
                Self::Gzip { member, is_first } => match member.read(buffer) {
                    // After a first member, these bytes are not the header of another one.
                    Err(error)
                        if error.kind() == ErrorKind::InvalidInput
                            && !*is_first
                            && member.header().is_none() =>
                    {
                        return Err(garbage(Format::Gzip));
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

impl fmt::Debug for Unzip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.format().fmt(f)
    }
}

fn garbage(format: Format) -> io::Error {
    let error = format!("there is garbage after the end of the {} data", format.name());
    io::Error::new(ErrorKind::InvalidData, error)
}

/// The file's own first bytes were those of bzip2, so that bad ones are a later stream's.
fn bzip2_error(error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    if let Some(bzip2::Error::DataMagic) = cause { garbage(Format::Bzip2) } else { error }
}

/// The crate has no more than zstd's own words for an error.
fn zstd_error(error: io::Error) -> io::Error {
    if error.kind() != ErrorKind::Other {
        return error;
    }
    match error.to_string().as_str() {
        "Unknown frame descriptor" => garbage(Format::Zstd),
        "Dictionary mismatch" => io::Error::new(
            ErrorKind::Unsupported,
            "it was compressed with a zstd dictionary, and none is known here",
        ),
        "Frame requires too much memory for decoding" => io::Error::new(
            ErrorKind::Unsupported,
            format!(
                "unzipping it takes a window of more than {} MiB: compress it with zstd --long={LARGEST_WINDOW} or less",
                (1 << LARGEST_WINDOW) >> 20
            ),
        ),
        reason => io::Error::new(ErrorKind::InvalidData, format!("zstd: {reason}")),
    }
}

impl Zipped {
    /// Adds the next chunk. All bytes of the last one must have been read.
    pub(super) fn put(&mut self, chunk: Option<Bytes>) {
        self.is_last = chunk.is_none();
        self.chunk = chunk.unwrap_or_default();
    }

    fn skip_zeros(&mut self, format: Format) -> io::Result<()> {
        loop {
            let chunk = self.fill_buf()?;
            if chunk.is_empty() {
                return Ok(());
            }
            if chunk.iter().any(|byte| *byte != 0) {
                return Err(garbage(format));
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
