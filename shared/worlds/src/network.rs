//! The network between a program and the embedded SQS and S3: pipes in memory, with latency and faults.

use std::fmt;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use futures_util::stream::{self, StreamExt};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use local_aws::Pipe;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::plan::Fault;
use crate::world::{Program, World};

/// A program's way to SQS and S3.
#[derive(Clone)]
struct Line {
    world: Arc<World>,
    program: Arc<Program>,
    pipe: Pipe,
}

/// The HTTP client of a program.
pub fn client(world: &Arc<World>, program: &Arc<Program>, pipe: &Pipe) -> SharedHttpClient {
    let line = Line { world: world.clone(), program: program.clone(), pipe: pipe.clone() };
    http_client_fn(move |settings, _components| {
        let read_timeout = settings.read_timeout();
        SharedHttpConnector::new(Connector { line: line.clone(), read_timeout })
    })
}

/// The line, with the timeout that an HTTP client has to heed.
#[derive(Debug)]
struct Connector {
    line: Line,
    /// For the head of an answer.
    read_timeout: Option<Duration>,
}

/// The parts of a request that faults and checks need.
#[derive(Clone, Debug)]
pub struct Request {
    /// `ReceiveMessage`, `GetObject` and so on.
    pub operation: String,
    /// The body of a request to SQS.
    pub body: Value,
    /// The path of a request to S3.
    pub path: String,
}

impl Request {
    fn of(request: &HttpRequest) -> Self {
        let target = request.headers().get("x-amz-target").and_then(|it| it.rsplit('.').next());
        let body = request.body().bytes().and_then(|body| serde_json::from_slice(body).ok());
        let uri = request.uri().split_once("://").map_or("", |(_, rest)| rest);
        let path = uri.split_once('/').map_or("", |(_, path)| path);
        let path = path.split('?').next().unwrap_or_default();
        Self {
            operation: target.unwrap_or("GetObject").to_owned(),
            body: body.unwrap_or_default(),
            path: percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned(),
        }
    }

    pub fn is_sqs(&self) -> bool {
        self.operation != "GetObject"
    }

    /// The entries of a batch.
    pub fn entries(&self) -> impl Iterator<Item = &Value> {
        self.body["Entries"].as_array().into_iter().flatten()
    }
}

/// The request in short, for a history.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.operation)?;
        match self.operation.as_str() {
            "GetObject" => write!(f, " {}", self.path),
            "ReceiveMessage" => write!(f, " of up to {}", self.body["MaxNumberOfMessages"]),
            _ if self.body["Entries"].is_array() => write!(f, " of {}", self.entries().count()),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let exchange = self.line.clone().exchange(request);
        let Some(limit) = self.read_timeout else { return HttpConnectorFuture::new(exchange) };
        HttpConnectorFuture::new(async move {
            let exchange = timeout(limit, exchange).await;
            exchange.unwrap_or_else(|late| Err(ConnectorError::timeout(late.into())))
        })
    }
}

impl Line {
    async fn exchange(self, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let Self { world, program, pipe } = &self;
        program.connected().await;
        let mut seen = Request::of(&request);
        let everything = seen.clone();
        let _asking = world.ledger.asks(world, program, &seen);
        let fault = world.request_fault(program, &seen);
        if fault.is_some()
            && seen.operation == "DeleteMessageBatch"
            && fault != Some(Fault::HalfFails)
        {
            world.ledger.deletions_fail(seen.entries(), true);
        }
        self.latency().await;
        match fault {
            Some(Fault::Refused) => return Err(reset()),
            Some(Fault::Status(status, code)) => return Ok(refusal(status, code, seen.is_sqs())),
            Some(Fault::HalfFails) => {
                let mut at = 0;
                if let Some(entries) = seen.body["Entries"].as_array_mut() {
                    entries.retain(|_| {
                        at += 1;
                        at % 2 == 0
                    });
                }
                if seen.operation == "DeleteMessageBatch" {
                    let refused = everything.entries().step_by(2);
                    world.ledger.deletions_fail(refused, true);
                }
                if seen.entries().next().is_none() {
                    return Err(reset());
                }
                let body = seen.body.to_string();
                request.headers_mut().remove("content-length");
                *request.body_mut() = SdkBody::from(body);
            }
            _ => {}
        }
        world.ledger.reaches(world, &seen);
        // In a task of its own, because a server goes on when its client has left.
        let (server, asked) = (pipe.clone(), program.clone());
        let (keeper, answered) = (world.clone(), seen.clone());
        let acted = tokio::spawn(async move {
            let answer = server.send(request).await;
            if let Ok(answer) = &answer {
                keeper.server_acts(&asked, &answered, answer, fault).await;
            }
            answer
        });
        let answer = acted.await.map_err(|error| ConnectorError::other(error.into(), None))?;
        let answer = answer.map_err(ConnectorError::io)?;
        self.latency().await;
        match fault {
            Some(Fault::AnswerLost) => return Err(reset()),
            Some(Fault::Silence) => return pending().await,
            _ => {}
        }
        program.connected().await;
        world.ledger.arrives(&seen, &answer);
        let (head, body) = answer.into_parts();
        if let Some(Fault::BodyResets(_) | Fault::BodyStalls(_)) = fault {
            world.replace(&seen).await;
        }
        let body = match fault {
            Some(Fault::HalfFails) => half_failed(&everything, body),
            _ => body,
        };
        // An answer of SQS is small.
        let body = if seen.is_sqs() { SdkBody::from(body) } else { self.arriving(&body, fault) };
        let mut answer = http::Response::from_parts(head, body);
        if fault == Some(Fault::HalfFails) {
            answer.headers_mut().remove("content-length");
        }
        answer.try_into().map_err(|error| ConnectorError::other(Box::new(error), None))
    }

    async fn latency(&self) {
        sleep(self.world.luck.milliseconds(0..self.world.plan.latency + 1)).await;
        self.program.connected().await;
    }

    /// A body that arrives in pieces, or not to its end.
    fn arriving(&self, body: &Bytes, fault: Option<Fault>) -> SdkBody {
        let part = |thousandths: u16| body.len() * usize::from(thousandths) / 1000;
        let (end, stalls) = match fault {
            Some(Fault::BodyResets(at)) => (Some(part(at)), false),
            Some(Fault::BodyStalls(at)) => (Some(part(at)), true),
            _ => (None, false),
        };
        let rest = body.slice(..end.unwrap_or(body.len()));
        let line = self.clone();
        let pieces = stream::unfold((rest, line), move |(mut rest, line)| async move {
            line.latency().await;
            if rest.is_empty() {
                return match end {
                    None => None,
                    Some(_) if stalls => pending().await,
                    Some(_) => {
                        let error = io::Error::from(io::ErrorKind::ConnectionReset);
                        Some((Err(error), (rest, line)))
                    }
                };
            }
            let length = line.world.luck.pick(1..line.world.plan.piece);
            let piece = rest.split_to(usize::try_from(length).unwrap_or(1).min(rest.len()));
            Some((Ok(Frame::data(piece)), (rest, line)))
        });
        SdkBody::from_body_1_x(StreamBody::new(Box::pin(pieces.fuse())))
    }
}

fn reset() -> ConnectorError {
    ConnectorError::io(Box::new(io::Error::from(io::ErrorKind::ConnectionReset)))
}

/// An error as SQS or S3 sends it.
fn refusal(status: u16, code: &str, is_sqs: bool) -> HttpResponse {
    let body = if is_sqs {
        json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": "a fault of this world" })
            .to_string()
    } else {
        format!("<Error><Code>{code}</Code><Message>a fault of this world</Message></Error>")
    };
    let status = status.try_into().expect("it is a status");
    HttpResponse::new(status, SdkBody::from(body))
}

/// The answer to a batch if SQS has got only every second entry.
fn half_failed(sent: &Request, body: Bytes) -> Bytes {
    let Ok(mut answer) = serde_json::from_slice::<Value>(&body) else { return body };
    let ids: Vec<_> = sent.entries().map(|entry| entry["Id"].clone()).collect();
    let done: Vec<_> =
        answer["Successful"].as_array().into_iter().flatten().map(|it| it["Id"].clone()).collect();
    let mut failed = answer["Failed"].as_array().cloned().unwrap_or_default();
    for id in ids {
        if !done.contains(&id) && !failed.iter().any(|it| it["Id"] == id) {
            failed.push(json!({ "Id": id, "SenderFault": false, "Code": "InternalError", "Message": "a fault of this world" }));
        }
    }
    answer["Failed"] = failed.into();
    answer.to_string().into()
}

/// The HTTP client of the code that sets up a world and looks at it: nothing goes wrong, and nothing takes time.
pub fn direct(pipe: Pipe) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Direct(pipe));
    http_client_fn(move |_settings, _components| connector.clone())
}

struct Direct(Pipe);

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Direct")
    }
}

impl HttpConnector for Direct {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let pipe = self.0.clone();
        HttpConnectorFuture::new(async move {
            let answer = pipe.send(request).await.map_err(ConnectorError::io)?;
            let answer = answer.map(SdkBody::from).try_into();
            answer.map_err(|error| ConnectorError::other(Box::new(error), None))
        })
    }
}
