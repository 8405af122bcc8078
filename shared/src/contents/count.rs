//! Counts lines and bytes, chunk by chunk.

use std::time::{Duration, Instant};

/// Counts a file's non-empty lines and its bytes, and measures how long that takes.
///
/// A line with only a carriage return is not empty, as in `grep -c .`.
///
/// ```
/// let mut count = shared::contents::Count::default();
/// // The end of a chunk is seldom the end of a line, and the last line need not end.
/// for chunk in ["one\n\ntw", "o\n", "\nthree"] {
///     count.add(chunk.as_bytes());
/// }
/// assert_eq!((count.lines(), count.bytes()), (3, 15));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// When the first chunk came.
    began: Option<Instant>,
    whole_lines: u64,
    bytes: u64,
    is_in_line: bool,
}

impl Count {
    /// Counts the next chunk of the file.
    pub fn add(&mut self, chunk: &[u8]) {
        self.began.get_or_insert_with(Instant::now);
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', chunk) {
            self.whole_lines += u64::from(self.is_in_line || end > start);
            self.is_in_line = false;
            start = end + 1;
        }
        self.is_in_line |= start < chunk.len();
        self.bytes += chunk.len() as u64;
    }

    /// The number of lines that are not empty.
    pub fn lines(&self) -> u64 {
        self.whole_lines + u64::from(self.is_in_line)
    }

    /// The time since the first chunk.
    pub fn elapsed(&self) -> Duration {
        self.began.as_ref().map(Instant::elapsed).unwrap_or_default()
    }

    /// The number of bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
