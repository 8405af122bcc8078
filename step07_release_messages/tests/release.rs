//! SQS can delete some messages of a batch and fail to delete others. The step retries those.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName::{
    ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible,
};
use shared::local_aws::{ACCESS_KEY, LocalAws, REGION};
use testing::fault_proxy::{Fault, FaultProxy};

/// Starts the step, and reads its log until a line contains `wanted`.
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
    // The reader ends now at the latest, because this closes its input.
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

/// The number of messages in the queue, including hidden ones.
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
    let proxy = FaultProxy::start(local.endpoint_url()).await.unwrap();
    proxy.fault_times("DeleteMessageBatch", 2, Fault::HalfFails { sender_fault: false });
    let url = local.aws().queue.url.clone();
    let log = run_until(proxy.endpoint_url(), url, "Run 3. Looking for 8 events").await;
    assert!(log.iter().any(|line| line.starts_with("Deleting messages failed")), "{log:?}");
    assert!(!log.iter().any(|line| line.contains("not deleted")), "{log:?}");
    assert_eq!(messages(&local).await, 0);
}

#[tokio::test]
async fn what_stays_undeleted_is_reported() {
    let local = LocalAws::start(0, "queue").await.unwrap();
    local.fill(&["Cargo.toml".into()]).await.unwrap();
    let proxy = FaultProxy::start(local.endpoint_url()).await.unwrap();
    proxy.fault("DeleteMessageBatch", Fault::HalfFails { sender_fault: true });
    let url = local.aws().queue.url.clone();
    run_until(proxy.endpoint_url(), url, "is done, but not deleted, and will come back: SomeError")
        .await;
}
