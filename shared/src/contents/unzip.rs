//! Unzips what can be unzipped, up to a limit.

use std::cell::Cell;
use std::io::{self, BufRead, Cursor, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use super::Limits;

/// How every gzip file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// So much of a file may be zipped as well as can be: it does no harm.
const HARMLESS: u64 = 10 << 20;

/// What `body` is unzipped, if its first bytes are those of a gzip file, or else as it is.
pub(super) fn unzipped<'a>(body: impl BufRead + 'a, limits: Limits) -> io::Result<impl Read + 'a> {
    let zipped = Rc::new(Cell::new(0));
    let mut body = Counted { body, bytes: zipped.clone() };
    let mut head = Vec::new();
    body.by_ref().take(GZIP.len() as u64).read_to_end(&mut head)?;
    let is_gzip = head == GZIP;
    let body = Cursor::new(head).chain(body);
    // A gzip file can have several members, one after the other.
    let unzipped: Box<dyn Read> =
        if is_gzip { Box::new(MultiGzDecoder::new(body)) } else { Box::new(body) };
    Ok(Limited { unzipped, bytes: 0, zipped, limits })
}

/// Counts what is read.
struct Counted<B> {
    body: B,
    bytes: Rc<Cell<u64>>,
}

impl<B: BufRead> Read for Counted<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<B: BufRead> BufRead for Counted<B> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.body.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.bytes.set(self.bytes.get() + count as u64);
        self.body.consume(count);
    }
}

/// Fails beyond the limits.
struct Limited<'a> {
    unzipped: Box<dyn Read + 'a>,
    bytes: u64,
    zipped: Rc<Cell<u64>>,
    limits: Limits,
}

impl Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.unzipped.read(buffer)?;
        self.bytes += count as u64;
        let Limits { max_file_size, max_ratio } = self.limits;
        if self.bytes > max_file_size {
            return Err(io::Error::other(format!(
                "unzipped, it has more than {max_file_size} bytes. If it is to, raise --max-file-size"
            )));
        }
        let may_be = self.zipped.get().saturating_mul(max_ratio).max(HARMLESS);
        if self.bytes > may_be {
            return Err(io::Error::other(format!(
                "unzipped, it is more than {max_ratio} times as large. If it is to, raise --max-ratio"
            )));
        }
        Ok(count)
    }
}
