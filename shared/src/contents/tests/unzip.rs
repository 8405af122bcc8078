use std::io;
use std::process::Command;
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
    for short in [b"".as_slice(), b"\x1f", b"\x1fa", b"\x1f\x8b\x07\n", b"\x1f\x8bhello"] {
        assert_eq!(read(short.to_vec()).await.unwrap(), short);
    }
    assert_eq!(read(gzip(b"")).await.unwrap(), b"");
    // Too short to tell, so it is not counted as text.
    assert_eq!(read(b"\x1f\x8b".to_vec()).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

/// The same bytes, through `gzip -dc`: its output, and whether all went well. `None` if there is no gzip.
pub(super) fn by_gzip(file: &[u8]) -> Option<(Vec<u8>, bool)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.gz");
    std::fs::write(&path, file).unwrap();
    let output = Command::new("gzip").arg("-dc").arg(path).output().ok()?;
    Some((output.stdout, output.status.success()))
}

/// Reads the file in one chunk, and then byte by byte.
async fn read_cut(file: &[u8]) -> [io::Result<Vec<u8>>; 2] {
    let bytes = file.iter().map(|byte| vec![*byte].into());
    let cut = read_all(&mut contents_of(bytes.collect()).await).await;
    [read(file.to_vec()).await, cut]
}

#[tokio::test]
async fn zeros_after_a_gzip_file_are_padding() {
    let members = [gzip(b"1\n2\n"), gzip(b"3\n")].concat();
    for zeros in [1, 2, 3, 8, 512, 70_000] {
        let file = [&members[..], &vec![0; zeros]].concat();
        if let Some((output, is_well)) = by_gzip(&file) {
            assert_eq!((&output[..], is_well), (&b"1\n2\n3\n"[..], true), "{zeros} zeros");
        }
        for read in read_cut(&file).await {
            assert_eq!(read.unwrap(), b"1\n2\n3\n", "{zeros} zeros");
        }
    }
}

#[tokio::test]
async fn anything_else_after_a_gzip_file_is_garbage() {
    let member = gzip(b"1\n2\n");
    for rest in [
        b"\n".to_vec(),
        b"garbage".to_vec(),
        vec![255; 20],
        b"\0\0\0x".to_vec(),
        [b"\0\0", &member[..]].concat(),
        b"\x1fgarbage\n\n\n".to_vec(),
        b"\x1f\x8b\x07 no method of gzip".to_vec(),
    ] {
        let file = [&member[..], &rest].concat();
        if let Some((_, is_well)) = by_gzip(&file) {
            assert!(!is_well, "{rest:?}");
        }
        for read in read_cut(&file).await {
            let error = read.unwrap_err().to_string();
            assert!(error.contains("garbage after the end"), "{rest:?}: {error}");
        }
    }
    // Bytes that begin like another member are a member that broke off.
    let file = [&member[..], &member[..5]].concat();
    for read in read_cut(&file).await {
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[tokio::test]
async fn all_members_of_a_gzip_file_are_read() {
    let file = [gzip(b"one\n"), gzip(b""), gzip(b"two\n")].concat();
    assert_eq!(read(file).await.unwrap(), b"one\ntwo\n");
}

#[tokio::test]
async fn a_file_that_is_cut_off_says_so() {
    let content = b"hello\n".repeat(20);
    for (name, file) in
        [("gzip", gzip(&content)), ("zstd", zstd(&content)), ("bzip2", bzip2(&content))]
    {
        let says = format!("the file is cut off: its {name} data have no end");
        let two = [&file[..], &file].concat();
        // The first ten bytes tell the format.
        for length in (10..two.len()).filter(|length| *length != file.len()) {
            for read in read_cut(&two[..length]).await {
                let error = read.unwrap_err();
                assert_eq!(
                    (error.kind(), error.to_string()),
                    (io::ErrorKind::UnexpectedEof, says.clone())
                );
            }
        }
    }
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
    let limits = Limits { max_ratio: u64::MAX, ..Limits::default() };
    let zeros = vec![0; 64 << 20];
    // bzip2 takes longer than the others, so its turns are shorter.
    for (file, least) in [(gzip(&zeros), 4), (zstd(&zeros), 4), (bzip2(&zeros), 100), (zeros, 4)] {
        let mut contents = Contents::unzip(Download::of(file.into()), limits).await;
        let before = turns.load(Relaxed);
        while contents.next().await.unwrap().is_some() {}
        let turns = turns.load(Relaxed) - before;
        assert!(turns >= least, "{turns} turns in 64 MiB");
    }
    other.abort();
}

#[tokio::test]
async fn a_file_that_is_too_large_is_an_error() {
    let limits = Limits { max_file_size: 100_000, max_ratio: 1 };
    let file = gzip(&vec![b'a'; 100_000]);
    assert_eq!(read_within(file, limits).await.unwrap().len(), 100_000);
    let larger = vec![b'a'; 100_001];
    for file in [gzip(&larger), zstd(&larger), bzip2(&larger), larger] {
        let error = read_within(file, limits).await.unwrap_err().to_string();
        assert!(error.contains("100000") && error.contains("--max-file-size"), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_is_zipped_too_well_is_an_error_but_for_its_first_10_mib() {
    let limits = Limits { max_ratio: 500, ..Limits::default() };
    let size = 10 << 20;
    assert_eq!(read_within(gzip(&vec![0; size]), limits).await.unwrap().len(), size);
    for zip in [gzip, zstd, bzip2] {
        let larger = zip(&vec![0; 2 * size]);
        let error = read_within(larger.clone(), limits).await.unwrap_err().to_string();
        assert!(error.contains("500") && error.contains("--max-ratio"), "{error}");
        let limits = Limits { max_ratio: u64::MAX, ..Limits::default() };
        assert_eq!(read_within(larger, limits).await.unwrap().len(), 2 * size);
    }
}
