//! Files that would have to be unpacked first.

use super::*;

/// A file of 600 bytes that begins with these.
fn begins(head: &[u8]) -> Vec<u8> {
    let mut file = b"text\n".repeat(120);
    file[..head.len()].copy_from_slice(head);
    file
}

/// A tar file's mark is in the middle of its first block.
fn tar(mark: &[u8]) -> Vec<u8> {
    begins(&[&begins(b"")[..257], mark].concat())
}

#[tokio::test]
async fn a_file_that_would_have_to_be_unpacked_first_fails_for_good_and_says_why() {
    let packed = [
        ("zstd", begins(b"\x28\xb5\x2f\xfd")),
        ("zstd or lz4", begins(b"\x50\x2a\x4d\x18")),
        ("lz4", begins(b"\x04\x22\x4d\x18")),
        ("xz", begins(b"\xfd7zXZ\0")),
        ("bzip2", begins(b"BZh91AY&SY")),
        ("bzip2", b"BZh9\x17\x72\x45\x38\x50\x90\0\0\0\0".to_vec()),
        ("zip", begins(b"PK\x03\x04")),
        ("zip", [b"PK\x05\x06", &[0; 18][..]].concat()),
        ("7z", begins(b"7z\xbc\xaf\x27\x1c")),
        ("snappy", begins(b"\xff\x06\0\0sNaPpY")),
        ("compress", b"\x1f\x9d\x90t".to_vec()),
        ("tar", tar(b"ustar\x0000")),
        ("tar", tar(b"ustar  \0")),
    ];
    let is_unzipped = |name: &str| ["zstd", "zstd or lz4", "bzip2"].contains(&name);
    let in_gzip = packed.iter().map(|(name, file)| (format!("{name} in gzip"), gzip(file)));
    let twice = [
        ("gzip in gzip".to_owned(), gzip(&gzip(b"text"))),
        ("tar in zstd".to_owned(), zstd(&tar(b"ustar\x0000"))),
        ("zip in bzip2".to_owned(), bzip2(&begins(b"PK\x03\x04"))),
    ];
    let packed = packed.iter().filter(|(name, _)| !is_unzipped(name));
    let packed = packed.map(|(name, file)| ((*name).to_owned(), file.clone()));
    for (name, file) in packed.chain(in_gzip).chain(twice) {
        for chunk in [1, 100, 1000] {
            let chunks = file.chunks(chunk).map(Bytes::copy_from_slice);
            let mut contents = contents_of(chunks.collect()).await;
            let result = read_all(&mut contents).await.map_err(Failure::from);
            match contents.cause_of(result) {
                Err(Failure::Permanent(reason)) => {
                    let said = format!("it is packed as {name}, which is not unpacked here");
                    assert!(reason.starts_with(&said), "{reason}");
                }
                other => panic!("{name} in chunks of {chunk}: {other:?}"),
            }
            assert_eq!((contents.line_count(), contents.byte_size()), (0, 0), "{name}");
        }
    }
}

#[tokio::test]
async fn what_only_resembles_a_packing_is_counted() {
    for file in [
        begins(b"PK is short for primary key\n"),
        begins(b"BZh9 is a room\n"),
        begins(b"7z\n"),
        begins(b"PAR1\x15\x04\x15"),
        begins(b"\x89PNG\r\n\x1a\n"),
        begins(b"\x1f\x9d\xff"),
        begins(b"\x28\xb5\x2f"),
        tar(b"ustar is how tar spells it"),
        tar(b"ustar\x0000")[..260].to_vec(),
        (0..=255).collect(),
    ] {
        for packed in [file.clone(), gzip(&file), zstd(&file), bzip2(&file)] {
            assert_eq!(read_all(&mut contents(packed).await).await.unwrap(), file);
        }
    }
}

#[tokio::test]
async fn work_that_unpacks_a_file_itself_gets_its_bytes() {
    for file in [begins(b"PK\x03\x04"), tar(b"ustar\x0000"), gzip(b"text")] {
        let mut contents = contents(gzip(&file)).await;
        contents.accept_packed();
        assert_eq!(read_all(&mut contents).await.unwrap(), file);
    }
}
