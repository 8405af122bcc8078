//! `--check`: its findings, its report, and that it changes nothing.

use std::process::Command;

use aws_sdk_s3::types::NotificationConfiguration;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use serde_json::json;
use shared::local_aws::{ACCESS_KEY, BUCKET, REGION};
use tempfile::TempDir;

use super::support::{World, step, text};

/// The report: the mark and name of each line, and the rest of it.
struct Checked {
    code: Option<i32>,
    lines: Vec<(String, String, String)>,
    end: String,
}

impl Checked {
    /// The names of the checks with this mark.
    fn with(&self, mark: &str) -> Vec<&str> {
        self.lines.iter().filter(|it| it.0 == mark).map(|it| it.1.as_str()).collect()
    }

    fn says(&self, check: &str) -> &str {
        &self.lines.iter().find(|it| it.1 == check).expect(check).2
    }
}

/// Runs the check, while this test's thread serves its SQS and S3.
async fn check(mut step: Command) -> Checked {
    step.arg("--check");
    let ended = tokio::task::spawn_blocking(move || step.output()).await.unwrap().unwrap();
    let printed = text(&ended.stdout);
    println!("{printed}{}", text(&ended.stderr));
    let (lines, end) = printed.trim_end().rsplit_once('\n').unwrap();
    let parts = |line: &str| {
        let (mark, rest) = line.split_once(' ').unwrap();
        let (check, says) = rest.trim_start().split_once(": ").unwrap();
        (mark.to_owned(), check.to_owned(), says.to_owned())
    };
    let lines = lines.lines().map(parts).collect();
    Checked { code: ended.status.code(), lines, end: end.to_owned() }
}

impl World {
    /// A command with no configuration except an endpoint without a server.
    fn bare(&self) -> Command {
        let mut step = self.step(&["--endpoint-url", "http://127.0.0.1:9"]);
        step.env_clear().env("HOME", "/nowhere").env("AWS_EC2_METADATA_DISABLED", "true");
        step
    }

    async fn set(&self, name: QueueAttributeName, value: impl ToString) {
        let queue = &self.local.aws().queue;
        let set = queue.client.set_queue_attributes().queue_url(&queue.url);
        set.attributes(name, value.to_string()).send().await.unwrap();
    }

    /// Gives the queue a dead-letter queue, and returns its URL.
    pub async fn put_aside_after(&self, tries: u32) -> String {
        let sqs = &self.local.aws().queue.client;
        let url = sqs.create_queue().queue_name("dead").send().await.unwrap().queue_url.unwrap();
        let target = "arn:aws:sqs:us-east-1:000000000000:dead";
        let policy = json!({"deadLetterTargetArn": target, "maxReceiveCount": tries});
        self.set(QueueAttributeName::RedrivePolicy, policy).await;
        url
    }

    /// Lets the bucket send, with a policy as AWS requires it.
    async fn let_bucket_send(&self) {
        let statement = json!({
            "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": "*", "Condition": {"ArnLike": {"aws:SourceArn": [format!("arn:aws:s3:::{BUCKET}"), "arn:aws:s3:::others-*"]}},
        });
        self.set(QueueAttributeName::Policy, json!({"Statement": [statement]})).await;
    }
}

#[tokio::test]
async fn with_nothing_configured_all_is_well() {
    let output = TempDir::new().unwrap();
    let mut step = step(&["--output"]);
    step.arg(output.path());
    let checked = check(step).await;
    assert_eq!(checked.code, Some(0));
    assert_eq!(checked.with("ok").len(), checked.lines.len());
    assert_eq!(checked.end, "Everything is set up");
    assert!(checked.says("Configuration").contains("embedded"));
}

/// Our embedded SQS and S3 have no STS.
#[tokio::test]
async fn what_is_set_up_is_ok_and_what_could_be_better_is_a_warning() {
    let world = World::new().await;
    world.set(QueueAttributeName::Policy, "").await;
    let checked = check(world.step(&[])).await;
    assert_eq!(checked.code, Some(0));
    let could_be_better = ["Credentials", "Redrive policy", "Allowed buckets", "Bucket"];
    assert_eq!(checked.with("warning"), could_be_better);
    assert!(checked.says("Redrive policy").contains("RedrivePolicy"));
    assert!(checked.says("Allowed buckets").starts_with("all, because "));
    assert!(checked.says("Bucket").contains("--bucket"));

    let dead_letters = world.put_aside_after(3).await;
    world.let_bucket_send().await;
    let checked = check(world.step(&[])).await;
    assert_eq!(checked.code, Some(0));
    assert_eq!(checked.with("warning"), ["Credentials"]);
    let of_bucket = |check: &str| format!("{check} of {BUCKET}");
    let found = [of_bucket("Notification"), of_bucket("s3:GetObject")];
    assert!(found.iter().all(|it| checked.with("ok").contains(&it.as_str())));
    assert!(checked.says("Other senders").contains("the buckets others-*"));
    let allowed = format!("{BUCKET}, others-*, as the queue's access policy says");
    assert_eq!(checked.says("Allowed buckets"), allowed);
    assert_eq!(checked.end, "Files can be processed. Warnings: 1");

    assert_eq!(checked.says("Dead letters"), "none");
    let sqs = &world.local.aws().queue.client;
    sqs.send_message().queue_url(&dead_letters).message_body("1").send().await.unwrap();
    let checked = check(world.step(&[])).await;
    assert_eq!(checked.with("warning"), ["Credentials", "Dead letters"]);
    assert!(checked.says("Dead letters").starts_with("about 1: "));

    sqs.delete_queue().queue_url(dead_letters).send().await.unwrap();
    let checked = check(world.step(&[])).await;
    assert_eq!(checked.with("warning"), ["Credentials", "Redrive policy"]);
    assert!(checked.says("Redrive policy").contains("not there"));
}

#[tokio::test]
async fn a_queue_with_settings_that_harm_is_warned_of() {
    let world = World::new().await;
    world.let_bucket_send().await;
    world.put_aside_after(1).await;
    world.set(QueueAttributeName::VisibilityTimeout, 10).await;
    world.set(QueueAttributeName::MessageRetentionPeriod, 3600).await;
    let checked = check(world.step(&["--wait", "0"])).await;
    assert_eq!(checked.code, Some(0));
    let settings = ["Long polling", "Visibility timeout", "Message retention", "Redrive policy"];
    assert_eq!(checked.with("warning")[1..], settings);
    world.set(QueueAttributeName::VisibilityTimeout, 0).await;
    let says = check(world.step(&[])).await.says("Visibility timeout").to_owned();
    assert!(says.contains("30 seconds are asked for"), "{says}");
    world.set(QueueAttributeName::VisibilityTimeout, 10).await;
    // The command line takes precedence over the queue's setting.
    for (timeout, mark) in [("29", "warning"), ("30", "ok"), ("3600", "ok"), ("3601", "warning")] {
        let checked = check(world.step(&["--visibility-timeout", timeout])).await;
        assert!(checked.with(mark).contains(&"Visibility timeout"), "{timeout}");
    }
}

#[tokio::test]
async fn without_region_or_credentials_nothing_is_asked() {
    let world = World::new().await;
    let with_region = |mut step: Command| {
        step.env("AWS_REGION", REGION);
        step
    };
    let with_keys = |mut step: Command| {
        step.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", ACCESS_KEY);
        step
    };
    let cases = [
        (world.bare(), vec!["Region", "Credentials"]),
        (with_region(world.bare()), vec!["Credentials"]),
        (with_keys(world.bare()), vec!["Region"]),
    ];
    for (step, failed) in cases {
        let checked = check(step).await;
        assert_eq!(checked.code, Some(1));
        assert_eq!(checked.with("failed"), failed);
        assert!(checked.with("skipped").contains(&"Queue and bucket"));
        assert!(checked.with("ok").contains(&"Results"));
    }
    let checked = check(with_keys(with_region(world.bare()))).await;
    assert_eq!((checked.code, checked.with("failed")), (Some(1), vec!["Queue"]));
    assert!(checked.says("Queue").contains("AWS_ENDPOINT_URL"));
}

#[tokio::test]
async fn one_failure_keeps_it_from_nothing_else() {
    let world = World::new().await;
    let other = format!("{}/000000000000/other", world.local.endpoint_url());
    let checked = check(world.step(&["--queue-url", &other, "--bucket", BUCKET])).await;
    assert_eq!((checked.code, checked.with("failed")), (Some(1), vec!["Queue"]));
    assert!(checked.says("Queue").contains("SQS_QUEUE_URL"));
    assert!(checked.with("skipped").contains(&"Queue's settings and permissions"));
    let ok = checked.with("ok");
    assert!(ok.contains(&"s3:GetObject of warehouse.development") && ok.contains(&"Results"));

    let folder = world.output.path();
    std::fs::remove_dir(folder).unwrap();
    std::fs::write(folder, "where a folder should be").unwrap();
    let checked = check(world.step(&[])).await;
    std::fs::remove_file(folder).unwrap();
    assert_eq!((checked.code, checked.with("failed")), (Some(1), vec!["Results"]));
    assert!(checked.says("Results").contains("--output"));
    assert!(checked.with("ok").contains(&"sqs:DeleteMessage"));
}

#[tokio::test]
async fn a_bucket_that_tells_nobody_is_a_failure() {
    let world = World::new().await;
    let s3 = &world.local.aws().s3;
    let nothing = NotificationConfiguration::builder().build();
    let put = s3.put_bucket_notification_configuration().bucket(BUCKET);
    put.notification_configuration(nothing).send().await.unwrap();
    let checked = check(world.step(&["--bucket", BUCKET, "--bucket", "nobodys"])).await;
    assert_eq!(checked.code, Some(1));
    let failed = ["Notification of nobodys", "s3:GetObject of nobodys"];
    assert_eq!(checked.with("failed")[..2], failed);
    assert_eq!(checked.with("failed")[2..], [format!("Notification of {BUCKET}")]);
    let says = checked.says(&format!("Notification of {BUCKET}"));
    assert!(says.contains("s3:ObjectCreated:*") && says.contains(":queue"), "{says}");
}

#[tokio::test]
async fn a_bucket_that_may_send_but_is_not_allowed_is_warned_of() {
    let world = World::new().await;
    let checked = check(world.step(&["--allow-bucket", "a,b", "--allow-bucket", "c-*"])).await;
    assert_eq!(checked.code, Some(0));
    let says = format!("a, b, c-*, as --allow-bucket says. Files of {BUCKET} are not read");
    assert!(checked.with("warning").contains(&"Allowed buckets"));
    assert!(checked.says("Allowed buckets").starts_with(&says));
    let checked = check(world.step(&["--allow-bucket", "warehouse.*"])).await;
    assert!(checked.with("ok").contains(&"Allowed buckets"));
}

/// Neither the messages change nor their receive counts, on which the redrive policy depends.
#[tokio::test]
async fn it_changes_nothing() {
    let world = World::new().await;
    world.put("key", "line").await;
    world.until_messages(2, 0).await; // One of them is the s3:TestEvent.
    check(world.step(&["--bucket", BUCKET])).await;
    world.until_messages(2, 0).await;
    let queue = &world.local.aws().queue;
    let receive = queue.client.receive_message().queue_url(&queue.url).max_number_of_messages(10);
    let count = MessageSystemAttributeName::ApproximateReceiveCount;
    let received = receive.message_system_attribute_names(count.clone()).send().await.unwrap();
    for message in received.messages() {
        assert_eq!(message.attributes().unwrap()[&count], "1");
    }
    assert_eq!(received.messages().len(), 2);
    let objects = world.local.aws().s3.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(objects.contents().len(), 1);
    assert_eq!(world.results().len(), 0);
}

#[tokio::test]
async fn a_check_is_asked_for_in_the_right_way() {
    let world = World::new().await;
    for (arguments, code, hint) in
        [(vec!["--bucket", "b"], 2, "--check"), (vec!["--check", "Cargo.toml"], 2, "FILES")]
    {
        let ended = world.step(&arguments).output().unwrap();
        let error = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{error}");
        assert!(error.contains(hint), "{error}");
    }
}
