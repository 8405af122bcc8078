//! An SQS and S3 for one test, with a dead-letter queue, and an example as a process that uses them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use aws_sdk_s3::Client;
use aws_sdk_sqs::types::Message;
use aws_sdk_sqs::types::QueueAttributeName::{QueueArn, RedrivePolicy};
use flate2::Compression;
use flate2::write::GzEncoder;
use local_aws::{ACCESS_KEY, BUCKET, LocalAws, REGION};
use serde_json::{Value, json};
use tempfile::TempDir;

pub struct World {
    local: LocalAws,
    dead_letters: String,
    /// For results and the other files of an example.
    pub folder: TempDir,
}

impl World {
    pub async fn new() -> Self {
        let local = LocalAws::start(0, "queue").await.unwrap();
        let sqs = &local.aws().queue.client;
        let created = sqs.create_queue().queue_name("dead-letters").send().await.unwrap();
        let dead_letters = created.queue_url.unwrap();
        let arn = sqs.get_queue_attributes().queue_url(&dead_letters).attribute_names(QueueArn);
        let arn = arn.send().await.unwrap().attributes.unwrap().remove(&QueueArn);
        let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 3 }).to_string();
        let set = sqs.set_queue_attributes().queue_url(&local.aws().queue.url);
        set.attributes(RedrivePolicy, policy).send().await.unwrap();
        Self { local, dead_letters, folder: TempDir::new().unwrap() }
    }

    pub fn s3(&self) -> &Client {
        &self.local.aws().s3
    }

    /// Puts a file into S3, which notifies SQS. Putting the same content again adds another message about it,
    /// as when SQS delivers a message twice.
    pub async fn put(&self, key: &str, content: impl Into<Vec<u8>>) {
        let put = self.s3().put_object().bucket(BUCKET).key(key);
        put.body(content.into().into()).send().await.unwrap();
    }

    pub async fn get(&self, key: &str) -> Vec<u8> {
        let get = self.s3().get_object().bucket(BUCKET).key(key).send().await.unwrap();
        get.body.collect().await.unwrap().to_vec()
    }

    pub async fn keys(&self) -> Vec<String> {
        let list = self.s3().list_objects_v2().bucket(BUCKET).send().await.unwrap();
        list.contents.unwrap_or_default().into_iter().filter_map(|object| object.key).collect()
    }

    /// An example that writes its results to a folder of this name, and ends when all files are done.
    pub fn example(&self, program: &str, output: &str) -> Command {
        let mut example = Command::new(program);
        for name in ["SQS_QUEUE_NAME", "RUST_LOG", "LOG_FORMAT", "PALLETO_CLOCK"] {
            example.env_remove(name);
        }
        example
            .arg("--until-idle")
            .arg("--output")
            .arg(self.path(output))
            .env("AWS_ENDPOINT_URL", self.local.endpoint_url())
            .env("SQS_QUEUE_URL", &self.local.aws().queue.url)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", ACCESS_KEY)
            .env("AWS_REGION", REGION)
            .env("DATABASE", self.path("readings.sqlite"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        example
    }

    /// Runs an example until nothing is left to do. Returns whether no file failed, and the log.
    pub async fn run(&self, program: &str, output: &str) -> (bool, String) {
        ended(self.example(program, output)).await
    }

    /// The results in a folder of this name, by key, without the fields that step 9 adds.
    pub fn results(&self, output: &str) -> BTreeMap<String, Value> {
        let files = fs::read_dir(self.path(output)).unwrap().map(Result::unwrap);
        // The folder has the records of failures.
        let files = files.filter(|file| file.file_name() != "failed");
        let results = files.map(|file| {
            let mut result: Value =
                serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap();
            let fields = result.as_object_mut().unwrap();
            for name in ["bucket", "etag", "processed_at"] {
                assert!(fields.remove(name).unwrap().is_string(), "{name}");
            }
            let key = fields.remove("key").unwrap().as_str().unwrap().to_owned();
            (key, result)
        });
        results.collect()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name)
    }

    /// The only message in the dead-letter queue: its body, and its attributes `reason`, `bucket` and `key`.
    pub async fn dead_letter(&self) -> (Value, [String; 3]) {
        let messages = self.receive(&self.dead_letters).await;
        let [message] = messages.as_slice() else { panic!("{} messages", messages.len()) };
        let attributes = message.message_attributes().unwrap();
        let attribute = |name| attributes[name].string_value().unwrap().to_owned();
        let body = serde_json::from_str(message.body().unwrap()).unwrap();
        (body, ["reason", "bucket", "key"].map(attribute))
    }

    /// Asserts that no message can be received, now or later.
    pub async fn assert_queue_is_empty(&self) {
        let queue = &self.local.aws().queue.url;
        assert_eq!(self.receive(queue).await.len(), 0);
        let sqs = &self.local.aws().queue.client;
        let hidden = aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let found = sqs.get_queue_attributes().queue_url(queue).attribute_names(hidden.clone());
        assert_eq!(found.send().await.unwrap().attributes.unwrap()[&hidden], "0");
    }

    async fn receive(&self, queue_url: &str) -> Vec<Message> {
        let receive = self.local.aws().queue.client.receive_message().queue_url(queue_url);
        let receive = receive.max_number_of_messages(10).message_attribute_names("All");
        receive.send().await.unwrap().messages.unwrap_or_default()
    }
}

/// Waits for an example to end, while this task keeps serving its SQS and S3.
pub async fn ended(mut example: Command) -> (bool, String) {
    let output = tokio::task::spawn_blocking(move || example.output()).await.unwrap().unwrap();
    let Output { status, stdout, stderr } = output;
    let log = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    println!("{log}");
    (status.success(), log)
}

pub fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content.as_ref()).unwrap();
    encoder.finish().unwrap()
}
