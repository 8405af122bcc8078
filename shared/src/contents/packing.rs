//! Ways to pack files that are not unpacked here. Each is known by a file's first bytes.

/// This many bytes tell how a file is packed. tar's mark comes last.
pub(super) const HEAD: usize = 265;

/// How a file with these first bytes is packed, if that is known.
///
/// Marks that text could begin with by chance are compared together with the bytes after them.
pub(super) fn packing(head: &[u8]) -> Option<&'static str> {
    Some(match head {
        [0x1f, 0x8b, 8, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [0x04, 0x22, 0x4d, 0x18, ..] | [0x02, 0x21, 0x4c, 0x18, ..] => "lz4",
        // Both formats begin with this if the file begins with a note.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => "zstd or lz4",
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => "xz",
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => "bzip2",
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] | [b'P', b'K', 7, 8, ..] => "zip",
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => "7z",
        [0xff, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y', ..] => "snappy",
        // The third byte has the size of the codes, and two bits that are never set.
        [0x1f, 0x9d, third, ..] if third & 0x60 == 0 && (9..=16).contains(&(third & 0x1f)) => {
            "compress"
        }
        _ if matches!(head.get(257..HEAD), Some(b"ustar\x0000" | b"ustar  \0")) => "tar",
        _ => return None,
    })
}
