//! Downloads that go on where they broke off.

use std::io;
use std::time::{Duration, Instant};

use aws_sdk_s3::config::{Config, ResponseChecksumValidation};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use metrics::histogram;

use super::transient::is_transient;
use super::{Backoff, why};
use crate::error::chain;
use crate::metrics::DOWNLOAD;

/// For how long it is tried to get on. Shorter than an outage that a person has to end, and longer
/// than S3 takes to scale up, a network to change its routes, or a role to get new credentials.
const PATIENCE: Duration = Duration::from_mins(5);

/// The content of an object, as it arrives.
///
/// If the connection breaks, or nothing comes any more, or S3 is down for a while, it asks for the
/// rest of the same content, and goes on there. It gives up when there was no progress for five
/// minutes. Time in which nobody asks for the [`next`](Self::next) chunk does not count.
#[derive(Debug)]
pub struct Download {
    /// Boxed, because it is several KiB, which would be copied with each file.
    get: Box<GetObjectFluentBuilder>,
    backoff: Backoff,
    patience: Duration,
    /// Names the content: another content would have another one.
    etag: Option<String>,
    started: Instant,
    /// In bytes. `None` if S3 does not tell.
    length: Option<u64>,
    /// How much of it was returned.
    offset: u64,
    body: ByteStream,
    /// How much of `body` was returned already, from another one.
    known: u64,
}

/// The object was replaced or deleted while it was being downloaded: what is left of its content
/// cannot be had any more. To begin again is right.
#[derive(Debug, thiserror::Error)]
#[error("it was replaced or deleted while it was being downloaded")]
pub(crate) struct Replaced;

impl Download {
    /// Sends a request for a whole object, again and again as long as that may help, and returns when
    /// the content begins to arrive.
    ///
    /// # Errors
    ///
    /// S3's, if to try again would not help: there is no such object, or it may not be read. And any
    /// other if it is still the same after five minutes.
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
        // Boxed: the future of a request is several KiB, which would be copied with those that await it.
        let answer = Box::pin(send(&get, &backoff, patience)).await?;
        let length = answer.content_length.and_then(|length| length.try_into().ok());
        let GetObjectOutput { e_tag: etag, body, .. } = answer;
        let get = Box::new(get);
        Ok(Self { get, backoff, patience, etag, started, length, offset: 0, body, known: 0 })
    }

    /// What names the object's content, as an S3 event has it: without quotes.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref().map(|etag| etag.trim_matches('"'))
    }

    /// The next bytes, or `None` if there are no more. Not to be called again after an error.
    ///
    /// # Errors
    ///
    /// If the object was replaced in between, or the rest of it cannot
    /// be had, or is not what was asked for.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
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
                // All is there, but the checksum is wrong: that would be so the next time.
                Some(Err(error)) if self.length == Some(self.offset) => return Err(other(&error)),
                Some(Err(error)) => chain(&error),
                None => "the connection was closed".to_owned(),
            };
            // Boxed: it is seldom needed, and several KiB.
            Box::pin(self.resume(broken)).await?;
        }
    }

    /// What of `chunk` was not returned before.
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

    /// Asks for the rest.
    async fn resume(&mut self, broken: String) -> io::Result<()> {
        // A connection that only seems to be open is closed by this.
        self.body = ByteStream::default();
        let at = format!("the download broke off at byte {}: {broken}", self.offset);
        // Without a name for the content, the rest could be that of another one.
        if self.etag.is_none() || self.backoff.failing_for() >= self.patience {
            return Err(io::Error::other(at));
        }
        self.backoff.failed_so_wait(&at).await;
        let mut get = GetObjectFluentBuilder::clone(&self.get).set_if_match(self.etag.clone());
        if self.offset > 0 {
            get = get.range(format!("bytes={}-", self.offset));
        }
        match send(&get, &self.backoff, self.patience).await {
            Ok(answer) => self.go_on_with(answer),
            Err(error) => match error.raw_response().map(|raw| raw.status().as_u16()) {
                Some(404 | 412) => Err(io::Error::other(Replaced)),
                _ => Err(io::Error::other(format!("{at}, and {}", why(&error)))),
            },
        }
    }

    fn go_on_with(&mut self, answer: GetObjectOutput) -> io::Result<()> {
        // Not every S3 knows If-Match, nor Range: then all of it comes again.
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
    /// A download that is this body, whatever comes of it.
    pub(crate) fn of(body: ByteStream) -> Self {
        let get = Box::new(super::Clients::local("http://127.0.0.1:1").s3.get_object());
        let (backoff, patience) = (Backoff::new("Downloading"), Duration::ZERO);
        let started = Instant::now();
        Self {
            get,
            backoff,
            patience,
            etag: None,
            started,
            length: None,
            offset: 0,
            body,
            known: 0,
        }
    }
}

/// Sends a request again as long as it fails in a way that passes.
async fn send(
    get: &GetObjectFluentBuilder,
    backoff: &Backoff,
    patience: Duration,
) -> Result<GetObjectOutput, SdkError<GetObjectError>> {
    loop {
        let request = get.clone();
        let answer = if get.get_range().is_some() {
            // The checksum that comes with a part can be that of the whole.
            let unchecked = ResponseChecksumValidation::WhenRequired;
            let config = Config::builder().response_checksum_validation(unchecked);
            request.customize().config_override(config).send().await
        } else {
            request.send().await // Customized, it would have one more place to look up each setting in.
        };
        match answer {
            Err(error) if is_transient(&error) && backoff.failing_for() < patience => {
                backoff.failed_so_wait(why(&error)).await;
            }
            answer => return answer,
        }
    }
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

    /// So impatient that it tries again once.
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
            // With a request that nobody has read, it would be reset.
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
