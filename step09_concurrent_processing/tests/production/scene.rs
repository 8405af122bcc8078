//! A queue of files, a proxy in front of it, and the step.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use aws_sdk_sqs::types::Message;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use testing::fault_proxy::FaultProxy;
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};

use super::support::{Running, World, gzip};

pub struct Scene {
    pub world: World,
    pub proxy: FaultProxy,
    /// The expected results of the files that were put, by key.
    pub expected: BTreeMap<String, (u64, u64)>,
    /// How many files were replaced.
    pub replaced: usize,
}

impl Scene {
    pub async fn new() -> Self {
        let world = World::new().await;
        let proxy = FaultProxy::start(world.local.endpoint_url()).await.unwrap();
        let scene = Self { world, proxy, expected: BTreeMap::new(), replaced: 0 };
        // Deletes the s3:TestEvent that S3 sends when its notification is configured.
        for greeting in scene.receive().await {
            scene.delete(&greeting).await;
        }
        assert_eq!(scene.world.messages().await, (0, 0));
        scene
    }

    /// A scene with this many small files, all different.
    pub async fn with_files(count: usize) -> Self {
        let mut scene = Self::new().await;
        for number in 0..count {
            scene.put(&format!("{number:04}.gz"), &"line\n".repeat(number + 1)).await;
        }
        scene
    }

    /// Puts a file, zipped, and returns its zipped size.
    pub async fn put(&mut self, key: &str, content: &str) -> u64 {
        let zipped = gzip(content);
        let bytes = zipped.len() as u64;
        self.world.put(key, zipped).await;
        let count = (content.lines().count() as u64, content.len() as u64);
        let before = self.expected.insert(key.to_owned(), count);
        self.replaced += usize::from(before.is_some_and(|before| before != count));
        bytes
    }

    /// The step, configured for the SQS and S3 behind the proxy.
    pub fn step(&self, arguments: &[&str]) -> Command {
        let mut step = self.world.step(arguments);
        step.env("AWS_ENDPOINT_URL", self.proxy.endpoint_url());
        step
    }

    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.step(arguments))
    }

    /// Asserts that every file has its result, each of its contents one, and that no message is left.
    pub async fn assert_all_done(&self) {
        assert_eq!(self.world.results(), self.expected);
        let files = fs::read_dir(self.world.output.path()).unwrap();
        // The folder has the records of failures.
        let files = files.filter(|file| file.as_ref().unwrap().file_name() != "failed").count();
        let contents = self.expected.len() + self.replaced;
        assert_eq!(files, contents, "a result for each content of a file, and nothing else");
        assert_eq!(self.world.messages().await, (0, 0));
    }

    /// Receives at most 10 messages, which are hidden from then on.
    pub async fn receive(&self) -> Vec<Message> {
        let queue = &self.world.local.aws().queue;
        let receive = queue.client.receive_message().queue_url(&queue.url);
        let receive = receive.max_number_of_messages(10).wait_time_seconds(1);
        receive.visibility_timeout(1000).send().await.unwrap().messages.unwrap_or_default()
    }

    pub async fn delete(&self, message: &Message) {
        let queue = &self.world.local.aws().queue;
        let delete = queue.client.delete_message().queue_url(&queue.url);
        delete.receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
    }

    /// Makes a received message visible to other receivers.
    pub async fn give_back(&self, message: &Message) {
        let queue = &self.world.local.aws().queue;
        let change = queue.client.change_message_visibility().queue_url(&queue.url);
        let change = change.receipt_handle(message.receipt_handle().unwrap());
        change.visibility_timeout(0).send().await.unwrap();
    }

    /// The bodies of the requests that SQS received for this operation.
    pub fn told(&self, operation: &str) -> Vec<Value> {
        let told = self.proxy.told_sqs().into_iter().filter(|(name, _)| name == operation);
        told.map(|(_, json)| serde_json::from_slice(&json).unwrap()).collect()
    }

    /// Waits until this many requests for this operation have come.
    pub async fn until_requests(&self, operation: &str, count: usize) {
        let what = format!("{count} requests for {operation}");
        until(&what, async || self.proxy.count(operation) >= count).await;
    }

    /// All of the step's requests to SQS. The tests' own requests bypass the proxy.
    pub fn sqs_requests(&self) -> usize {
        self.proxy.told_sqs().len()
    }
}

/// Lines that hardly shrink by zipping.
pub fn noise(lines: usize) -> String {
    let mut random = StdRng::seed_from_u64(1);
    let mut noise = String::with_capacity(lines * 33);
    for _ in 0..lines {
        writeln!(noise, "{:032x}", random.random::<u128>()).unwrap();
    }
    noise
}

/// The record about the object, as S3 sends it.
pub fn record_in(message: &Message) -> Value {
    let mut body: Value = serde_json::from_str(message.body().unwrap()).unwrap();
    body["Records"][0].take()
}

/// The object's key.
pub fn key_in(message: &Message) -> String {
    record_in(message)["s3"]["object"]["key"].as_str().unwrap().to_owned()
}

/// Waits until the condition holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let held = async {
        while !holds().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(Duration::from_mins(1), held).await.is_ok(), "waited in vain: {what}");
}

/// Controls a process, while the runtime keeps serving its SQS and S3.
pub trait Ask {
    fn wait_for(&self, wanted: &str);
    fn wait_for_end(&mut self) -> ExitStatus;
    fn signal(&self, name: &str);
}

impl Ask for Running {
    fn wait_for(&self, wanted: &str) {
        block_in_place(|| self.until(wanted));
    }

    fn wait_for_end(&mut self) -> ExitStatus {
        block_in_place(|| self.end())
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").arg("-c").arg(kill).status().unwrap().success());
    }
}
