//! The producer that polls SQS, against an embedded SQS behind a proxy that counts the polls.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod example;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName::{
    ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible,
};
use shared::local_aws::{ACCESS_KEY, LocalAws, REGION};
use testing::fault_proxy::{Fault, FaultProxy};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const RECEIVE: &str = "ReceiveMessage";
/// Longer than any wait takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A proxy in front of SQS, which counts the receives.
async fn proxy(local: &LocalAws) -> FaultProxy {
    FaultProxy::start(local.endpoint_url()).await.unwrap()
}

/// The example as a process.
struct Running {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    log: Vec<String>,
}

impl Running {
    /// Starts the example on the queue of this SQS, through the proxy.
    fn start(local: &LocalAws, proxy: &FaultProxy, arguments: &[&str]) -> Self {
        let mut command = example::command("sqs_producer");
        let command = command.args(arguments).args(["--visibility-timeout", "1000"]);
        let mut child = command
            .env("AWS_ENDPOINT_URL", proxy.endpoint_url())
            .env("SQS_QUEUE_URL", &local.aws().queue.url)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", ACCESS_KEY)
            .env("AWS_REGION", REGION)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                println!("{line}");
                let _ = sender.send(line);
            }
        });
        Self { child, lines, log: Vec::new() }
    }

    /// Reads the log until a line contains `wanted`.
    async fn until(&mut self, wanted: &str) {
        let until = async {
            while let Some(line) = self.lines.recv().await {
                let is_found = line.contains(wanted);
                self.log.push(line);
                if is_found {
                    return;
                }
            }
            panic!("it ended, and did not print {wanted:?}");
        };
        timeout(PATIENCE, until).await.expect(wanted);
    }

    /// Tells the example to stop.
    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    /// Waits for the example to end, and returns the whole log.
    async fn ended(mut self) -> Vec<String> {
        let rest = async {
            while let Some(line) = self.lines.recv().await {
                self.log.push(line);
            }
        };
        timeout(PATIENCE, rest).await.expect("it ends");
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        std::mem::take(&mut self.log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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

/// The messages that the consumers received: their ids, and the objects that they name.
fn received(log: &[String]) -> Vec<(&str, &str)> {
    let received = log.iter().filter(|line| line.starts_with("SQSConsumer"));
    let received = received.map(|line| line.split_once(" received ").unwrap().1);
    received.map(|message| message.split_once(": ").unwrap()).collect()
}

/// Checks that each message about a file of [`LocalAws::fill`] was received once.
fn assert_received_once(log: &[String]) {
    let received = received(log);
    // The twelve files, and the test event that comes before them.
    assert_eq!(received.len(), 13, "{received:#?}");
    let ids: BTreeSet<_> = received.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), 13, "{received:#?}");
    let objects: BTreeSet<_> = received.iter().map(|(_, objects)| (*objects).to_owned()).collect();
    let files =
        (20..=31).map(|day| format!("[\"warehouse.development/packrat/data/201607{day}.gz\"]"));
    assert_eq!(objects, files.chain(["[]".to_owned()]).collect());
}

/// The waits that were logged, in seconds.
fn waits(log: &[String]) -> Vec<&str> {
    let waits = log.iter().filter_map(|line| line.strip_prefix("SQSProducer polls again in "));
    waits.map(|wait| wait.strip_suffix(" seconds").unwrap()).collect()
}

/// The number of polls that were logged.
fn polls(log: &[String]) -> usize {
    log.iter().filter(|line| line.starts_with("SQSProducer polls for ")).count()
}

#[tokio::test]
async fn however_many_consumers_ask_one_receive_is_in_the_air() {
    let local = LocalAws::start(0, "queue").await.unwrap();
    local.fill(&[]).await.unwrap();
    let proxy = proxy(&local).await;
    let mut running = Running::start(&local, &proxy, &["--consumers", "5", "--wait", "1"]);
    running.until("polls again in 0.4 seconds").await;
    running.interrupt();
    let log = running.ended().await;
    assert_received_once(&log);
    assert_eq!(messages(&local).await, 0);
    assert_eq!(proxy.most_at_once(RECEIVE), 1);
    assert_eq!(proxy.count(RECEIVE), polls(&log));
}

#[test]
fn what_is_shown_is_what_happens() {
    let readme = include_str!("../examples/sqs_producer/README.md");
    testing::transcript::check(example::program("sqs_producer").to_str().unwrap(), readme);
}

#[tokio::test]
async fn the_wait_grows_while_the_queue_is_empty() {
    let local = LocalAws::start(0, "queue").await.unwrap();
    let proxy = proxy(&local).await;
    let mut running = Running::start(&local, &proxy, &["--wait", "0"]);
    running.until("polls again in 1.6 seconds").await;
    assert_eq!(waits(&running.log), ["0.2", "0.4", "0.8", "1.6"]);

    // After a message, the waits begin again at 0.2 seconds.
    local.fill(&["Cargo.toml".into()]).await.unwrap();
    running.until("packrat/data/Cargo.toml").await;
    let before = waits(&running.log).len();
    running.until("polls again in 0.4 seconds").await;
    assert_eq!(waits(&running.log)[before..], ["0.2", "0.4"]);

    running.interrupt();
    let log = running.ended().await;
    assert_eq!(proxy.count(RECEIVE), polls(&log));
    assert_eq!(messages(&local).await, 0);
}

#[tokio::test]
async fn the_wait_grows_while_sqs_does_not_work() {
    let local = LocalAws::start(0, "queue").await.unwrap();
    local.fill(&[]).await.unwrap();
    let proxy = proxy(&local).await;
    // The SDK does not retry a denied request.
    proxy.fault_times(RECEIVE, 3, Fault::Status(403, "AccessDenied"));
    let mut running = Running::start(&local, &proxy, &["--wait", "1"]);
    running.until("SQSProducer received 10 messages").await;
    assert_eq!(waits(&running.log), ["0.2", "0.4", "0.8"]);
    let failed = "Receiving from SQS failed: AccessDenied: A fault";
    assert_eq!(running.log.iter().filter(|line| *line == failed).count(), 3);

    running.until("polls again in 0.2 seconds").await;
    running.interrupt();
    let log = running.ended().await;
    assert_received_once(&log);
    assert_eq!(proxy.count(RECEIVE), polls(&log));
    assert_eq!(messages(&local).await, 0);
    assert_eq!(proxy.most_at_once(RECEIVE), 1);
}

#[tokio::test]
async fn what_is_in_the_air_at_the_end_is_received_and_nothing_else() {
    let local = LocalAws::start(0, "queue").await.unwrap();
    let proxy = proxy(&local).await;
    let mut running = Running::start(&local, &proxy, &["--wait", "20"]);
    // The first receive brings the test event, and the second one waits for more messages.
    while proxy.count(RECEIVE) < 2 {
        sleep(Duration::from_millis(20)).await;
    }
    running.interrupt();
    running.until("Finishing what has begun").await;
    local.fill(&["Cargo.toml".into()]).await.unwrap();

    let log = running.ended().await;
    let objects: Vec<_> = received(&log).into_iter().map(|(_, objects)| objects).collect();
    assert_eq!(objects, ["[]", "[\"warehouse.development/packrat/data/Cargo.toml\"]"]);
    assert_eq!(messages(&local).await, 0);
    assert_eq!(proxy.count(RECEIVE), 2);
}
