use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use tokio::task::yield_now;

use super::super::ahead::WINDOW;
use super::*;

/// The download of a file of zeros in chunks of 1 KiB, and how many of them have come.
fn kibibytes(length: usize) -> (Download, Arc<AtomicUsize>) {
    let come = Arc::new(AtomicUsize::new(0));
    let counter = come.clone();
    let chunks = (0..length).map(move |_| {
        counter.fetch_add(1, Relaxed);
        Ok(Bytes::from_static(&[0; 1024]))
    });
    (download(chunks), come)
}

async fn read(file: Vec<u8>) -> io::Result<Vec<u8>> {
    read_within(file, Limits::default()).await
}

async fn read_within(file: Vec<u8>, limits: Limits) -> io::Result<Vec<u8>> {
    read_all(&mut Contents::unzip(Download::of(file.into()), limits).await).await
}

#[tokio::test]
async fn gzip_is_unzipped_and_the_rest_is_left_as_it_is() {
    assert_eq!(read(gzip(b"hello\n")).await.unwrap(), b"hello\n");
    assert_eq!(read(b"hello\n".to_vec()).await.unwrap(), b"hello\n");
    for short in [b"".as_slice(), b"\x1f", b"\x1fa"] {
        assert_eq!(read(short.to_vec()).await.unwrap(), short);
    }
    assert_eq!(read(gzip(b"")).await.unwrap(), b"");
}

#[tokio::test]
async fn all_members_of_a_gzip_file_are_read() {
    let file = [gzip(b"one\n"), gzip(b""), gzip(b"two\n")].concat();
    assert_eq!(read(file).await.unwrap(), b"one\ntwo\n");
}

#[tokio::test]
async fn a_damaged_gzip_file_is_an_error() {
    let file = gzip(&b"hello\n".repeat(1000));
    let truncated = file[..file.len() - 5].to_vec();
    assert_eq!(read(truncated).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    for at in [20, file.len() - 6] {
        let mut corrupt = file.clone();
        corrupt[at] ^= 0xff;
        assert!(read(corrupt).await.is_err(), "byte {at}");
    }
    assert!(read([file, b"garbage".to_vec()].concat()).await.is_err());
}

#[tokio::test]
async fn gzip_is_unzipped_however_it_is_cut() {
    let content = b"hello\n".repeat(1000);
    let file = [gzip(&content), gzip(b""), gzip(&content)].concat();
    let bytes = file.into_iter().map(|byte| vec![byte].into());
    let whole = read_all(&mut contents_of(bytes.collect()).await).await.unwrap();
    assert_eq!(whole, content.repeat(2));
}

#[tokio::test]
async fn a_file_is_whole_at_once_only_if_it_fits_into_the_window() {
    let (small, _) = kibibytes(WINDOW / 1024 - 1);
    assert!(Contents::unzip(small, Limits::default()).await.is_whole());
    let (large, _) = kibibytes(WINDOW / 1024 + 1);
    assert!(!Contents::unzip(large, Limits::default()).await.is_whole());
}

#[tokio::test]
async fn what_is_beyond_the_window_is_downloaded_as_the_contents_are_taken() {
    let length = 4 * WINDOW;
    let (download, come) = kibibytes(length / 1024);
    let mut contents = Contents::unzip(download, Limits::default()).await;
    let mut taken = 0;
    while let Some(chunk) = contents.next().await.unwrap() {
        taken += chunk.len();
        let ahead = come.load(Relaxed) * 1024 - taken;
        assert!(ahead <= WINDOW, "{ahead} bytes ahead");
    }
    assert_eq!(taken, length);
}

/// This test and the other task share one thread.
#[tokio::test]
async fn other_tasks_have_their_turn_while_a_file_is_unzipped() {
    let turns = Arc::new(AtomicUsize::new(0));
    let counter = turns.clone();
    let other = tokio::spawn(async move {
        loop {
            counter.fetch_add(1, Relaxed);
            yield_now().await;
        }
    });
    let limits = Limits { max_ratio: 1500, ..Limits::default() };
    for file in [vec![0; 64 << 20], gzip(&vec![0; 64 << 20])] {
        let mut contents = Contents::unzip(Download::of(file.into()), limits).await;
        let before = turns.load(Relaxed);
        while contents.next().await.unwrap().is_some() {}
        let turns = turns.load(Relaxed) - before;
        assert!(turns >= 4, "{turns} turns in 64 MiB");
    }
    other.abort();
}

#[tokio::test]
async fn a_file_that_is_too_large_is_an_error() {
    let limits = Limits { max_file_size: 100_000, max_ratio: 1 };
    let file = gzip(&vec![b'a'; 100_000]);
    assert_eq!(read_within(file, limits).await.unwrap().len(), 100_000);
    for file in [gzip(&vec![b'a'; 100_001]), vec![b'a'; 100_001]] {
        let error = read_within(file, limits).await.unwrap_err().to_string();
        assert!(error.contains("100000") && error.contains("--max-file-size"), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_is_zipped_too_well_is_an_error_but_for_its_first_10_mib() {
    let limits = Limits { max_ratio: 500, ..Limits::default() };
    let size = 10 << 20;
    assert_eq!(read_within(gzip(&vec![0; size]), limits).await.unwrap().len(), size);
    let larger = gzip(&vec![0; 2 * size]);
    let error = read_within(larger.clone(), limits).await.unwrap_err().to_string();
    assert!(error.contains("500") && error.contains("--max-ratio"), "{error}");
    let limits = Limits { max_ratio: 1500, ..Limits::default() };
    assert_eq!(read_within(larger, limits).await.unwrap().len(), 2 * size);
}
