//! SQS can delete some messages of a batch and fail at others. Those are tried again.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName::{
    ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use shared::local_aws::{ACCESS_KEY, LocalAws, REGION};
use tokio::net::TcpListener;

/// Passes requests on to `origin`, but lets the first `faults` deletions of batches do half of their
/// work: every other message is reported as failed, and is not deleted, and whether that is the fault of
/// who sends. Returns its own address.
async fn proxy(origin: String, faults: usize, sender_fault: bool) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (origin, faults) = (Arc::new(origin), Arc::new(AtomicUsize::new(faults)));
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let (origin, faults) = (origin.clone(), faults.clone());
            let service = service_fn(move |request| {
                answer(request, origin.clone(), faults.clone(), sender_fault)
            });
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(TokioIo::new(connection), service));
        }
    });
    address
}

async fn answer(
    request: Request<Incoming>,
    origin: Arc<String>,
    faults: Arc<AtomicUsize>,
    sender_fault: bool,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (mut head, body) = request.into_parts();
    let mut body = body.collect().await?.to_bytes();
    let is_delete =
        head.headers.get("x-amz-target").is_some_and(|t| t == "AmazonSQS.DeleteMessageBatch");
    let mut failed = Vec::new();
    if is_delete
        && faults.try_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
    {
        let mut delete: Value = serde_json::from_slice(&body).unwrap();
        let entries = delete["Entries"].as_array_mut().unwrap();
        let mut position = 0;
        entries.retain(|entry| {
            position += 1;
            if position % 2 == 1 {
                failed.push(
                    json!({"Id": entry["Id"], "Code": "SomeError", "SenderFault": sender_fault}),
                );
            }
            position % 2 == 0
        });
        if entries.is_empty() {
            let answer = json!({"Successful": [], "Failed": failed}).to_string();
            return Ok(Response::new(Full::from(answer)));
        }
        body = delete.to_string().into();
        head.headers.remove("content-length");
    }
    head.uri = format!("{origin}{}", head.uri).parse().unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(Request::from_parts(head, Full::new(body))).await.unwrap();
    let (mut head, body) = answer.into_parts();
    let mut body = body.collect().await?.to_bytes();
    if !failed.is_empty() {
        let mut answer: Value = serde_json::from_slice(&body).unwrap();
        answer["Failed"] = failed.into();
        body = answer.to_string().into();
        head.headers.remove("content-length");
    }
    Ok(Response::from_parts(head, Full::new(body)))
}

/// Starts the step, and reads its log until a line that is wanted.
async fn run_until(endpoint: String, queue_url: String, wanted: &'static str) -> Vec<String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_step07_release_messages"))
        .args(["--visibility-timeout", "1000"])
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("SQS_QUEUE_URL", queue_url)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", ACCESS_KEY)
        .env("AWS_REGION", REGION)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let log = tokio::task::spawn_blocking(move || read_until(stdout, wanted));
    let log = tokio::time::timeout(Duration::from_mins(1), log).await;
    // Only then does the reading end, if it has not.
    child.kill().unwrap();
    child.wait().unwrap();
    log.expect("it prints that").unwrap()
}

fn read_until(stdout: ChildStdout, wanted: &str) -> Vec<String> {
    let mut log = Vec::new();
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        println!("{line}");
        let found = line.contains(wanted);
        log.push(line);
        if found {
            break;
        }
    }
    log
}

/// The messages that are in the queue, hidden ones too.
async fn messages(local: &LocalAws) -> usize {
    let queue = &local.aws().queue;
    let attributes = queue.client.get_queue_attributes().queue_url(&queue.url);
    let attributes = attributes
        .attribute_names(ApproximateNumberOfMessages)
        .attribute_names(ApproximateNumberOfMessagesNotVisible);
    let attributes = attributes.send().await.unwrap().attributes.unwrap();
    attributes.values().map(|count| count.parse::<usize>().unwrap()).sum()
}

#[tokio::test]
async fn what_a_batch_could_not_delete_is_tried_again() {
    let local = LocalAws::start(0, "queue").await.unwrap();
    local.fill(&[]).await.unwrap();
    let proxy = proxy(local.endpoint_url(), 2, false).await;
    let url = local.aws().queue.url.clone();
    let log = run_until(proxy, url, "Run 3. Looking for 8 events").await;
    assert!(log.iter().any(|line| line.starts_with("Deleting messages failed")), "{log:?}");
    assert!(!log.iter().any(|line| line.contains("not deleted")), "{log:?}");
    assert_eq!(messages(&local).await, 0);
}

#[tokio::test]
async fn what_stays_undeleted_is_reported() {
    let local = LocalAws::start(0, "queue").await.unwrap();
    local.fill(&["Cargo.toml".into()]).await.unwrap();
    let proxy = proxy(local.endpoint_url(), usize::MAX, true).await;
    let url = local.aws().queue.url.clone();
    run_until(proxy, url, "is done, but not deleted, and will come back: SomeError").await;
}
