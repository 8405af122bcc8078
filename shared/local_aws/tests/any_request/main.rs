//! Properties of every request: it is answered, and the embedded SQS and S3 go on serving.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod s3;
mod sqs;

use std::cell::Cell;
use std::panic;
use std::sync::Once;
use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesError as Error;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use local_aws::{Aws, BUCKET, LocalAws};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use testing::property::holds_for_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;

#[derive(Clone, Debug)]
enum Request {
    Sqs { operation: String, body: Body },
    S3 { method: &'static str, path: String, headers: Vec<(String, String)>, body: Body },
}

/// A request's body. Shown as text, because nearly all of them are.
#[derive(Clone)]
struct Body(Vec<u8>);

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// One of these words.
fn words(text: &'static str) -> impl Strategy<Value = String> + use<> {
    let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
    select(words)
}

/// A path without the SDK's own parameters: `x-id=ListBuckets` would be among them.
fn change(
    request: &mut HttpRequest,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: Vec<u8>,
) {
    let start = request.uri().find("://").map_or(0, |at| at + 3);
    let authority = request.uri()[start..].split(['/', '?']).next().unwrap_or_default();
    let uri = format!("http://{authority}{path}");
    let _ = request.set_uri(uri); // The old one will do if this is no URI.
    let _ = request.set_method(method);
    request.headers_mut().remove("content-length"); // The old body's.
    for (name, value) in headers {
        let _ = request.headers_mut().try_insert(name.clone(), value.clone());
    }
    *request.body_mut() = SdkBody::from(body);
}

/// Whether a request was answered, or could not even be made.
fn is_answered<T, E: std::fmt::Debug>(result: &Result<T, SdkError<E>>) -> bool {
    !matches!(result, Err(SdkError::DispatchFailure(_) | SdkError::TimeoutError(_)))
}

async fn send(aws: &Aws, receipt: &str, request: Request) {
    let described = format!("{request:?}");
    let is_answered = match request {
        Request::Sqs { operation, body } => {
            let list = aws.queue.client.list_queues().customize();
            let body = match String::from_utf8(body.0) {
                Ok(body) => body
                    .replace(sqs::RECEIPT, receipt)
                    .replace(sqs::QUEUE_URL, &aws.queue.url)
                    .into_bytes(),
                Err(error) => error.into_bytes(),
            };
            let list = list.mutate_request(move |request| {
                let target = [("x-amz-target".to_owned(), format!("AmazonSQS.{operation}"))];
                change(request, "POST", "/", &target, body.clone());
            });
            let config = aws_sdk_sqs::Config::builder().retry_config(RetryConfig::disabled());
            is_answered(&list.config_override(config).send().await)
        }
        Request::S3 { method, path, headers, body } => {
            let list = aws.s3.list_buckets().customize().mutate_request(move |request| {
                change(request, method, &path, &headers, body.0.clone());
            });
            let config = aws_sdk_s3::Config::builder().retry_config(RetryConfig::disabled());
            is_answered(&list.config_override(config).send().await)
        }
    };
    assert!(is_answered, "no answer to {described}");
}

/// The receipt of a message of the queue, so that there is one in flight.
async fn receive(aws: &Aws) -> String {
    aws.queue
        .client
        .send_message()
        .queue_url(&aws.queue.url)
        .message_body("text")
        .send()
        .await
        .unwrap();
    let receive =
        aws.queue.client.receive_message().queue_url(&aws.queue.url).max_number_of_messages(10);
    receive.send().await.unwrap().messages().first().unwrap().receipt_handle().unwrap().to_owned()
}

/// Checks that both still work, with a queue and a bucket that no request was about.
async fn is_alive(Aws { queue, s3 }: &Aws) {
    let url =
        queue.client.create_queue().queue_name("alive").send().await.unwrap().queue_url.unwrap();
    queue.client.send_message().queue_url(&url).message_body("alive").send().await.unwrap();
    let received = queue.client.receive_message().queue_url(&url).send().await.unwrap();
    assert_eq!(received.messages()[0].body(), Some("alive"));
    s3.create_bucket().bucket("alive").send().await.unwrap();
    s3.put_object().bucket("alive").key("k").body(b"alive".to_vec().into()).send().await.unwrap();
    let got = s3.get_object().bucket("alive").key("k").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"alive");
    // The other queue may have been deleted, but if it exists, it answers.
    let attributes = queue.client.get_queue_attributes().queue_url(&queue.url).send().await;
    let is_gone = |error: SdkError<Error>| error.into_service_error().is_queue_does_not_exist();
    assert!(attributes.map_or_else(is_gone, |_| true), "the queue does not answer");
}

thread_local! {
    /// The server's tasks run on the thread of the test, and tokio swallows their panics.
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            usual(info);
        }));
    });
    PANICS.set(0);
}

fn all_are_answered(requests: Vec<Request>) {
    count_panics();
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let local = LocalAws::start_in_memory("queue").await.unwrap();
        let aws = local.aws();
        let receipt = receive(aws).await;
        for request in requests {
            let described = format!("{request:?}");
            let sent = timeout(Duration::from_mins(1), send(aws, &receipt, request)).await;
            assert!(sent.is_ok(), "no answer in time to {described}");
        }
        is_alive(aws).await;
    });
    assert_eq!(PANICS.get(), 0, "panics of the server");
}

mod properties {
    use super::*;

    #[test]
    fn sqs_answers_every_request_and_goes_on_serving() {
        holds_for_all(60, &vec(sqs::request(), 1..12), all_are_answered);
    }

    #[test]
    fn s3_answers_every_request_and_goes_on_serving() {
        holds_for_all(60, &vec(s3::request(), 1..12), all_are_answered);
    }
}

#[test]
fn times_that_sqs_refuses_do_no_harm() {
    let entry = json!({"Id": "1", "ReceiptHandle": sqs::RECEIPT, "VisibilityTimeout": -1});
    let batch = json!({"QueueUrl": sqs::QUEUE_URL, "Entries": [entry]});
    // The fields of a receive request in rustack's order.
    let listed = json!([sqs::QUEUE_URL, 1, -1, 0, [], [], [], null]);
    let request = |operation: &str, body: &Value| Request::Sqs {
        operation: operation.to_owned(),
        body: Body(body.to_string().into()),
    };
    all_are_answered(vec![request("ChangeMessageVisibilityBatch", &batch)]);
    let message = json!({"QueueUrl": sqs::QUEUE_URL, "MessageBody": "text"});
    all_are_answered(vec![request("SendMessage", &message), request("ReceiveMessage", &listed)]);
}

/// The length that a request announces is not yet in memory.
#[tokio::test]
async fn a_request_that_announces_more_than_any_memory_holds_does_no_harm() {
    let local = LocalAws::start(0, "queue").await.unwrap();
    let expiry = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    for length in [1_u64 << 50, i64::MAX.unsigned_abs()] {
        let put = local.aws().s3.put_object().bucket(BUCKET).key("k").presigned(expiry.clone());
        let put = put.await.unwrap();
        let (host, path) = put.uri().trim_start_matches("http://").split_once('/').unwrap();
        let head = format!(
            "PUT /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\nbegin"
        );
        let mut connection = TcpStream::connect(host).await.unwrap();
        connection.write_all(head.as_bytes()).await.unwrap();
        connection.shutdown().await.unwrap();
        // Its answer, if any.
        connection.read_to_end(&mut Vec::new()).await.unwrap();
        is_alive(local.aws()).await;
    }
}
