//! For tests: a proxy that breaks the requests and answers passing through it, over real sockets.
//!
//! It stands in front of an SQS and S3, embedded or not, and passes requests on. Signatures stay valid,
//! because the `Host` header does not change. The proxy never holds a whole body.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{self, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{self, JoinHandle, JoinSet};
use tokio::time::sleep;

/// A fault that happens to a request or its answer.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The proxy passes the request on after this time.
    Latency(Duration),
    /// The proxy does not pass the request on. It answers with this status and error code, as SQS or S3
    /// would: for instance 503 and `SlowDown`, or 403 and `ExpiredToken`. With 200, the answer is empty.
    Status(u16, &'static str),
    /// The proxy sends the answer's head and this many bytes of its body. Then it resets the connection, and
    /// the last of those bytes can get lost. A body that is no longer than that is sent as it is.
    ResetAfter(u64),
    /// The proxy sends the answer's head and this many bytes of its body. Then it sends nothing more, but the
    /// connection stays open.
    StallAfter(u64),
    /// The proxy sends this many bytes of the body per second.
    Slow(u64),
    /// Only every second message of a `DeleteMessageBatch` is deleted. The answer reports the others as failed.
    HalfFails {
        /// Whether the answer says that the sender caused the failures, so that a second attempt cannot help.
        sender_fault: bool,
    },
}

/// A proxy at 127.0.0.1. Dropping it closes it and its connections.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    proxy: Arc<Proxy>,
    serving: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Proxy {
    origin: String,
    client: Client<HttpConnector, AnyBody>,
    rules: Mutex<Vec<Rule>>,
    counts: Mutex<HashMap<String, Count>>,
    told: Mutex<Vec<(String, Bytes)>>,
}

#[derive(Debug, Default)]
struct Count {
    requests: usize,
    at_once: usize,
    most_at_once: usize,
}

#[derive(Debug)]
struct Rule {
    operation: String,
    path_end: String,
    times: usize,
    fault: Fault,
}

type AnyBody = UnsyncBoxBody<Bytes, hyper::Error>;

impl FaultProxy {
    /// Starts a proxy in front of `origin` (`http://…`), at a free port.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub async fn start(origin: impl Into<String>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let proxy = Arc::new(Proxy {
            origin: origin.into().trim_end_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            rules: Mutex::default(),
            counts: Mutex::default(),
            told: Mutex::default(),
        });
        let address = listener.local_addr()?;
        let serving = Mutex::new(Some(tokio::spawn(serve(listener, proxy.clone()))));
        Ok(Self { address, proxy, serving })
    }

    /// Returns its address: `http://127.0.0.1:` and the port.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, does this to every request that matches. `matching` is an operation, such as
    /// `ReceiveMessage` or `GetObject`, or an operation and the end of a path, such as `GetObject a/b.gz`.
    ///
    /// Faults happen in the order in which they were given: the next one follows when the first is used up.
    pub fn fault(&self, matching: &str, fault: Fault) {
        self.fault_times(matching, usize::MAX, fault);
    }

    /// Does the same as [`fault`](Self::fault), for the next `times` requests.
    pub fn fault_times(&self, matching: &str, times: usize, fault: Fault) {
        let (operation, path_end) = matching.split_once(' ').unwrap_or((matching, ""));
        let (operation, path_end) = (operation.to_owned(), path_end.to_owned());
        self.proxy.rules.lock().push(Rule { operation, path_end, times, fault });
    }

    /// Ends all faults for requests from now on.
    pub fn clear(&self) {
        self.proxy.rules.lock().clear();
    }

    /// Returns how many requests for this operation have come.
    pub fn count(&self, operation: &str) -> usize {
        self.proxy.counts.lock().get(operation).map_or(0, |count| count.requests)
    }

    /// Returns the most requests for this operation that have waited for an answer at the same time.
    pub fn most_at_once(&self, operation: &str) -> usize {
        self.proxy.counts.lock().get(operation).map_or(0, |count| count.most_at_once)
    }

    /// Returns the requests that SQS got through this proxy: the operation and JSON of each, in order of
    /// arrival.
    pub fn told_sqs(&self) -> Vec<(String, Bytes)> {
        self.proxy.told.lock().clone()
    }

    /// Ends all connections, and refuses new ones.
    pub async fn refuse_connections(&self) {
        let serving = self.serving.lock().take();
        if let Some(serving) = serving {
            serving.abort();
            let _ = serving.await;
        }
    }

    /// Accepts connections again, at the same port.
    ///
    /// # Errors
    ///
    /// If the port is taken by then.
    pub async fn accept_connections(&self) -> io::Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        let serving = tokio::spawn(serve(listener, self.proxy.clone()));
        if let Some(previous) = self.serving.lock().replace(serving) {
            previous.abort();
        }
        Ok(())
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.lock().take() {
            serving.abort();
        }
    }
}

/// Accepts connections, and ends them when it ends itself.
async fn serve(listener: TcpListener, proxy: Arc<Proxy>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((connection, _)) => {
                connections.spawn(serve_connection(connection, proxy.clone()));
            }
            // Most likely too many files are open, and some will be closed.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve_connection(connection: TcpStream, proxy: Arc<Proxy>) {
    let reset = Arc::new(Notify::new());
    let service = service_fn(|request| {
        let (proxy, reset) = (proxy.clone(), reset.clone());
        Box::pin(async move { proxy.answer(request, reset).await })
    });
    let _ = connection.set_nodelay(true);
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(connection), service);
    tokio::select! {
        _ = poll_fn(|context| connection.poll_without_shutdown(context)) => {}
        () = reset.notified() => {
            let _ = connection.into_parts().io.into_inner().set_zero_linger();
        }
    }
}

impl Proxy {
    async fn answer(
        &self,
        request: Request<Incoming>,
        reset: Arc<Notify>,
    ) -> io::Result<Response<AnyBody>> {
        let _under_way = UnderWay::new(&self.counts, operation(&request));
        let fault = self.fault(&request);
        let request = self.listen(request).await.map_err(io::Error::other)?;
        match fault {
            Some(Fault::Status(status, code)) => return Ok(refusal(&request, status, code)),
            Some(Fault::Latency(time)) => sleep(time).await,
            Some(Fault::HalfFails { sender_fault }) => {
                return self.half_fails(request, sender_fault).await;
            }
            _ => {}
        }
        let answer = self.pass_on(request).await?;
        Ok(answer.map(|body| match fault {
            Some(Fault::ResetAfter(length)) => cut(body, length, async move {
                // The bytes that came before go out first.
                task::yield_now().await;
                reset.notify_one();
                future::pending().await
            }),
            Some(Fault::StallAfter(length)) => cut(body, length, future::pending()),
            Some(Fault::Slow(rate)) => slow(body, rate),
            _ => body.boxed_unsync(),
        }))
    }

    async fn pass_on(&self, mut request: Request<AnyBody>) -> io::Result<Response<Incoming>> {
        if let Ok(uri) = format!("{}{}", self.origin, request.uri()).parse() {
            *request.uri_mut() = uri;
        }
        self.client.request(request).await.map_err(io::Error::other)
    }

    async fn half_fails(
        &self,
        request: Request<AnyBody>,
        sender_fault: bool,
    ) -> io::Result<Response<AnyBody>> {
        let (mut head, body) = request.into_parts();
        let mut batch = json_of(body).await?;
        let entries = batch["Entries"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let (failed, passed): (Vec<_>, Vec<_>) =
            entries.into_iter().enumerate().partition(|(position, _)| position % 2 == 0);
        let failed = failed.into_iter().map(|(_, entry)| {
            json!({ "Id": entry["Id"], "Code": "SomeError", "SenderFault": sender_fault })
        });
        let failed: Value = failed.collect();
        if passed.is_empty() {
            let answer = json!({ "Successful": [], "Failed": failed });
            return Ok(Response::new(whole(answer.to_string())));
        }
        batch["Entries"] = passed.into_iter().map(|(_, entry)| entry).collect();
        head.headers.remove(CONTENT_LENGTH);
        let answer = self.pass_on(Request::from_parts(head, whole(batch.to_string()))).await?;
        let (mut head, body) = answer.into_parts();
        let mut answer = json_of(body).await?;
        answer["Failed"] = failed;
        head.headers.remove(CONTENT_LENGTH);
        Ok(Response::from_parts(head, whole(answer.to_string())))
    }

    /// Records a request to SQS.
    async fn listen(&self, request: Request<Incoming>) -> hyper::Result<Request<AnyBody>> {
        if !is_for_sqs(&request) {
            return Ok(request.map(BodyExt::boxed_unsync));
        }
        let operation = operation(&request);
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        self.told.lock().push((operation, body.clone()));
        Ok(Request::from_parts(head, whole(body)))
    }

    /// Finds the fault that applies to a request.
    fn fault(&self, request: &Request<Incoming>) -> Option<Fault> {
        let (operation, path) = (operation(request), request.uri().path());
        let mut rules = self.rules.lock();
        let rule = rules.iter_mut().find(|rule| {
            rule.operation == operation && path.ends_with(&rule.path_end) && rule.times > 0
        })?;
        rule.times -= 1;
        Some(rule.fault)
    }
}

/// Counts a request. Until this is dropped, the request waits for an answer.
struct UnderWay<'a> {
    counts: &'a Mutex<HashMap<String, Count>>,
    operation: String,
}

impl<'a> UnderWay<'a> {
    fn new(counts: &'a Mutex<HashMap<String, Count>>, operation: String) -> Self {
        let mut all = counts.lock();
        let count = all.entry(operation.clone()).or_default();
        count.requests += 1;
        count.at_once += 1;
        count.most_at_once = count.most_at_once.max(count.at_once);
        Self { counts, operation }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.counts.lock().get_mut(&self.operation) {
            count.at_once -= 1;
        }
    }
}

async fn json_of(body: impl Body<Error = hyper::Error>) -> io::Result<Value> {
    let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
    Ok(serde_json::from_slice(&bytes)?)
}

fn is_for_sqs<B>(request: &Request<B>) -> bool {
    request.headers().contains_key("x-amz-target")
}

/// SQS's operations are named in a header. For S3, the method is enough if the request is about an object.
fn operation(request: &Request<Incoming>) -> String {
    if let Some(target) = request.headers().get("x-amz-target").and_then(|it| it.to_str().ok()) {
        return target.rsplit('.').next().unwrap_or_default().to_owned();
    }
    let is_object = request.uri().path().trim_matches('/').contains('/');
    match *request.method() {
        Method::GET if is_object => "GetObject",
        Method::HEAD if is_object => "HeadObject",
        Method::PUT if is_object => "PutObject",
        Method::DELETE if is_object => "DeleteObject",
        ref method => method.as_str(),
    }
    .to_owned()
}

/// The answer that SQS or S3 would give.
fn refusal(request: &Request<AnyBody>, status: u16, code: &str) -> Response<AnyBody> {
    let body = if status < 300 {
        String::new()
    } else if is_for_sqs(request) {
        format!(r#"{{"__type": "com.amazonaws.sqs#{code}", "message": "A fault"}}"#)
    } else {
        format!("<Error><Code>{code}</Code><Message>A fault</Message></Error>")
    };
    let mut answer = Response::new(whole(body));
    *answer.status_mut() = status.try_into().unwrap_or_default();
    answer
}

fn whole(body: impl Into<Bytes>) -> AnyBody {
    Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// The first bytes of a body, and then `end` in place of the rest.
fn cut(
    body: Incoming,
    length: u64,
    end: impl Future<Output = Infallible> + Send + 'static,
) -> AnyBody {
    let first = stream::unfold((body.into_data_stream(), length), |(mut body, left)| async move {
        if left == 0 {
            return None;
        }
        let chunk = body.next().await?.map(|mut chunk| {
            chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            chunk
        });
        let left = left - chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Some((chunk.map(Frame::data), (body, left)))
    });
    let end = stream::once(end).map(|never| match never {});
    StreamBody::new(first.chain(end)).boxed_unsync()
}

/// The body, sent in ten pieces a second.
fn slow(body: Incoming, rate: u64) -> AnyBody {
    let piece = usize::try_from(rate / 10).unwrap_or(usize::MAX).max(1);
    let pieces = stream::unfold((body.into_data_stream(), Bytes::new()), move |state| async move {
        let (mut body, mut chunk) = state;
        if chunk.is_empty() {
            match body.next().await? {
                Ok(next) => chunk = next,
                Err(error) => return Some((Err(error), (body, chunk))),
            }
        }
        sleep(Duration::from_millis(100)).await;
        let piece = chunk.split_to(piece.min(chunk.len()));
        Some((Ok(Frame::data(piece)), (body, chunk)))
    });
    StreamBody::new(pieces).boxed_unsync()
}
