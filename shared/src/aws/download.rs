//! Downloads that resume if the connection breaks.

use std::io;
use std::time::{Duration, Instant};

use aws_sdk_s3::config::{Config, Region, ResponseChecksumValidation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use metrics::histogram;

use super::transient::is_transient;
use super::{Backoff, why};
use crate::error::chain;
use crate::metrics::DOWNLOAD;

/// How long a download keeps trying without progress. This is shorter than an outage that only a person
/// can end, and longer than S3 takes to scale up, a network to change its routes, or a role to get new
/// credentials.
const PATIENCE: Duration = Duration::from_mins(5);

/// The content of an object, as it arrives.
///
/// If the connection breaks or stalls, or S3 is down for a while, it requests the rest of the same
/// content and continues there. It gives up after five minutes without progress. Time does not count
/// while no call of [`next`](Self::next) is waiting for a chunk.
#[derive(Debug)]
pub struct Download {
    /// Boxed, because it is several KiB, which would be copied with each file.
    get: Box<GetObjectFluentBuilder>,
    /// Where the bucket is, if it is not where the client looks.
    region: Option<Region>,
    backoff: Backoff,
    patience: Duration,
    /// Identifies the content, because different content has a different ETag.
    etag: Option<String>,
    started: Instant,
    /// In bytes. `None` if S3 does not say.
    length: Option<u64>,
    /// How many bytes were returned so far.
    offset: u64,
    body: ByteStream,
    /// How many bytes of `body` an earlier body has returned already.
    known: u64,
}

/// The object was replaced or deleted during the download, so the rest of its content is gone. The
/// download has to start over.
#[derive(Debug, thiserror::Error)]
#[error("it was replaced or deleted while it was being downloaded")]
pub(crate) struct Replaced;

impl Download {
    /// Requests a whole object, retrying while that may help, and in the bucket's own region if S3 says that the
    /// bucket is in another one. Returns when the content begins to arrive.
    ///
    /// # Errors
    ///
    /// S3's error, if a retry would not help because the object does not exist or may not be read; and
    /// any other error that persists for five minutes.
    pub async fn start(get: GetObjectFluentBuilder) -> Result<Self, SdkError<GetObjectError>> {
        Self::start_with(get, PATIENCE).await
    }

    async fn start_with(
        get: GetObjectFluentBuilder,
        patience: Duration,
    ) -> Result<Self, SdkError<GetObjectError>> {
        let name = |part: &Option<String>| part.clone().unwrap_or_default();
        let what = format!("Downloading {}/{}", name(get.get_bucket()), name(get.get_key()));
        let (backoff, started) = (Backoff::new(what), Instant::now());
        // Boxed, because the future of a request is several KiB, which would be copied with every future
        // that awaits it.
        let mut region = None;
        let answer = Box::pin(send(&get, &mut region, &backoff, patience)).await?;
        let length = answer.content_length.and_then(|length| length.try_into().ok());
        let GetObjectOutput { e_tag: etag, body, .. } = answer;
        let get = Box::new(get);
        let (offset, known) = (0, 0);
        Ok(Self { get, region, backoff, patience, etag, started, length, offset, body, known })
    }

    /// The ETag of the object's content as an S3 event has it: without quotes.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref().map(|etag| etag.trim_matches('"'))
    }

    /// Returns the next bytes, or `None` at the end. It must not be called again after an error.
    ///
    /// # Errors
    ///
    /// If the object was replaced meanwhile, or the rest of it cannot be downloaded, or S3 sends another
    /// range than requested, or the answer cannot be S3's.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        // A network with a login page sends that page in place of the answer.
        if self.etag.is_none() {
            return Err(io::Error::other("the answer is not S3's, because it has no ETag"));
        }
        loop {
            let broken = match self.body.next().await {
                Some(Ok(chunk)) => match self.new_bytes(chunk)? {
                    chunk if chunk.is_empty() => continue,
                    chunk => return Ok(Some(chunk)),
                },
                None if self.length.is_none_or(|length| self.offset == length) => {
                    self.backoff.succeeded();
                    histogram!(DOWNLOAD).record(self.started.elapsed());
                    return Ok(None);
                }
                // All bytes are there, but the checksum is wrong. It would be wrong the next time too.
                Some(Err(error)) if self.length == Some(self.offset) => return Err(other(&error)),
                Some(Err(error)) => chain(&error),
                None => "the connection was closed".to_owned(),
            };
            // Boxed, because it is seldom needed, and several KiB.
            Box::pin(self.resume(broken)).await?;
        }
    }

    /// Returns the part of `chunk` that was not returned before.
    fn new_bytes(&mut self, mut chunk: Bytes) -> io::Result<Bytes> {
        let known = usize::try_from(self.known).unwrap_or(usize::MAX).min(chunk.len());
        self.known -= known as u64;
        let chunk = chunk.split_off(known);
        if !chunk.is_empty() {
            self.offset += chunk.len() as u64;
            self.backoff.succeeded();
        }
        if self.length.is_some_and(|length| self.offset > length) {
            return Err(io::Error::other("there is more of it than S3 has said"));
        }
        Ok(chunk)
    }

    /// Requests the rest.
    async fn resume(&mut self, broken: String) -> io::Result<()> {
        // This drops a connection that may only seem to be open.
        self.body = ByteStream::default();
        let at = format!("the download broke off at byte {}: {broken}", self.offset);
        if self.backoff.failing_for() >= self.patience {
            return Err(io::Error::other(at));
        }
        self.backoff.failed_so_wait(&at).await;
        let mut get = GetObjectFluentBuilder::clone(&self.get).set_if_match(self.etag.clone());
        if self.offset > 0 {
            get = get.range(format!("bytes={}-", self.offset));
        }
        match send(&get, &mut self.region, &self.backoff, self.patience).await {
            Ok(answer) => self.go_on_with(answer),
            Err(error) => match error.raw_response().map(|raw| raw.status().as_u16()) {
                Some(404 | 412) => Err(io::Error::other(Replaced)),
                _ => Err(io::Error::other(format!("{at}, and {}", why(&error)))),
            },
        }
    }

    fn go_on_with(&mut self, answer: GetObjectOutput) -> io::Result<()> {
        // Some S3s ignore If-Match. Some ignore Range, and send the whole object again.
        if answer.e_tag != self.etag {
            return Err(io::Error::other(Replaced));
        }
        self.known = match &answer.content_range {
            None => self.offset,
            Some(range) if range.starts_with(&format!("bytes {}-", self.offset)) => 0,
            Some(range) => {
                let wrong = format!("asked for all from byte {}, S3 sends {range}", self.offset);
                return Err(io::Error::other(wrong));
            }
        };
        self.body = answer.body;
        Ok(())
    }
}

#[cfg(test)]
impl Download {
    /// A download of this body that never resumes.
    pub(crate) fn of(body: ByteStream) -> Self {
        let get = Box::new(super::Clients::local("http://127.0.0.1:1").s3.get_object());
        let (backoff, patience) = (Backoff::new("Downloading"), Duration::ZERO);
        let started = Instant::now();
        Self {
            get,
            backoff,
            patience,
            region: None,
            etag: Some("\"test\"".to_owned()),
            started,
            length: None,
            offset: 0,
            body,
            known: 0,
        }
    }
}

/// Sends a request, and retries it while its errors are transient. Learns the bucket's region from S3.
async fn send(
    get: &GetObjectFluentBuilder,
    region: &mut Option<Region>,
    backoff: &Backoff,
    patience: Duration,
) -> Result<GetObjectOutput, SdkError<GetObjectError>> {
    loop {
        let request = get.clone();
        let answer = if region.is_some() || get.get_range().is_some() {
            let mut config = Config::builder();
            if get.get_range().is_some() {
                // S3 may send the checksum of the whole object with a part.
                let unchecked = ResponseChecksumValidation::WhenRequired;
                config = config.response_checksum_validation(unchecked);
            }
            if region.is_some() {
                config = config.region(region.clone());
            }
            request.customize().config_override(config).send().await
        } else {
            request.send().await // Not customized: that would add one more place to look up each setting in.
        };
        match answer {
            Err(error) if is_transient(&error) && backoff.failing_for() < patience => {
                backoff.failed_so_wait(why(&error)).await;
            }
            Err(error) if region.is_none() => match other_region(&error) {
                Some(other) => *region = Some(other),
                None => return Err(error),
            },
            answer => return answer,
        }
    }
}

/// The region in which the bucket is, if S3 refuses a request because it was sent to another one.
pub(crate) fn other_region<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<Region> {
    let answer = error.raw_response()?;
    let is_redirection = matches!(answer.status().as_u16(), 301 | 307);
    if !is_redirection && error.code() != Some("AuthorizationHeaderMalformed") {
        return None;
    }
    let in_body = || {
        let body = std::str::from_utf8(answer.body().bytes()?).ok()?;
        Some(body.split_once("<Region>")?.1.split_once("</Region>")?.0)
    };
    let region = answer.headers().get("x-amz-bucket-region").or_else(in_body)?;
    // It becomes a part of a host's name.
    let is_plain = region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    (is_plain && !region.is_empty()).then(|| Region::new(region.to_owned()))
}

fn other(error: &dyn std::error::Error) -> io::Error {
    io::Error::other(chain(error))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;
    use crate::aws::Clients;

    /// Its patience is so short that it retries once.
    async fn start(endpoint: &str) -> Result<Download, SdkError<GetObjectError>> {
        let get = Clients::local(endpoint).s3.get_object().bucket("b").key("k");
        Download::start_with(get, Duration::from_millis(1)).await
    }

    #[tokio::test]
    async fn it_gives_up_in_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\netag: \"a\"\r\n\r\n0";
        let (download, ()) = tokio::join!(start(&endpoint), async {
            let (mut connection, _) = listener.accept().await.unwrap();
            // Reads the request, because closing the connection with unread bytes would reset it.
            let _ = connection.read(&mut [0; 10_000]).await.unwrap();
            connection.write_all(answer).await.unwrap();
        });
        drop(listener);
        let mut download = download.unwrap();
        assert_eq!(download.next().await.unwrap().unwrap(), "0");
        let error = timeout(Duration::from_mins(1), download.next()).await.expect("it gives up");
        let error = error.unwrap_err().to_string();
        assert!(error.contains("broke off at byte 1") && error.contains("refused"), "{error}");
        assert!(matches!(start(&endpoint).await, Err(SdkError::DispatchFailure(_))));
    }
}
