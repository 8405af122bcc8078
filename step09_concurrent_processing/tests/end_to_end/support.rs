//! An SQS and S3 for one test, and the step as a process that uses them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::iter;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::QueueAttributeName::{
    ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use shared::local_aws::{ACCESS_KEY, BUCKET, LocalAws, REGION};
use tempfile::TempDir;

/// An SQS and S3, and a folder for results.
pub struct World {
    pub local: LocalAws,
    pub output: TempDir,
}

impl World {
    pub async fn new() -> Self {
        let local = LocalAws::start(0, "queue").await.unwrap();
        Self { local, output: TempDir::new().unwrap() }
    }

    /// Puts a file into S3, which notifies SQS.
    pub async fn put(&self, key: &str, content: impl Into<Vec<u8>>) {
        let put = self.local.aws().s3.put_object().bucket(BUCKET).key(key);
        put.body(content.into().into()).send().await.unwrap();
    }

    /// Sends a message of the test's own.
    pub async fn send(&self, body: impl ToString) {
        let queue = &self.local.aws().queue;
        let send = queue.client.send_message().queue_url(&queue.url);
        send.message_body(body.to_string()).send().await.unwrap();
    }

    /// The step, configured for this SQS and S3.
    pub fn step(&self, arguments: &[&str]) -> Command {
        let mut step = step(arguments);
        if !arguments.contains(&"--output") {
            step.arg("--output").arg(self.output.path());
        }
        step.env("AWS_ENDPOINT_URL", self.local.endpoint_url())
            .env("SQS_QUEUE_URL", &self.local.aws().queue.url)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", ACCESS_KEY)
            .env("AWS_REGION", REGION);
        step
    }

    /// Runs the step until nothing is left to do.
    pub async fn run_until_idle(&self, arguments: &[&str]) -> Output {
        let mut step = self.step(&[&["--until-idle"], arguments].concat());
        // This thread serves the SQS and S3 that the step uses.
        let output = tokio::task::spawn_blocking(move || step.output()).await.unwrap().unwrap();
        println!("{}{}", text(&output.stdout), text(&output.stderr));
        output
    }

    /// The line counts and sizes in the results, by key.
    pub fn results(&self) -> BTreeMap<String, (u64, u64)> {
        results(self.output.path())
    }

    /// How many messages are visible, and how many are hidden.
    pub async fn messages(&self) -> (usize, usize) {
        let queue = &self.local.aws().queue;
        let attributes = queue.client.get_queue_attributes().queue_url(&queue.url);
        let attributes = attributes
            .attribute_names(ApproximateNumberOfMessages)
            .attribute_names(ApproximateNumberOfMessagesNotVisible);
        let found = attributes.send().await.unwrap().attributes.unwrap();
        let number = |name| found[&name].parse().unwrap();
        (number(ApproximateNumberOfMessages), number(ApproximateNumberOfMessagesNotVisible))
    }

    /// Waits until this many messages are visible, and this many are hidden.
    pub async fn until_messages(&self, visible: usize, hidden: usize) {
        let found = async {
            loop {
                let found = self.messages().await;
                if found == (visible, hidden) {
                    return;
                }
                println!("{found:?}, to be {:?}", (visible, hidden));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), found).await.expect("the queue gets there");
    }
}

/// The step, with no SQS and S3 configured.
pub fn step(arguments: &[&str]) -> Command {
    let mut step = Command::new(env!("CARGO_BIN_EXE_step09_concurrent_processing"));
    for name in [
        "SQS_QUEUE_URL",
        "SQS_QUEUE_NAME",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_CA_BUNDLE",
        "RUST_LOG",
        "LOG_FORMAT",
    ] {
        step.env_remove(name);
    }
    step.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    step
}

/// If an object was replaced, the later result.
pub fn results(folder: &Path) -> BTreeMap<String, (u64, u64)> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    // A program that runs, or was killed, also has unfinished files there. The folder has the records of failures.
    let is_result = |file: &std::fs::DirEntry| {
        let name = file.file_name();
        name != "failed" && !name.to_string_lossy().starts_with(".unfinished-")
    };
    let files = files.filter(is_result);
    let result = |file: std::fs::DirEntry| {
        serde_json::from_slice::<Value>(&std::fs::read(file.path()).unwrap()).unwrap()
    };
    let mut results: Vec<_> = files.map(result).collect();
    results.sort_by_key(|result| result["processed_at"].to_string());
    let counts = results.iter().map(|result| {
        let number = |name: &str| result[name].as_u64().unwrap();
        let key = result["key"].as_str().unwrap().to_owned();
        (key, (number("line_count"), number("byte_size")))
    });
    counts.collect()
}

/// Lines of this length, all different, because equal lines would shrink more than any real ones.
pub fn numbered_lines(count: usize, length: usize) -> Vec<u8> {
    let mut lines = Vec::with_capacity(count * length);
    for number in 0..count {
        writeln!(lines, "{number:0>width$}", width = length - 1).unwrap();
    }
    lines
}

pub fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content.as_ref()).unwrap();
    encoder.finish().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A process that ends with its test at the latest, and the lines that it prints.
pub struct Running {
    pub child: Child,
    lines: Receiver<String>,
    reader: Option<JoinHandle<String>>,
}

impl Running {
    pub fn start(step: &mut Command) -> Self {
        let mut child = step.stderr(Stdio::inherit()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        // Reads on even if the test needs no more lines, because otherwise the process would block.
        let reader = thread::spawn(move || {
            let mut log = String::new();
            for line in stdout.lines().map_while(Result::ok) {
                println!("{line}");
                log += &line;
                log.push('\n');
                let _ = sender.send(line);
            }
            log
        });
        Self { child, lines, reader: Some(reader) }
    }

    /// Waits until the process prints a line that contains `wanted`, and returns the line.
    pub fn until(&self, wanted: &str) -> String {
        let minute = Instant::now() + Duration::from_mins(1);
        let left = || minute.saturating_duration_since(Instant::now());
        let mut lines = iter::from_fn(|| self.lines.recv_timeout(left()).ok());
        lines
            .find(|line| line.contains(wanted))
            .unwrap_or_else(|| panic!("it prints no {wanted:?}"))
    }

    /// How many of the lines that nothing has waited for contain `wanted`.
    pub fn count(&self, wanted: &str) -> usize {
        self.lines.try_iter().filter(|line| line.contains(wanted)).count()
    }

    /// Waits for the process to end.
    pub fn end(&mut self) -> ExitStatus {
        let minute = Instant::now() + Duration::from_mins(1);
        while Instant::now() < minute {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end");
    }

    /// Everything that the process printed, after it has ended.
    pub fn log(&mut self) -> String {
        self.reader.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
