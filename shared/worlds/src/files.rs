//! The files of a world, and their expected results.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::luck::Luck;

/// The content of a file.
#[derive(Clone, Debug)]
pub struct Content {
    pub bytes: Vec<u8>,
    /// Without empty ones.
    pub lines: u64,
    /// Unzipped.
    pub size: u64,
    /// Whether it can be read. If not, its message belongs into the dead-letter queue.
    pub is_good: bool,
}

/// A content of any kind. It is broken only if `can_be_bad`.
pub fn content(luck: &Luck, can_be_bad: bool) -> Content {
    let (mut text, mut lines) = (Vec::new(), 0);
    for _ in 0..*luck.one_of(&[0, 1, 1, 10, 10, 200, 5000]) {
        let half = luck.pick(0..20);
        // As many bits of chance as of text, so that files differ and zip badly.
        text.extend(hex::encode(luck.bytes(usize::try_from(half).unwrap_or(0))).bytes());
        text.push(b'\n');
        lines += u64::from(half > 0);
    }
    let size = text.len() as u64;
    let mut is_good = true;
    let bytes = match luck.pick(0..10) {
        0 | 1 | 5 => text,
        2 => {
            let half = text.len() / 2;
            [zip(&text[..half]), zip(b""), zip(&text[half..])].concat()
        }
        3 if can_be_bad => {
            is_good = false;
            let mut zipped = zip(&text);
            zipped.truncate(zipped.len() - 5);
            zipped
        }
        4 if can_be_bad => {
            is_good = false;
            // The first bytes of xz's files.
            [&b"\xfd7zXZ\0"[..], &text].concat()
        }
        _ => zip(&text),
    };
    Content { bytes, lines, size, is_good }
}

fn zip(text: &[u8]) -> Vec<u8> {
    let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
    zipped.write_all(text).and_then(|()| zipped.finish()).expect("memory does not fail")
}

/// A key that is new in this world.
pub fn key(luck: &Luck, number: u64) -> String {
    let folder = luck.one_of(&["packrat/data", "a b+c%25", "ä/…", "../x", "é\u{301}", "A", "a"]);
    format!("{folder}/{number}.gz")
}
