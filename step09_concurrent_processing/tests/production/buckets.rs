//! A sender to the queue can name any bucket. Only those that are allowed are read.

use aws_sdk_sqs::types::QueueAttributeName::{Policy, QueueArn, RedrivePolicy};
use serde_json::{Value, json};
use shared::local_aws::BUCKET;

use super::scene::{Ask, Scene};
use super::support::{Running, gzip};

/// A bucket that sends no notifications.
const OTHER: &str = "other.bucket";

impl Scene {
    /// Puts a file into the other bucket, and sends a message that is like that of S3.
    async fn tell_of_other(&self, key: &str) {
        let s3 = &self.world.local.aws().s3;
        let _ = s3.create_bucket().bucket(OTHER).send().await;
        let put = s3.put_object().bucket(OTHER).key(key).body(gzip("secret\n").into());
        put.send().await.unwrap();
        let s3 = json!({ "bucket": { "name": OTHER }, "object": { "key": key } });
        let record = json!({ "eventName": "ObjectCreated:Put", "s3": s3 });
        self.world.send(json!({ "Records": [record] })).await;
    }

    /// Lets only these send to the queue, as `aws:SourceArn` has them. Without any, there is no policy.
    async fn let_send(&self, arns: &[&str]) {
        let statement = json!({
            "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*",
            "Condition": { "ArnLike": { "aws:SourceArn": arns } },
        });
        let policy = json!({ "Statement": [statement] }).to_string();
        self.set(Policy, if arns.is_empty() { String::new() } else { policy }).await;
    }

    async fn set(&self, name: aws_sdk_sqs::types::QueueAttributeName, value: String) {
        let queue = &self.world.local.aws().queue;
        let set = queue.client.set_queue_attributes().queue_url(&queue.url);
        set.attributes(name, value).send().await.unwrap();
    }

    /// Runs the step until it is idle, with this allowlist in the environment, and returns its log.
    fn run_allowing(&self, buckets: &str) -> String {
        let arguments = ["--until-idle", "--wait", "1", "--retry-wait", "900"];
        let mut step = self.step(&arguments);
        let mut running = Running::start(step.env("PALLETO_ALLOW_BUCKETS", buckets));
        running.wait_for_end();
        running.log()
    }
}

/// This is the default, because the queue's policy names the bucket.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_the_queues_policy_does_not_name_is_never_read() {
    let mut scene = Scene::new().await;
    let sqs = &scene.world.local.aws().queue.client;
    let created = sqs.create_queue().queue_name("dead-letters").send().await.unwrap();
    let dead_letters = created.queue_url.unwrap();
    let attributes = sqs.get_queue_attributes().queue_url(&dead_letters).attribute_names(QueueArn);
    let arn = attributes.send().await.unwrap().attributes.unwrap().remove(&QueueArn);
    let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 3 });
    scene.set(RedrivePolicy, policy.to_string()).await;
    scene.tell_of_other("file.gz").await;
    scene.put("good.gz", "line\n").await;

    let log = scene.run_allowing("");
    assert!(log.contains(&format!("Allowed buckets: {BUCKET}, as the queue's access policy says")));
    let reason = format!("the bucket {OTHER} is not allowed (--allow-bucket)");
    assert!(log.contains(&format!("{OTHER}/file.gz failed, and is put aside: {reason}")), "{log}");
    scene.assert_all_done().await;
    assert_eq!(scene.proxy.count("GetObject"), 1, "only the good one is asked for");

    let receive = scene.world.local.aws().queue.client.receive_message().queue_url(&dead_letters);
    let received = receive.message_attribute_names("All").send().await.unwrap();
    let [message] = received.messages() else { panic!("one dead letter: {received:?}") };
    let attribute =
        |name| message.message_attributes().unwrap()[name].string_value().unwrap().to_owned();
    assert_eq!(attribute("reason"), reason);
    assert_eq!((attribute("bucket"), attribute("key")), (OTHER.to_owned(), "file.gz".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_dead_letter_queue_its_message_is_left_to_the_queue() {
    let mut scene = Scene::new().await;
    scene.tell_of_other("file.gz").await;
    scene.put("good.gz", "line\n").await;
    let log = scene.run_allowing("");
    assert!(log.contains(&format!("{OTHER}/file.gz failed, and is left to the queue")), "{log}");
    assert_eq!(scene.proxy.count("GetObject"), 1);
    assert_eq!(scene.world.results(), scene.expected);
    assert_eq!(scene.world.messages().await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_argument_counts_more_than_the_queues_policy() {
    for (allowed, says) in
        [(format!("{BUCKET},{OTHER}"), format!("{BUCKET}, {OTHER}")), ("o*".into(), "o*".into())]
    {
        let mut scene = Scene::new().await;
        scene.tell_of_other("other.gz").await;
        scene.put("file.gz", "line\n").await;
        let log = scene.run_allowing(&allowed);
        assert!(log.contains(&format!("Allowed buckets: {says}, as --allow-bucket says")), "{log}");
        scene.expected.insert("other.gz".to_owned(), (1, 7));
        if !allowed.contains(BUCKET) {
            scene.expected.remove("file.gz");
        }
        assert_eq!(scene.world.results(), scene.expected, "{allowed}");
    }
}

/// A topic passes messages on that can be about any bucket.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_does_not_say_which_buckets_is_warned_of() {
    let topic = "arn:aws:sns:us-east-1:000000000000:topic";
    let bucket = format!("arn:aws:s3:::{BUCKET}");
    for (arns, why) in [(vec![], "no access policy"), (vec![&*bucket, topic], topic)] {
        let mut scene = Scene::new().await;
        scene.let_send(&arns).await;
        scene.tell_of_other("other.gz").await;
        scene.put("file.gz", "line\n").await;
        let mut step = scene.step(&["--until-idle", "--wait", "1"]);
        let mut running = Running::start(step.env("LOG_FORMAT", "json"));
        assert_eq!(running.wait_for_end().code(), Some(0));
        let log = running.log();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        // Another warning is that the endpoint is the proxy of the test, and not the place of the queue's URL.
        let warnings: Vec<_> = lines
            .filter(|line| line["level"] == "WARN" && line["target"] == "shared::aws::buckets")
            .collect();
        let [warning] = &warnings[..] else { panic!("one warning: {warnings:?}") };
        let says = warning["message"].as_str().unwrap();
        assert!(says.starts_with("Allowed buckets: all, because ") && says.contains(why), "{says}");
        scene.expected.insert("other.gz".to_owned(), (1, 7));
        assert_eq!(scene.world.results(), scene.expected);
    }
}

/// A pattern in the policy counts as such.
#[tokio::test(flavor = "multi_thread")]
async fn the_queues_policy_can_name_many_buckets() {
    let mut scene = Scene::new().await;
    scene.let_send(&["arn:aws:s3:*:*:other.*"]).await;
    scene.tell_of_other("other.gz").await;
    scene.put("file.gz", "line\n").await;
    scene.run_allowing("");
    assert_eq!(scene.world.results().into_keys().collect::<Vec<_>>(), ["other.gz"]);
    assert_eq!(scene.proxy.count("GetObject"), 1);
}
