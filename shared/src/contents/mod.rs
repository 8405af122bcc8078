//! The contents of a file, unzipped while it is being downloaded.

mod chunk;
mod count;
mod limits;
mod unzip;

use std::io::{self, BufRead, Read};

use bytes::{Buf, Bytes};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;
use tokio::task;

use chunk::Chunk;
pub use count::Count;
pub use limits::Limits;

use crate::aws::{Download, Replaced};
use unzip::unzipped;

/// Chunks that wait to be taken, at most: with them, a file takes 1 MiB of memory, however long it is.
const WINDOW: usize = 16;

/// Whether the contents ended because the object was replaced or deleted while it was being
/// downloaded. To begin again is right then.
pub fn is_replaced(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.downcast_ref::<Replaced>().is_some())
}

/// The contents of a file: unzipped, if its first bytes are those of a gzip file, or else as they
/// are. They come in chunks, of which a few are ready and the rest is still to be downloaded.
#[derive(Debug)]
pub struct Contents {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    is_whole: bool,
    etag: Option<String>,
}

impl Contents {
    /// Begins to unzip, and returns when the file is whole, or when there is so much of it that the
    /// rest has to wait until some is taken. The limits are those for the unzipped file.
    pub async fn unzip(download: Download, limits: Limits) -> Self {
        let etag = download.etag().map(str::to_owned);
        let runtime = Handle::current();
        let body = |chunks| Body { download, chunk: Bytes::new(), chunks, runtime };
        Self { etag, ..Self::of(body, limits).await }
    }

    /// `body` is given the sender, to notice if nobody wants the chunks any more.
    async fn of<B: BufRead>(
        body: impl FnOnce(mpsc::Sender<io::Result<Bytes>>) -> B + Send + 'static,
        limits: Limits,
    ) -> Self {
        let (sender, chunks) = mpsc::channel(WINDOW);
        let (full, is_full) = oneshot::channel();
        // Unzipping is work for a processor, which would hold up whatever else the async threads do.
        task::spawn_blocking(move || {
            let body = body(sender.clone());
            Window { chunks: sender, full: Some(full) }.send_all(body, limits);
        });
        // Nobody says that it is full, if it never was.
        let is_whole = is_full.await.is_err();
        Self { chunks, is_whole, etag: None }
    }

    /// What names the object's content, without quotes, if S3 has told.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Whether nothing remained to be downloaded when the contents were returned.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The next chunk, or `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// If the download breaks off for good, or the object [was replaced](is_replaced), or the gzip data
    /// are damaged or incomplete, or there is more of them than the limits allow. Nothing comes after
    /// that.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        self.chunks.recv().await.transpose()
    }
}

/// The sending side of the chunks.
struct Window {
    chunks: mpsc::Sender<io::Result<Bytes>>,
    /// To be used when the window is full for the first time.
    full: Option<oneshot::Sender<()>>,
}

impl Window {
    /// Sends everything that can be unzipped of `body`, and the error that ends it, if one does.
    fn send_all(mut self, body: impl BufRead, limits: Limits) {
        if let Err(error) = unzipped(body, limits).and_then(|unzipped| self.send_chunks(unzipped)) {
            let _ = self.send(Err(error));
        }
    }

    fn send_chunks(&mut self, mut unzipped: impl Read) -> io::Result<()> {
        loop {
            let chunk = Chunk::read(&mut unzipped)?;
            if chunk.is_empty() {
                return Ok(());
            }
            self.send(Ok(chunk))?;
        }
    }

    /// Waits while the window is full. It is an error if nobody wants the chunks any more.
    fn send(&mut self, chunk: io::Result<Bytes>) -> io::Result<()> {
        let sent = match self.chunks.try_send(chunk) {
            Err(TrySendError::Full(chunk)) => {
                self.full.take().map(|full| full.send(()));
                self.chunks.blocking_send(chunk).is_ok()
            }
            sent => sent.is_ok(),
        };
        if sent { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}

/// A download, read by a thread that may wait.
struct Body {
    download: Download,
    /// What has come and is not read.
    chunk: Bytes,
    chunks: mpsc::Sender<io::Result<Bytes>>,
    runtime: Handle,
}

impl Body {
    /// The download can wait for long. Not for nobody: it is an error if nobody wants it any more.
    async fn next(&mut self) -> io::Result<Bytes> {
        tokio::select! {
            chunk = self.download.next() => Ok(chunk?.unwrap_or_default()),
            () = self.chunks.closed() => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.chunk.is_empty() {
            let runtime = self.runtime.clone();
            self.chunk = runtime.block_on(self.next())?;
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, count: usize) {
        self.chunk.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::chunk::CHUNK;
    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    async fn contents(file: Vec<u8>, limits: Limits) -> Contents {
        Contents::of(|_| Cursor::new(file), limits).await
    }

    async fn read(file: Vec<u8>) -> io::Result<Vec<u8>> {
        read_within(file, Limits::default()).await
    }

    async fn read_within(file: Vec<u8>, limits: Limits) -> io::Result<Vec<u8>> {
        let mut contents = contents(file, limits).await;
        let mut whole = Vec::new();
        while let Some(chunk) = contents.next().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
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
    async fn a_file_is_whole_at_once_only_if_it_fits_into_the_window() {
        let small = contents(gzip(&vec![b'a'; CHUNK * WINDOW]), Limits::default()).await;
        assert!(small.is_whole());
        let content = vec![b'a'; CHUNK * WINDOW + 1];
        let large = contents(gzip(&content), Limits::default()).await;
        assert!(!large.is_whole());
        assert_eq!(read(gzip(&content)).await.unwrap(), content);
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
}
