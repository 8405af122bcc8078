//! The contents of a file, unzipped while it is being downloaded.

use std::io::{self, BufReader, Cursor, Read};

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;
use tokio::task;
use tokio_util::io::SyncIoBridge;

/// How every gzip file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Bytes that are read or unzipped at once.
const CHUNK: usize = 64 * 1024;
/// Chunks that wait to be taken, at most: with them, a file takes 1 MiB of memory, however long it is.
const WINDOW: usize = 16;

/// The contents of a file: unzipped, if its first bytes are those of a gzip file, or else as they
/// are. They come in chunks, of which a few are ready and the rest is still to be downloaded.
#[derive(Debug)]
pub struct Contents {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    is_whole: bool,
}

impl Contents {
    /// Begins to download and unzip, and returns when the file is whole, or when there is so much of
    /// it that the rest has to wait until some is taken.
    pub async fn unzip(body: ByteStream) -> Self {
        let (sender, chunks) = mpsc::channel(WINDOW);
        let (full, is_full) = oneshot::channel();
        let body = SyncIoBridge::new(body.into_async_read());
        // Unzipping is work for a processor, which would hold up whatever else the async threads do.
        task::spawn_blocking(move || Window { chunks: sender, full: Some(full) }.send_all(body));
        // Nobody says that it is full, if it never was.
        let is_whole = is_full.await.is_err();
        Self { chunks, is_whole }
    }

    /// Whether nothing remained to be downloaded when the contents were returned.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// What tells the object's content from others.
    pub fn etag(&self) -> Option<&str> {
        None
    }

    /// The next chunk, or `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// If the download breaks off, or the gzip data are damaged or incomplete. Nothing comes after that.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        self.chunks.recv().await.transpose()
    }
}

/// Whether the contents ended because the object was replaced by another in the meantime.
pub fn is_replaced(_error: &io::Error) -> bool {
    false
}

/// Counts the lines of a file that are not empty, and its bytes.
///
/// ```
/// let mut count = shared::contents::Count::default();
/// // The end of a chunk is seldom the end of a line, and the last line need not end.
/// for chunk in ["one\n\ntw", "o\n", "\nthree"] {
///     count.add(chunk.as_bytes());
/// }
/// assert_eq!((count.lines(), count.bytes()), (3, 15));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    whole_lines: u64,
    bytes: u64,
    is_in_line: bool,
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

    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
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
    fn send_all(mut self, body: impl Read) {
        if let Err(error) = unzipped(body).and_then(|unzipped| self.send_chunks(unzipped)) {
            let _ = self.send(Err(error));
        }
    }

    fn send_chunks(&mut self, mut unzipped: impl Read) -> io::Result<()> {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            unzipped.by_ref().take(CHUNK as u64).read_to_end(&mut chunk)?;
            if chunk.is_empty() {
                return Ok(());
            }
            self.send(Ok(chunk.into()))?;
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

fn unzipped<'a>(mut body: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut head = Vec::new();
    body.by_ref().take(GZIP.len() as u64).read_to_end(&mut head)?;
    let is_gzip = head == GZIP;
    let body = Cursor::new(head).chain(body);
    if is_gzip {
        // A gzip file can have several members, one after the other.
        Ok(Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, body))))
    } else {
        Ok(Box::new(body))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    async fn read(file: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut contents = Contents::unzip(ByteStream::from(file)).await;
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
        let small = Contents::unzip(ByteStream::from(gzip(&vec![b'a'; CHUNK * WINDOW]))).await;
        assert!(small.is_whole());
        let content = vec![b'a'; CHUNK * WINDOW + 1];
        let large = Contents::unzip(ByteStream::from(gzip(&content))).await;
        assert!(!large.is_whole());
        assert_eq!(read(gzip(&content)).await.unwrap(), content);
    }
}
