//! Responses that our embedded S3 never gives.

use std::net::Ipv4Addr;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use shared::aws::Download;
use shared::aws::Failure;
use shared::contents::{Contents, Limits};
use shared::local_aws::LocalAws;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::support::{config, rest};

/// Gives these responses, each over a connection of its own that it then closes, and returns the
/// requests.
struct Script {
    s3: Client,
    requests: JoinHandle<Vec<String>>,
}

impl Script {
    async fn new(
        answers: impl IntoIterator<Item = &'static str, IntoIter: Send> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = tokio::spawn(async move {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut connection, _) = listener.accept().await.unwrap();
                requests.push(request(&mut connection).await);
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
            requests
        });
        let local = LocalAws::start(0, "queue").await.unwrap();
        let s3 = Client::from_conf(config(&local.aws().s3, &endpoint).build());
        Self { s3, requests }
    }

    /// Downloads an object that is served with these answers.
    async fn download(&self) -> std::io::Result<String> {
        let get = self.s3.get_object().bucket("b").key("k");
        let mut download = Download::start(get).await.unwrap();
        Ok(String::from_utf8(rest(&mut download).await?).unwrap())
    }
}

async fn request(connection: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(connection.read_u8().await.unwrap());
    }
    String::from_utf8(request).unwrap()
}

const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\netag: \"a\"\r\n\r\n0123";

#[tokio::test]
async fn the_rest_is_asked_for_with_range_and_if_match() {
    let rest = "HTTP/1.1 206 Partial Content\r\ncontent-length: 4\r\netag: \"a\"\r\n\
                content-range: bytes 4-7/8\r\n\r\n4567";
    let script = Script::new([HALF, rest]).await;
    assert_eq!(script.download().await.unwrap(), "01234567");
    let requests = script.requests.await.unwrap();
    assert!(!requests[0].contains("range:") && !requests[0].contains("if-match:"), "{requests:?}");
    assert!(requests[1].contains("\r\nrange: bytes=4-\r\n"), "{requests:?}");
    assert!(requests[1].contains("\r\nif-match: \"a\"\r\n"), "{requests:?}");
}

/// An S3 without ranges sends the whole object, and the download skips the part that it has.
#[tokio::test]
async fn the_whole_may_come_in_place_of_the_rest() {
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\netag: \"a\"\r\n\r\n01234567";
    let script = Script::new([HALF, whole]).await;
    assert_eq!(script.download().await.unwrap(), "01234567");
    // The second download may break off too, before or after it reaches new bytes.
    let less = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\netag: \"a\"\r\n\r\n01";
    let more = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\netag: \"a\"\r\n\r\n012345";
    let script = Script::new([HALF, less, more, whole]).await;
    assert_eq!(script.download().await.unwrap(), "01234567");
}

#[tokio::test]
async fn the_rest_may_come_in_parts() {
    let less = "HTTP/1.1 206 Partial Content\r\ncontent-length: 2\r\netag: \"a\"\r\n\
                content-range: bytes 4-5/8\r\n\r\n45";
    let last = "HTTP/1.1 206 Partial Content\r\ncontent-length: 2\r\netag: \"a\"\r\n\
                content-range: bytes 6-7/8\r\n\r\n67";
    let script = Script::new([HALF, less, last]).await;
    assert_eq!(script.download().await.unwrap(), "01234567");
}

/// An S3 without conditional requests does not refuse a changed object.
#[tokio::test]
async fn another_etag_is_another_object() {
    let other = "HTTP/1.1 206 Partial Content\r\ncontent-length: 4\r\netag: \"b\"\r\n\
                 content-range: bytes 4-7/8\r\n\r\nabcd";
    let script = Script::new([HALF, other]).await;
    assert!(matches!(script.download().await.unwrap_err().into(), Failure::Replaced));
}

#[tokio::test]
async fn a_part_that_was_not_asked_for_is_an_error() {
    let wrong = "HTTP/1.1 206 Partial Content\r\ncontent-length: 4\r\netag: \"a\"\r\n\
                 content-range: bytes 40-43/48\r\n\r\n4567";
    let script = Script::new([HALF, wrong]).await;
    let error = script.download().await.unwrap_err();
    assert!(error.to_string().contains("bytes 40-43/48"), "{error}");
    // It begins at the right byte, but is longer than it can be.
    let longer = "HTTP/1.1 206 Partial Content\r\ncontent-length: 5\r\netag: \"a\"\r\n\
                  content-range: bytes 4-8/9\r\n\r\n45678";
    let script = Script::new([HALF, longer]).await;
    let error = script.download().await.unwrap_err();
    assert!(error.to_string().contains("more of it"), "{error}");
}

#[tokio::test]
async fn a_range_that_cannot_be_satisfied_is_an_error() {
    let refusal = "HTTP/1.1 416 Range Not Satisfiable\r\ncontent-length: 40\r\n\r\n\
                   <Error><Code>InvalidRange</Code></Error>";
    let script = Script::new([HALF, refusal]).await;
    let error = script.download().await.unwrap_err();
    assert!(error.to_string().contains("InvalidRange"), "{error}");
}

/// A network with a login page answers in place of S3.
#[tokio::test]
async fn a_page_in_place_of_the_object_is_no_content() {
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 19\r\n\r\n<html>Hello</html>\n";
    let script = Script::new([page]).await;
    let error = script.download().await.unwrap_err();
    assert!(error.to_string().contains("not S3's"), "{error}");
}

/// S3 answers in one of these ways if the bucket is in another region than the client.
#[tokio::test]
async fn a_bucket_in_another_region_is_asked_there() {
    let moved = "HTTP/1.1 301 Moved Permanently\r\nx-amz-bucket-region: eu-west-1\r\ncontent-length: 50\r\n\r\n\
                 <Error><Code>PermanentRedirect</Code></Error>     ";
    let new = "HTTP/1.1 307 Temporary Redirect\r\nx-amz-bucket-region: eu-west-1\r\ncontent-length: 50\r\n\r\n\
               <Error><Code>TemporaryRedirect</Code></Error>     ";
    let malformed = "HTTP/1.1 400 Bad Request\r\ncontent-length: 90\r\n\r\n\
                     <Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>        ";
    let rest = "HTTP/1.1 206 Partial Content\r\ncontent-length: 4\r\netag: \"a\"\r\n\
                content-range: bytes 4-7/8\r\n\r\n4567";
    for elsewhere in [moved, new, malformed] {
        let script = Script::new([elsewhere, HALF, rest]).await;
        assert_eq!(script.download().await.unwrap(), "01234567");
        let requests = script.requests.await.unwrap();
        assert!(requests[0].contains("/us-east-1/s3/aws4_request"), "{requests:?}");
        assert!(requests[1].contains("/eu-west-1/s3/aws4_request"), "{requests:?}");
        assert!(requests[2].contains("/eu-west-1/s3/aws4_request"), "{requests:?}");
    }
}

/// Nor is it asked again and again if it is nowhere.
#[tokio::test]
async fn a_region_that_is_not_named_or_wrong_too_is_an_error() {
    let unnamed = "HTTP/1.1 301 Moved Permanently\r\ncontent-length: 50\r\n\r\n\
                   <Error><Code>PermanentRedirect</Code></Error>     ";
    let named = "HTTP/1.1 301 Moved Permanently\r\nx-amz-bucket-region: eu-west-1\r\ncontent-length: 50\r\n\r\n\
                 <Error><Code>PermanentRedirect</Code></Error>     ";
    for answers in [vec![unnamed], vec![named, named]] {
        let script = Script::new(answers).await;
        let get = script.s3.get_object().bucket("b").key("k");
        let error = Download::start(get).await.unwrap_err();
        assert_eq!(error.code(), Some("PermanentRedirect"));
        script.requests.await.unwrap();
    }
}

#[tokio::test]
async fn the_checksum_is_that_of_the_whole() {
    let wrong = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\netag: \"a\"\r\n\
                 x-amz-checksum-crc32: AAAAAA==\r\n\r\n01234567";
    let script = Script::new([wrong]).await;
    let error = script.download().await.unwrap_err();
    assert!(error.to_string().contains("checksum mismatch"), "{error}");
    // Some S3s send the checksum of the whole with a part.
    let rest = "HTTP/1.1 206 Partial Content\r\ncontent-length: 4\r\netag: \"a\"\r\n\
                x-amz-checksum-crc32: AAAAAA==\r\ncontent-range: bytes 4-7/8\r\n\r\n4567";
    let script = Script::new([HALF, rest]).await;
    assert_eq!(script.download().await.unwrap(), "01234567");
}

/// Dropping a download also closes its connection.
#[tokio::test]
async fn a_download_that_nobody_wants_any_more_is_not_waited_for() {
    const SENT: usize = 2 << 20;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let until_closed = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        request(&mut connection).await;
        let head =
            format!("HTTP/1.1 200 OK\r\netag: \"a\"\r\ncontent-length: {}\r\n\r\n", 2 * SENT);
        connection.write_all(head.as_bytes()).await.unwrap();
        connection.write_all(&vec![0; SENT]).await.unwrap();
        // Returns nothing, or an error, when the connection is closed.
        let _ = connection.read(&mut [0]).await;
    });

    // This client waits up to 20 seconds for the rest.
    let local = LocalAws::start(0, "queue").await.unwrap();
    let config = local.aws().s3.config().to_builder().endpoint_url(endpoint);
    let get = Client::from_conf(config.build()).get_object().bucket("b").key("k");
    let download = Download::start(get).await.unwrap();
    let mut contents = Contents::unzip(download, Limits::default()).await;
    let mut read = 0;
    while read < SENT {
        read += contents.next().await.unwrap().unwrap().len();
    }
    drop(contents);
    timeout(Duration::from_secs(10), until_closed).await.expect("it is closed").unwrap();
}
