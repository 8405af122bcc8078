//! Memory for a part of a file, which is used again and again.

use std::io::{self, Read};
use std::mem;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// Bytes that are unzipped at once.
pub(super) const CHUNK: usize = 64 * 1024;
/// So many buffers wait to be used again, at most: 2 MiB.
const SPARE: usize = 32;

/// Memory that is given back and taken again costs a page fault for each 4 KiB: for large files, that
/// was a quarter of all work.
static UNUSED: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A buffer, which is to be used again when nobody needs its bytes any more.
pub(super) struct Chunk {
    buffer: Vec<u8>,
    length: usize,
}

impl Chunk {
    /// The next bytes, as many as there is room for. None at the end.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Bytes> {
        let unused = UNUSED.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut chunk = Self { buffer: unused.unwrap_or_else(|| vec![0; CHUNK]), length: 0 };
        while chunk.length < CHUNK {
            match from.read(&mut chunk.buffer[chunk.length..]) {
                Ok(0) => break,
                Ok(count) => chunk.length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Bytes::from_owner(chunk))
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let mut unused = UNUSED.lock().unwrap_or_else(PoisonError::into_inner);
        if unused.len() < SPARE {
            unused.push(mem::take(&mut self.buffer));
        }
    }
}
