//! Connects the SDK to the embedded SQS and S3 in memory, for a paused clock.
//!
//! A paused clock jumps when all tasks wait. It does not know that some of them wait for a socket, even if
//! that socket has data almost at once. So the connections are pipes in memory. They carry the same HTTP, by
//! the same SDK and the same server. They take their time on the paused clock, so every run takes the same.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use futures_util::stream::{self, StreamExt};
use http::{HeaderValue, Uri, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::duplex;
use tokio::time::sleep;

use super::{BoxError, Router, serve_connection};

/// The time from a request to the first byte of its answer.
const LATENCY: Duration = Duration::from_millis(200);
/// The number of bytes that arrive in an eighth of a second, so that a mebibyte takes a whole second.
const PIECE: usize = 128 * 1024;
const PIECE_TAKES: Duration = Duration::from_millis(125);

/// Carries requests to an embedded SQS and S3 in memory. Clones lead to the same one.
#[derive(Clone)]
pub struct Pipe(Router);

/// The client that the SDK sends its requests with.
pub(super) fn client(pipe: Pipe) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(pipe);
    http_client_fn(move |_settings, _components| connector.clone())
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pipe")
    }
}

impl HttpConnector for Pipe {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let pipe = self.clone();
        HttpConnectorFuture::new(async move {
            sleep(LATENCY).await;
            let answer = pipe.send(request).await.map_err(ConnectorError::io)?;
            let (head, body) = answer.into_parts();
            let answer = http::Response::from_parts(head, slowly(body));
            answer.try_into().map_err(|error| ConnectorError::io(Box::new(error)))
        })
    }
}

impl Pipe {
    pub(super) fn to(router: Router) -> Self {
        Self(router)
    }

    /// Sends a request, and returns the whole answer. This takes no time on a paused clock.
    ///
    /// # Errors
    ///
    /// If the request is not HTTP.
    pub async fn send(&self, request: HttpRequest) -> Result<http::Response<Bytes>, BoxError> {
        let (head, body) = self.answer(request.try_into_http1x()?).await?.into_parts();
        Ok(http::Response::from_parts(head, body.collect().await?.to_bytes()))
    }

    async fn answer(
        &self,
        mut request: http::Request<SdkBody>,
    ) -> Result<http::Response<Incoming>, BoxError> {
        let (client, server) = duplex(PIECE);
        tokio::spawn(serve_connection(server, self.0.clone()));
        let (mut sender, connection) = http1::handshake(TokioIo::new(client)).await?;
        tokio::spawn(connection);

        // Like any HTTP client, this puts the host in a header, and only the path in the first line.
        let uri = request.uri().clone().into_parts();
        let host = HeaderValue::from_str(uri.authority.as_ref().map_or("", |host| host.as_str()))?;
        request.headers_mut().entry(header::HOST).or_insert(host);
        *request.uri_mut() = uri.path_and_query.map(Uri::from).unwrap_or_default();
        Ok(sender.send_request(request).await?)
    }
}

/// A body that arrives piece by piece. A body of less than one piece takes no time, because it is most likely
/// an answer of SQS.
fn slowly(body: Bytes) -> SdkBody {
    let pieces = stream::unfold(body, |mut rest| async {
        if rest.is_empty() {
            return None;
        }
        let piece = rest.split_to(rest.len().min(PIECE));
        if piece.len() == PIECE {
            sleep(PIECE_TAKES).await;
        }
        Some((Ok::<_, Infallible>(Frame::data(piece)), rest))
    });
    SdkBody::from_body_1_x(StreamBody::new(Box::pin(pieces.fuse())))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::super::{BUCKET, Requests, set_up};
    use super::*;
    use crate::sdk_config;

    /// The time is that of the paused clock, so it is the same in every run.
    #[tokio::test(start_paused = true)]
    async fn what_goes_through_it_is_whole_and_takes_its_time() {
        let router = Router::new(([127, 0, 0, 1], 1).into(), Requests::default());
        let mut config = sdk_config("http://127.0.0.1:1").into_builder();
        config.set_http_client(Some(client(Pipe::to(router))));
        let s3 = set_up(&config.build(), "queue").await.unwrap().s3;
        let content = vec![7; 2 * 8 * PIECE + 1];
        let put = s3.put_object().bucket(BUCKET).key("key").body(content.clone().into());
        put.send().await.unwrap();

        let began = Instant::now();
        let got = s3.get_object().bucket(BUCKET).key("key").send().await.unwrap();
        assert_eq!(began.elapsed().as_millis() / 10, 20);
        assert_eq!(got.body.collect().await.unwrap().to_vec(), content);
        assert_eq!(began.elapsed().as_millis() / 10, 220);
    }
}
