//! These properties hold for every file: it is unzipped as gzip does it, and never beyond the limits.

use std::io::Read;

use flate2::GzBuilder;
use flate2::bufread::GzDecoder;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use testing::property::holds_for_all;
use tokio::runtime::Builder;

use super::unzip::by_gzip;
use super::*;

/// The most bytes that are unzipped at once.
const STEP: u64 = 64 * 1024;
/// More than a chunk of the contents has.
const LONG: usize = 70_000;

/// Bytes, lines, and runs of one byte.
pub(super) fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => vec(any::<u8>(), 0..40),
        4 => "([a-z]{0,9}\r?\n){0,9}".prop_map(String::into_bytes),
        1 => (any::<u8>(), 0..2 * LONG).prop_map(|(byte, length)| vec![byte; length]),
        1 => (1..LONG).prop_map(noise),
    ];
    vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// Bytes that do not shrink, the same at each call.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = length as u64;
    let next = |_| {
        // Knuth's MMIX generator. Its high bits are the random ones.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..length).map(next).collect()
}

/// A content and its member of a gzip file, whose header has all kinds of fields.
fn member() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let name = || option::of("[a-z]{0,9}".prop_map(String::into_bytes));
    (content(), 0..10_u32, name(), name(), option::of(vec(any::<u8>(), 0..20)), any::<u32>())
        .prop_map(|(content, level, name, comment, extra, time)| {
            let mut header = GzBuilder::new().mtime(time);
            if let Some(name) = name {
                header = header.filename(name);
            }
            if let Some(comment) = comment {
                header = header.comment(comment);
            }
            if let Some(extra) = extra {
                header = header.extra(extra);
            }
            let mut encoder = header.write(Vec::new(), Compression::new(level));
            encoder.write_all(&content).unwrap();
            (content, encoder.finish().unwrap())
        })
}

/// Several members and zeros after them, and their contents.
fn whole_file() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    (vec(member(), 1..4), prop_oneof![Just(0), 0..10_usize, Just(LONG)]).prop_map(
        |(members, zeros)| {
            let (contents, mut files): (Vec<_>, Vec<_>) = members.into_iter().unzip();
            files.push(vec![0; zeros]);
            (contents.concat(), files.concat())
        },
    )
}

/// Files with something wrong, or not: rubbish at the end, the end cut off, or a byte changed.
fn any_file() -> impl Strategy<Value = Vec<u8>> {
    let rubbish = prop_oneof![
        3 => Just(Vec::new()),
        1 => vec(any::<u8>(), 1..20),
        1 => Just(b"\x1f\x8b".to_vec()),
        1 => Just(b"\0\0\x1f\x8b\x08".to_vec()),
    ];
    let damaged = (whole_file(), rubbish, damage())
        .prop_map(|((_, file), rubbish, damage)| damaged([file, rubbish].concat(), damage));
    prop_oneof![9 => damaged, 1 => content()]
}

/// The end to cut off, and the byte to change.
pub(super) type Damage = (Option<Index>, Option<(Index, u8)>);

pub(super) fn damage() -> impl Strategy<Value = Damage> {
    (option::of(any::<Index>()), option::of((any::<Index>(), any::<u8>())))
}

pub(super) fn damaged(mut file: Vec<u8>, (end, changed): Damage) -> Vec<u8> {
    if let Some(end) = end {
        file.truncate(end.index(file.len() + 1));
    }
    match changed {
        Some((at, byte)) if !file.is_empty() => {
            let at = at.index(file.len());
            file[at] = byte;
        }
        _ => {}
    }
    file
}

/// Places to cut a download into chunks.
pub(super) fn places() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..20)
}

pub(super) fn cut(file: &[u8], places: &[Index]) -> Vec<Bytes> {
    let mut places: Vec<_> = places.iter().map(|place| place.index(file.len() + 1)).collect();
    places.extend([0, file.len()]);
    places.sort_unstable();
    // An empty chunk is no end.
    places.windows(2).map(|ends| Bytes::copy_from_slice(&file[ends[0]..ends[1]])).collect()
}

/// The content read from a file that arrives in these chunks, and whether all went well.
pub(super) fn read(chunks: Vec<Bytes>, limits: Limits) -> (Vec<u8>, io::Result<()>, Contents) {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut contents = Contents::unzip(download(chunks.into_iter().map(Ok)), limits).await;
        contents.accept_packed();
        let mut read = Vec::new();
        let end = loop {
            match contents.next().await {
                Ok(Some(chunk)) => read.extend_from_slice(chunk),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        (read, end, contents)
    })
}

fn is_gzip(file: &[u8]) -> bool {
    file.starts_with(&[0x1f, 0x8b, 8])
}

/// Unzips a whole gzip file in memory: member by member, and then zeros.
fn in_memory(file: &[u8]) -> (Vec<u8>, bool) {
    let (mut whole, mut rest) = (Vec::new(), file);
    loop {
        let mut member = GzDecoder::new(rest);
        if member.read_to_end(&mut whole).is_err() {
            return (whole, false);
        }
        rest = member.into_inner();
        if rest.iter().all(|byte| *byte == 0) {
            return (whole, true);
        }
        if !rest.starts_with(&[0x1f]) {
            return (whole, false);
        }
    }
}

#[test]
fn a_whole_file_is_unzipped_however_it_arrives() {
    holds_for_all(60, &(whole_file(), places()), |((content, file), places)| {
        let (read, end, contents) =
            read(cut(&file, &places), Limits { max_ratio: 2000, ..Limits::default() });
        assert!(end.is_ok(), "{end:?}");
        assert!(read == content);
        assert_eq!(contents.byte_size(), content.len() as u64);
    });
}

#[test]
fn any_file_is_unzipped_as_in_memory() {
    holds_for_all(100, &(any_file(), places()), |(file, places)| {
        let (read, end, contents) =
            read(cut(&file, &places), Limits { max_ratio: 2000, ..Limits::default() });
        if is_gzip(&file) {
            let (whole, is_well) = in_memory(&file);
            assert_eq!(end.is_ok(), is_well, "{end:?}");
            // How much of a damaged file comes before the error depends on its chunks.
            let is_part = whole.starts_with(&read) || read.starts_with(&whole);
            assert!(if is_well { read == whole } else { is_part });
        } else if file == [0x1f, 0x8b] {
            assert!(end.is_err());
        } else {
            assert!(end.is_ok() && read == file, "{end:?}");
        }
        assert!(end.is_ok() || is_about_the_file(&contents));
    });
}

#[test]
fn a_file_that_ends_anywhere_is_never_taken_for_a_whole_one() {
    holds_for_all(10, &(vec("[a-z\n]{0,20}", 1..4), 0..4_usize), |(texts, zeros)| {
        let members: Vec<_> = texts.iter().map(|text| gzip(text.as_bytes())).collect();
        let file = [members.concat(), vec![0; zeros]].concat();
        let mut whole: Vec<_> =
            (0..members.len()).map(|last| members[..=last].concat().len()).collect();
        let end_of_members = whole[members.len() - 1];
        whole.extend(end_of_members..=file.len());
        for end in 2..=file.len() {
            let bytes = file[..end].iter().map(|byte| vec![*byte].into());
            let (read, result, _) = read(bytes.collect(), Limits::default());
            assert_eq!(
                result.is_ok(),
                whole.contains(&end),
                "{end} of {} bytes: {result:?}",
                file.len()
            );
            assert!(texts.concat().as_bytes().starts_with(&read));
        }
    });
}

#[test]
fn any_file_is_unzipped_as_by_gzip_itself() {
    holds_for_all(30, &(any_file(), places()), |(file, places)| {
        // Gzip refuses a file that is not packed, and unpacks the formats of older programs, even after a member of its own.
        let is_older = |two: &[u8]| two[0] == 0x1f && [0x1e, 0x9d, 0x9e, 0xa0].contains(&two[1]);
        if !is_gzip(&file) || file.windows(2).any(is_older) {
            return;
        }
        let Some((output, is_well)) = by_gzip(&file) else { return };
        let (read, end, _) =
            read(cut(&file, &places), Limits { max_ratio: 2000, ..Limits::default() });
        assert_eq!(end.is_ok(), is_well, "{end:?}");
        assert!(!is_well || read == output);
    });
}

#[test]
fn no_more_is_unzipped_than_the_limit_and_one_step() {
    let files = (content(), any::<bool>(), 1..2 * LONG as u64, places());
    holds_for_all(100, &files, |(content, is_zipped, max_file_size, places)| {
        let file = if is_zipped { gzip(&content) } else { content.clone() };
        let (read, end, contents) =
            read(cut(&file, &places), Limits { max_file_size, ..Limits::default() });
        let is_within = content.len() as u64 <= max_file_size;
        if !is_gzip(&file) || is_zipped {
            assert_eq!(end.is_ok(), is_within, "{} bytes, {end:?}", content.len());
        }
        assert!(read.len() as u64 <= max_file_size);
        assert!(contents.byte_size() <= max_file_size + STEP);
        assert!(content.starts_with(&read));
    });
}

/// The files shrink by the same factor from their beginning to their end.
#[test]
fn a_file_may_grow_by_the_ratio_and_no_more_than_one_step_beyond_it() {
    const HARMLESS: u64 = 10 << 20;
    let mebibytes = prop_oneof![1 => 8..=10_usize, 4 => 11..14_usize];
    let files = (1..300_usize, mebibytes, 1..1200_u64, places());
    holds_for_all(20, &files, |(random, mebibytes, max_ratio, places)| {
        let block = [noise(random), vec![b'x'; 4096 - random]].concat();
        let content = block.repeat(mebibytes * 256);
        let file = gzip(&content);
        let ratio = content.len() as u64 / file.len() as u64;
        let (read, end, contents) =
            read(cut(&file, &places), Limits { max_ratio, ..Limits::default() });
        let size = read.len() as u64;
        if content.len() as u64 <= HARMLESS || max_ratio > ratio + ratio / 10 + 1 {
            assert!(end.is_ok(), "{end:?} at a ratio of {ratio}");
        } else if max_ratio < ratio - ratio / 10 {
            assert!(end.is_err(), "{max_ratio} is less than {ratio}");
        }
        assert!(size <= (file.len() as u64 * max_ratio).max(HARMLESS));
        assert!(contents.byte_size() <= size + STEP);
        assert!(end.is_ok() || contents.byte_size() > HARMLESS);
    });
}
