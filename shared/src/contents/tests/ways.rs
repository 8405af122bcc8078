//! The same file, read in each way, and counted independently.

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncReadExt};
use tokio::runtime::Builder;

use super::*;

/// Lines, parts of lines, and runs of bytes that are longer than a chunk.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => vec(any::<u8>(), 0..20),
        4 => Just(b"\n".to_vec()),
        4 => Just(b"\r\n".to_vec()),
        4 => Just("Käse \u{10348}".as_bytes().to_vec()),
        1 => (60_000..140_000_usize).prop_map(|length| vec![b'x'; length]),
    ];
    // The first byte differs from a gzip file's.
    vec(piece, 0..30).prop_map(|pieces| [b"a".to_vec(), pieces.concat()].concat())
}

/// Cuts at these places, in thousandths of the whole.
fn cut<'a>(bytes: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let places = places.iter().map(|place| place * bytes.len() / 1000);
    let mut places: Vec<_> = places.chain([0, bytes.len()]).collect();
    places.sort_unstable();
    places.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

/// Reads in the named way.
async fn read(way: &str, contents: &mut Contents) -> Vec<u8> {
    let mut whole = Vec::new();
    match way {
        "chunks" => whole = read_all(contents).await.unwrap(),
        "to the end" => _ = contents.read_to_end(&mut whole).await.unwrap(),
        "seven bytes" => {
            let mut seven = [0; 7];
            loop {
                match contents.read(&mut seven).await.unwrap() {
                    0 => break,
                    count => whole.extend_from_slice(&seven[..count]),
                }
            }
        }
        "until" => while contents.read_until(b'\n', &mut whole).await.unwrap() > 0 {},
        _ => unreachable!(),
    }
    whole
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() })]

    #[test]
    fn all_ways_to_read_give_the_same(
        content in content(),
        is_gzip: bool,
        members in vec(0..1000_usize, 0..4),
        chunks in vec(0..1000_usize, 0..40),
    ) {
        let file = if is_gzip {
            cut(&content, &members).into_iter().flat_map(gzip).collect()
        } else {
            content.clone()
        };
        let chunks: Vec<_> = cut(&file, &chunks).into_iter().map(Bytes::copy_from_slice).collect();
        let line_count = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        let counted = (line_count as u64, content.len() as u64);
        Builder::new_current_thread().build().unwrap().block_on(async {
            for way in ["chunks", "to the end", "seven bytes", "until"] {
                let mut contents = contents_of(chunks.clone()).await;
                assert!(read(way, &mut contents).await == content, "{way}");
                assert_eq!((contents.line_count(), contents.byte_size()), counted, "{way}");
            }
            let mut contents = contents_of(chunks).await;
            let mut lines: Vec<_> = content.split(|byte| *byte == b'\n').collect();
            let last = lines.pop().unwrap();
            for line in lines {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let next = contents.next_line().await.unwrap().unwrap();
                assert_eq!(next, String::from_utf8_lossy(line));
            }
            if !last.is_empty() {
                // The last line has no ending, so a carriage return there belongs to its text.
                let next = contents.next_line().await.unwrap().unwrap();
                assert_eq!(next, String::from_utf8_lossy(last));
            }
            assert_eq!(contents.next_line().await.unwrap(), None);
            assert_eq!((contents.line_count(), contents.byte_size()), counted, "lines");
        });
    }
}

#[tokio::test]
async fn other_readers_take_the_contents() {
    let mut contents = contents(gzip(b"one\ntwo\r\nthree")).await;
    let mut lines = (&mut contents).lines();
    let mut taken = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        taken.push(line);
    }
    assert_eq!(taken, ["one", "two", "three"]);
    assert_eq!(contents.line_count(), 3);
}

/// A blocking reader runs on a thread that may block.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn readers_that_block_take_the_contents() {
    let mut contents = contents(gzip(b"{\"a\": [1, 2]}\n")).await;
    let value: serde_json::Value = tokio::task::block_in_place(|| {
        serde_json::from_reader(tokio_util::io::SyncIoBridge::new(&mut contents))
    })
    .unwrap();
    assert_eq!(value["a"][1], 2);
    assert_eq!((contents.line_count(), contents.byte_size()), (1, 14));
}

#[tokio::test]
async fn a_file_that_broke_off_is_never_taken_for_a_whole_one() {
    for file in [gzip(b"one\ntwo\n"), b"one\ntwo\n".to_vec()] {
        let begun = Bytes::copy_from_slice(&file[..file.len() / 2]);
        let chunks = [Ok(begun), Err(io::Error::other("reset"))];
        let mut contents = Contents::unzip(download(chunks.into_iter()), Limits::default()).await;
        assert!(is_about_the_file(&contents));
        assert!(contents.read_to_end(&mut Vec::new()).await.is_err());
        assert!(!is_about_the_file(&contents));
        assert!(contents.read_to_end(&mut Vec::new()).await.is_err());
        assert!(contents.next().await.is_err() && contents.next_line().await.is_err());
    }
    let mut damaged = contents([gzip(b"one\n"), b"garbage".to_vec()].concat()).await;
    assert!(damaged.read_to_end(&mut Vec::new()).await.is_err());
    assert!(is_about_the_file(&damaged));
}

#[tokio::test]
async fn after_the_end_there_is_nothing() {
    for file in [gzip(b"one"), b"one".to_vec(), Vec::new()] {
        let mut contents = contents(file).await;
        read_all(&mut contents).await.unwrap();
        assert_eq!(contents.next().await.unwrap(), None);
        assert_eq!(contents.next_line().await.unwrap(), None);
        assert_eq!(contents.read(&mut [0]).await.unwrap(), 0);
    }
}

#[test]
fn contents_and_references_to_them_can_be_sent_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<Contents>();
    is_send::<&Contents>();
}
