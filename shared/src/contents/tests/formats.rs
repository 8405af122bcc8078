//! The behaviour that zstd and bzip2 share with gzip.

use std::io::Read;
use std::iter;
use std::process::{Command, Stdio};

use bzip2::bufread::MultiBzDecoder;
use futures_util::StreamExt;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use testing::property::holds_for_all;
use tokio::task::yield_now;

use super::super::ahead::WINDOW;
use super::properties::{content, cut, damage, damaged, noise, places, read};
use super::*;

type Zip = fn(&[u8]) -> Vec<u8>;

const FORMATS: [(&str, Zip); 2] = [("zstd", zstd), ("bzip2", bzip2)];

/// A frame that zstd skips. `kind` is one of sixteen.
fn note(kind: u8, text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_le_bytes();
    [&[0x50 + kind, 0x2a, 0x4d, 0x18], &length[..], text].concat()
}

/// A frame with these bytes between its first four and its only block.
fn frame(header: &[u8]) -> Vec<u8> {
    [&[0x28, 0xb5, 0x2f, 0xfd], header, &[0x09, 0, 0, b'a']].concat()
}

fn bytewise(file: &[u8]) -> Vec<Bytes> {
    file.iter().map(|byte| vec![*byte].into()).collect()
}

/// Reads a file in one chunk, and then byte by byte.
async fn read_cut(file: &[u8]) -> [io::Result<Vec<u8>>; 2] {
    let whole = read_all(&mut contents(file.to_vec()).await).await;
    [whole, read_all(&mut contents_of(bytewise(file)).await).await]
}

#[tokio::test]
async fn all_members_of_a_file_are_read_and_notes_are_skipped() {
    for (name, zip) in FORMATS {
        for (file, content) in [
            (zip(b"hello\n"), "hello\n"),
            (zip(b""), ""),
            ([zip(b"one\n"), zip(b""), zip(b"two\n")].concat(), "one\ntwo\n"),
        ] {
            for read in read_cut(&file).await {
                assert_eq!(read.unwrap(), content.as_bytes(), "{name}");
            }
        }
    }
    let notes = [
        note(0, b"pzstd"),
        zstd(b"one\n"),
        note(15, &vec![0; 70_000]),
        zstd(b"two\n"),
        note(7, b""),
    ];
    for read in read_cut(&notes.concat()).await {
        assert_eq!(read.unwrap(), b"one\ntwo\n");
    }
    for read in read_cut(&note(3, b"nothing else")).await {
        assert_eq!(read.unwrap(), b"");
    }
}

#[test]
fn a_file_that_ends_anywhere_is_never_taken_for_a_whole_one() {
    for (name, zip) in FORMATS {
        let members = [zip(b"one\n"), zip(b""), zip(b"two\ntwo\n")];
        let whole: Vec<_> =
            (1..=members.len()).map(|count| members[..count].concat().len()).collect();
        let file = members.concat();
        for end in 2..=file.len() {
            let (read, result, contents) = read(bytewise(&file[..end]), Limits::default());
            assert_eq!(result.is_ok(), whole.contains(&end), "{name}, {end} bytes: {result:?}");
            assert!(b"one\ntwo\ntwo\n".starts_with(&read));
            assert!(result.is_ok() || is_about_the_file(&contents));
        }
    }
}

#[tokio::test]
async fn what_follows_the_last_member_is_garbage_unless_it_is_padding_that_the_format_knows() {
    for (name, zip) in FORMATS {
        let first = zip(b"1\n2\n");
        for rest in [&b"\n"[..], b"garbage", b"\0\0\0x", b"Bad", b"(garbage)", &[255; 20]] {
            for read in read_cut(&[&first, rest].concat()).await {
                let error = read.unwrap_err().to_string();
                assert!(
                    error.contains("garbage after the end of the"),
                    "{name}, {rest:?}: {error}"
                );
                assert!(error.contains(name), "{error}");
            }
        }
    }
    for read in read_cut(&[bzip2(b"1\n"), vec![0; 70_000]].concat()).await {
        assert_eq!(read.unwrap(), b"1\n");
    }
    for read in read_cut(&[zstd(b"1\n"), vec![0; 512]].concat()).await {
        assert!(read.is_err());
    }
}

#[tokio::test]
async fn a_damaged_file_is_an_error() {
    for (name, zip) in FORMATS {
        let file = zip(&b"hello, hello\n".repeat(1000));
        let mut damaged = file.clone();
        let middle = file.len() / 2;
        damaged[middle] ^= 0xff;
        for read in read_cut(&damaged).await {
            assert!(read.is_err(), "{name}");
        }
    }
}

#[tokio::test]
async fn what_zstd_cannot_unzip_here_fails_for_good_and_says_why() {
    // The window's size has five bits of exponent and three of mantissa.
    for (header, reason) in [
        (&[0x21, 7, 1][..], "dictionary"),
        (&[0x00, 0x69][..], "--long=23"),
        (&[0x00, 0x70][..], "more than 8 MiB"),
        (&[0x00, 0xff][..], "more than 8 MiB"),
        // One segment of 16 MiB.
        (&[0xa0, 0, 0, 0, 1][..], "more than 8 MiB"),
    ] {
        let mut contents = contents(frame(header)).await;
        let result = read_all(&mut contents).await.map_err(Failure::from);
        match contents.cause_of(result) {
            Err(Failure::Permanent(said)) => assert!(said.contains(reason), "{said}"),
            other => panic!("{header:?}: {other:?}"),
        }
    }
    for header in [&[0x20, 1][..], &[0x00, 0x68][..]] {
        assert_eq!(read_all(&mut contents(frame(header)).await).await.unwrap(), b"a");
    }
}

/// To be asked again before the next chunk is there is no progress, and no error either.
#[tokio::test]
async fn a_file_may_arrive_as_slowly_as_it_likes() {
    let content = noise(3 << 19);
    for (name, zip) in FORMATS {
        let file = zip(&content);
        let (ahead, rest) = file.split_at(WINDOW + 1);
        let chunks = iter::once(ahead).chain(rest.chunks(100_000)).map(Bytes::copy_from_slice);
        let chunks = stream::iter(chunks.collect::<Vec<_>>()).then(async |chunk| {
            for _ in 0..40 {
                yield_now().await;
            }
            Ok::<_, io::Error>(Frame::data(chunk))
        });
        let body = ByteStream::from_body_1_x(StreamBody::new(chunks));
        let mut contents = Contents::unzip(Download::of(body), Limits::default()).await;
        assert!(!contents.is_whole());
        assert!(read_all(&mut contents).await.unwrap() == content, "{name}");
    }
}

/// Some members, and perhaps a fault: rubbish at the end, the end cut off, or a byte changed.
fn any_file() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let members = (select(&FORMATS[..]), vec(content(), 1..4), any::<bool>());
    let file = members.prop_map(|((name, zip), contents, has_notes)| {
        let mut members: Vec<_> = contents.iter().map(|content| zip(content)).collect();
        if has_notes && name == "zstd" {
            members.insert(members.len() / 2, note(1, &members[0]));
        }
        (name, members.concat())
    });
    let all = (file, vec(any::<u8>(), 0..5), damage());
    all.prop_map(|((name, mut file), rubbish, damage)| {
        if rubbish.len() > 2 {
            file.extend(rubbish);
        }
        (name, damaged(file, damage))
    })
}

/// Unzips a whole file in memory.
fn in_memory(name: &str, file: &[u8]) -> Option<Vec<u8>> {
    if name == "zstd" {
        return zstd::decode_all(file).ok();
    }
    let mut whole = Vec::new();
    MultiBzDecoder::new(file).read_to_end(&mut whole).ok().map(|_| whole)
}

/// Unzips a whole file by the program itself, if it is there.
fn by_program(name: &str, file: &[u8]) -> Option<Vec<u8>> {
    let mut program = Command::new(name);
    let program = program.arg("-dcq").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = program.stderr(Stdio::null()).spawn().ok()?;
    let mut stdin = running.stdin.take().unwrap();
    let file = file.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&file));
    let output = running.wait_with_output().unwrap();
    let _ = writer.join().unwrap(); // The program ends early at an error.
    output.status.success().then_some(output.stdout)
}

fn begins(file: &[u8]) -> bool {
    let bzip2 = file.starts_with(b"BZh") && (b'1'..=b'9').contains(file.get(3).unwrap_or(&0));
    let is_block = |file: &[u8]| [&b"1AY&SY"[..], b"\x17\x72\x45\x38\x50\x90"].contains(&file);
    (bzip2 && file.get(4..10).is_some_and(is_block)) || file.starts_with(b"\x28\xb5\x2f\xfd")
}

#[test]
fn any_file_is_unzipped_as_in_memory() {
    holds_for_all(60, &(any_file(), places()), |((name, file), places)| {
        if !begins(&file) {
            return;
        }
        let limits = Limits { max_ratio: u64::MAX, ..Limits::default() };
        let (read, end, contents) = read(cut(&file, &places), limits);
        let whole = in_memory(name, &file);
        // Zeros after bzip2 are padding here, and the decoder in memory knows none.
        if let Some(whole) = whole {
            assert!(end.is_ok() && read == whole, "{name}: {end:?}");
            assert_eq!(contents.byte_size(), whole.len() as u64);
            if let Some(output) = by_program(name, &file) {
                assert!(read == output, "{name}");
            }
        } else {
            let is_padded = name == "bzip2" && file.ends_with(&[0]);
            assert!(end.is_err() || is_padded, "{name}");
            assert!(end.is_ok() || is_about_the_file(&contents));
        }
    });
}
