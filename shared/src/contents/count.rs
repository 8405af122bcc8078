//! Lines and bytes, counted chunk by chunk.

use std::time::{Duration, Instant};

/// Counts the lines of a file that are not empty, and its bytes, and how long that takes.
///
/// ```
/// let mut count = shared::contents::Count::default();
/// // The end of a chunk is seldom the end of a line, and the last line need not end.
/// for chunk in ["one\n\ntw", "o\n", "\nthree"] {
///     count.add(chunk.as_bytes());
/// }
/// assert_eq!((count.lines(), count.bytes()), (3, 15));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Count {
    began: Instant,
    whole_lines: u64,
    bytes: u64,
    is_in_line: bool,
}

impl Default for Count {
    /// Begins to count, now.
    fn default() -> Self {
        Self { began: Instant::now(), whole_lines: 0, bytes: 0, is_in_line: false }
    }
}

impl Count {
    /// Counts what is in the next chunk of the file.
    pub fn add(&mut self, chunk: &[u8]) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', chunk) {
            self.whole_lines += u64::from(self.is_in_line || end > start);
            self.is_in_line = false;
            start = end + 1;
        }
        self.is_in_line |= start < chunk.len();
        self.bytes += chunk.len() as u64;
    }

    /// Lines that are not empty.
    pub fn lines(&self) -> u64 {
        self.whole_lines + u64::from(self.is_in_line)
    }

    /// How long it has been counting.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
