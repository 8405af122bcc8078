//! Records of failures, beside the results: why a file failed, until a later try succeeds.

use std::fs;
use std::path::Path;

use aws_sdk_sqs::types::Message;
use serde_json::{Value, json};
use shared::local_aws::BUCKET;
use testing::fault_proxy::Fault::Status;

use super::scene::{Ask, Scene};
use super::support::Running;

const RESULTS: &str = "results.development";
const IN_BUCKET: &str = "s3://results.development/done";
const OTHER: &str = "another-bucket";
/// With these settings each file fails.
const TOO_MUCH: [&str; 2] = ["--max-file-size", "3"];

/// Where results go.
#[derive(Clone, Copy, Debug, PartialEq)]
enum To {
    Folder,
    Bucket,
}

impl Scene {
    async fn with_a_bucket_for_results() -> Self {
        let scene = Self::new().await;
        scene.world.local.aws().s3.create_bucket().bucket(RESULTS).send().await.unwrap();
        scene
    }

    fn output(&self, to: To) -> &str {
        match to {
            To::Folder => self.world.output.path().to_str().unwrap(),
            To::Bucket => IN_BUCKET,
        }
    }

    /// Runs the step until it is idle, and returns its exit code and its log.
    fn run_to(&self, to: To, more: &[&str]) -> (Option<i32>, String) {
        let output = self.output(to);
        let arguments = ["--until-idle", "--wait", "1", "--retry-wait", "900", "--output", output];
        let mut running = self.start(&[&arguments, more].concat());
        let code = running.wait_for_end().code();
        (code, running.log())
    }

    /// The records, each with its name.
    async fn failed(&self, to: To) -> Vec<(String, Value)> {
        match to {
            To::Folder => in_folder(&self.world.output.path().join("failed")),
            To::Bucket => {
                let mut failed = self.objects("done/failed/").await;
                for (key, _) in &mut failed {
                    *key = key.split_off("done/failed/".len());
                }
                failed
            }
        }
    }

    async fn objects(&self, prefix: &str) -> Vec<(String, Value)> {
        let s3 = &self.world.local.aws().s3;
        let list = s3.list_objects_v2().bucket(RESULTS).prefix(prefix).send().await.unwrap();
        let mut objects = Vec::new();
        for key in list.contents().iter().map(|object| object.key().unwrap()) {
            let got = s3.get_object().bucket(RESULTS).key(key).send().await.unwrap();
            let json = got.body.collect().await.unwrap().into_bytes();
            objects.push((key.to_owned(), serde_json::from_slice(&json).unwrap()));
        }
        objects
    }

    /// The names of the results. Nothing else is there.
    async fn done(&self, to: To) -> Vec<String> {
        let mut done: Vec<String> = match to {
            To::Folder => fs::read_dir(self.world.output.path())
                .unwrap()
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect(),
            To::Bucket => self.objects("done/").await.into_iter().map(|(key, _)| key).collect(),
        };
        for name in &mut done {
            *name = name.replace("done/", "");
        }
        done.retain(|name| !name.starts_with("failed"));
        done
    }

    /// Puts a file. Its message is taken out of the queue, for [`again`](Self::again).
    async fn announced(&mut self, key: &str) -> Message {
        self.put(key, "line\n").await;
        let message = self.receive().await.remove(0);
        self.delete(&message).await;
        message
    }

    /// The message comes as a new one, as it does from the dead-letter queue.
    async fn again(&self, message: &Message) {
        self.world.send(message.body().unwrap()).await;
    }
}

fn in_folder(folder: &Path) -> Vec<(String, Value)> {
    let files = fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    let record = |file: fs::DirEntry| {
        let json = serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap();
        (file.file_name().into_string().unwrap(), json)
    };
    files.map(record).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_recorded_beside_the_results_until_a_later_try_succeeds() {
    for to in [To::Folder, To::Bucket] {
        let mut scene = Scene::with_a_bucket_for_results().await;
        let message = scene.announced("a/file.gz").await;
        let mut first = Value::Null;
        for attempts in 1..=2 {
            scene.again(&message).await;
            let (code, log) = scene.run_to(to, &TOO_MUCH);
            assert_eq!(code, Some(1), "{log}");
            let [(name, record)] = &scene.failed(to).await[..] else { panic!("{to:?}: one") };
            assert!(name.starts_with("file.gz-") && !name.contains('/'), "{name}");
            assert_eq!((&record["bucket"], &record["key"]), (&json!(BUCKET), &json!("a/file.gz")));
            assert_eq!(
                (&record["attempts"], &record["put_aside"]),
                (&json!(attempts), &json!(false))
            );
            assert!(record["reason"].as_str().unwrap().contains("--max-file-size"), "{record}");
            assert!(record["etag"].is_string() && record.get("version_id").is_none(), "{record}");
            if attempts == 1 {
                first = record.clone();
                assert_eq!(first["first_failed_at"], first["last_failed_at"]);
            } else {
                assert_eq!(record["first_failed_at"], first["first_failed_at"]);
                assert_ne!(record["last_failed_at"], first["last_failed_at"]);
            }
            assert!(scene.done(to).await.is_empty(), "a record is no result");
        }
        scene.again(&message).await;
        let (code, log) = scene.run_to(to, &[]);
        assert_eq!(code, Some(0), "{log}");
        assert_eq!((scene.failed(to).await, scene.done(to).await.len()), (vec![], 1), "{to:?}");
        assert!(!scene.world.output.path().join("failed").exists());
    }
}

/// The message comes out of the dead-letter queue as a new one, received for the first time. Another program, which has
/// begun later, gets it.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_put_aside_has_a_record_until_its_message_is_sent_again_and_done() {
    for to in [To::Folder, To::Bucket] {
        let scene = Scene::with_a_bucket_for_results().await;
        let dead_letters = super::poison::dead_letters(&scene).await;
        let aws = scene.world.local.aws();
        aws.s3.create_bucket().bucket(OTHER).send().await.unwrap();
        let put = aws.s3.put_object().bucket(OTHER).key("file").body(b"line\n".to_vec().into());
        put.send().await.unwrap();
        let s3 = json!({ "bucket": { "name": OTHER }, "object": { "key": "file", "eTag": "e" } });
        let record = json!({ "eventName": "ObjectCreated:Put", "s3": s3 });
        scene.world.send(json!({ "Records": [record] })).await;

        let (_, log) = scene.run_to(to, &[]);
        assert!(log.contains("is put aside"), "{log}");
        let [(_, record)] = &scene.failed(to).await[..] else { panic!("one record") };
        assert_eq!((&record["bucket"], &record["put_aside"]), (&json!(OTHER), &json!(true)));
        assert!(record["reason"].as_str().unwrap().contains("--allow-bucket"), "{record}");
        assert_eq!(scene.world.messages().await, (0, 0));

        let receive = aws.queue.client.receive_message().queue_url(dead_letters);
        let received = receive.wait_time_seconds(1).send().await.unwrap();
        scene.again(&received.messages()[0]).await;
        let (code, log) = scene.run_to(to, &["--allow-bucket", OTHER]);
        assert_eq!(code, Some(0), "{log}");
        assert_eq!((scene.failed(to).await, scene.done(to).await.len()), (vec![], 1), "{to:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_removed_only_when_the_result_is_written() {
    let mut scene = Scene::with_a_bucket_for_results().await;
    let message = scene.announced("file.gz").await;
    scene.again(&message).await;
    scene.run_to(To::Bucket, &TOO_MUCH);
    assert_eq!(scene.failed(To::Bucket).await.len(), 1);
    scene.again(&message).await;
    scene.proxy.fault("PutObject", Status(503, "SlowDown"));
    let mut running = scene.start(&["--until-idle", "--wait", "1", "--output", IN_BUCKET]);
    running.wait_for("Writing to s3://results.development/done/ failed, and is tried again");
    assert_eq!((scene.proxy.count("DeleteObject"), scene.failed(To::Bucket).await.len()), (0, 1));
    scene.proxy.clear();
    assert_eq!(running.wait_for_end().code(), Some(0));
    assert_eq!((scene.failed(To::Bucket).await, scene.done(To::Bucket).await.len()), (vec![], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_written_or_removed_makes_no_file_fail() {
    let mut scene = Scene::with_a_bucket_for_results().await;
    // The name of the folder is taken.
    fs::write(scene.world.output.path().join("failed"), "").unwrap();
    let message = scene.announced("file.gz").await;
    scene.again(&message).await;
    let (code, log) = scene.run_to(To::Folder, &TOO_MUCH);
    assert_eq!(code, Some(1));
    assert!(log.contains("The records of failed files are not up to date"), "{log}");
    scene.again(&message).await;
    assert_eq!(scene.run_to(To::Folder, &[]).0, Some(0));
    assert_eq!(scene.done(To::Folder).await.len(), 1);

    scene.again(&message).await;
    scene.run_to(To::Bucket, &TOO_MUCH);
    scene.again(&message).await;
    scene.proxy.fault("DeleteObject", Status(403, "AccessDenied"));
    let (code, log) = scene.run_to(To::Bucket, &[]);
    assert_eq!(code, Some(0));
    assert!(log.contains("The records of failed files are not up to date: AccessDenied"), "{log}");
    assert_eq!((scene.failed(To::Bucket).await.len(), scene.done(To::Bucket).await.len()), (1, 1));
    assert_eq!(scene.world.messages().await, (0, 2), "those that failed");
}

/// A topic or a rule can tell of records without the bucket saying so.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_queue_is_told_of_is_no_file_to_process() {
    let mut scene = Scene::with_a_bucket_for_results().await;
    scene.put("file.gz", "line\n").await;
    scene.run_to(To::Bucket, &TOO_MUCH);
    let failed = scene.failed(To::Bucket).await;
    let key = format!("done/failed/{}", failed[0].0);
    let s3 = json!({ "bucket": { "name": RESULTS }, "object": { "key": key } });
    scene.world.send(json!({ "Records": [{ "eventName": "ObjectCreated:Put", "s3": s3 }] })).await;
    let mut step = scene.step(&["--until-idle", "--wait", "1", "--output", IN_BUCKET]);
    let mut running = Running::start(step.args(TOO_MUCH).env("PALLETO_ALLOW_BUCKETS", "*"));
    running.wait_for_end();
    assert!(running.log().contains(&format!("{RESULTS}/{key} is processed already")));
    assert_eq!(scene.failed(To::Bucket).await.len(), 1);
    assert!(scene.done(To::Bucket).await.is_empty());
}
