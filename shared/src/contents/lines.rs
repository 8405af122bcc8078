//! Reads contents line by line.

use std::borrow::Cow;
use std::future::poll_fn;
use std::io;
use std::mem;

use super::{Contents, Why};

/// The most bytes in a line: 1 MiB. Without a limit, a file without line endings would fill the memory.
pub const MAX_LINE: usize = 1 << 20;

impl Contents {
    /// Returns the next line without its ending (`\n` or `\r\n`), or `None` at the end of the file.
    ///
    /// The last line needs no ending. `\u{FFFD}` replaces bytes that are not UTF-8.
    ///
    /// Dropping the future loses nothing: the next call returns the whole line.
    ///
    /// # Errors
    ///
    /// See [`Contents`]. A line longer than [`MAX_LINE`] is an error too.
    pub async fn next_line(&mut self) -> io::Result<Option<Cow<'_, str>>> {
        let end = loop {
            poll_fn(|cx| self.poll_unread(cx)).await?;
            let unread = &self.chunk[self.unread.clone()];
            if let Some(length) = memchr::memchr(b'\n', unread) {
                let start = self.unread.start;
                self.advance(length + 1);
                break start..start + length;
            }
            if unread.is_empty() {
                let last = Some(mem::take(&mut self.line)).filter(|last| !last.is_empty());
                self.check_length(last.as_ref().map_or(0, Vec::len))?;
                return Ok(last.map(text).map(Cow::Owned));
            }
            self.line.extend_from_slice(unread);
            self.unread = 0..0;
            // The last byte may be a carriage return.
            self.check_length(self.line.len() - 1)?;
        };
        // Most lines are within the chunk, and need not be copied.
        if self.line.is_empty() {
            return Ok(Some(String::from_utf8_lossy(without_return(&self.chunk[end]))));
        }
        self.line.extend_from_slice(&self.chunk[end]);
        let mut line = mem::take(&mut self.line);
        line.truncate(without_return(&line).len());
        self.check_length(line.len())?;
        Ok(Some(Cow::Owned(text(line))))
    }

    fn check_length(&mut self, length: usize) -> io::Result<()> {
        if length <= MAX_LINE {
            return Ok(());
        }
        self.failed = Some(Why::File);
        let error =
            format!("a line is longer than {MAX_LINE} bytes, the most that a line may have");
        Err(io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn text(line: Vec<u8>) -> String {
    String::from_utf8(line)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
