//! `--backfill`: messages about objects that are older than the bucket's notification.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use aws_sdk_s3::types::{
    BucketVersioningStatus, NotificationConfiguration, VersioningConfiguration,
};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use shared::aws::notification::parse;
use shared::local_aws::BUCKET;
use testing::fault_proxy::Fault::{HalfFails, Latency, Status};

use super::scene::{Ask, Scene, until};
use super::support::{Running, text};

const PLACE: &str = "s3://warehouse.development/old/";

impl Scene {
    /// A scene in which the queue is not told of new objects yet.
    async fn before_the_notification() -> Self {
        let scene = Self::new().await;
        let put = scene.world.local.aws().s3.put_bucket_notification_configuration().bucket(BUCKET);
        let none = NotificationConfiguration::builder().build();
        put.notification_configuration(none).send().await.unwrap();
        scene
    }

    /// The same, with this many objects.
    async fn with_old(count: usize) -> Self {
        let scene = Self::before_the_notification().await;
        let world = &scene.world;
        let puts = (0..count).map(|number| async move {
            world.put(&key(number), "line").await;
        });
        stream::iter(puts.collect::<Vec<_>>()).buffer_unordered(50).collect::<Vec<_>>().await;
        scene
    }

    /// Runs a backfill until it ends. Returns its exit code, its log, and its errors.
    async fn backfill(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut step = self.step(&[&["--backfill"], arguments].concat());
        let ended = tokio::task::spawn_blocking(move || step.output()).await.unwrap().unwrap();
        let (log, errors) = (text(&ended.stdout), text(&ended.stderr));
        println!("{log}{errors}");
        (ended.status.code(), log, errors)
    }

    /// How many times a message about each key was sent, whether SQS took it or not.
    fn sent(&self) -> BTreeMap<String, usize> {
        let mut sent = BTreeMap::new();
        for batch in self.told("SendMessageBatch") {
            for key in keys_in(&batch) {
                *sent.entry(key).or_default() += 1;
            }
        }
        sent
    }
}

/// A key that a shell has to be told with care.
fn key(number: usize) -> String {
    format!("old/it's {number:04} ü+%2B.gz")
}

fn keys_in(batch: &Value) -> Vec<String> {
    let entries = batch["Entries"].as_array().unwrap();
    let objects = entries
        .iter()
        .flat_map(|entry| parse(entry["MessageBody"].as_str().unwrap()).unwrap().created);
    objects.map(|object| object.key).collect()
}

/// The arguments after "To go on:" in the last line, as a shell reads them.
fn arguments_to_go_on(log: &str) -> Vec<String> {
    let (_, arguments) = log.lines().last().unwrap().split_once("To go on: ").unwrap();
    let mut shell = Command::new("bash");
    let read = shell.args(["-c", &format!("printf '%s\\0' {arguments}")]).output().unwrap();
    text(&read.stdout).trim_end_matches('\0').split('\0').map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_listed_when_the_messages_about_the_one_before_are_sent() {
    let scene = Scene::with_old(2500).await;
    // Five of the last ten requests about the first page pass.
    scene.proxy.fault_times("SendMessageBatch", 95, Latency(Duration::ZERO));
    scene.proxy.fault("SendMessageBatch", Status(503, "ServiceUnavailable"));
    let mut running = scene.start(&["--backfill", PLACE]);
    scene.until_requests("SendMessageBatch", 120).await;
    // Whether there are versions, and the first page.
    assert_eq!(scene.proxy.count("GET"), 2);

    scene.proxy.clear();
    assert_eq!(running.wait_for_end().code(), Some(0));
    assert_eq!(scene.proxy.count("GET"), 4);
    assert_eq!(scene.world.messages().await, (2500, 0));
    assert_eq!(scene.sent().len(), 2500);
    assert!(scene.told("SendMessageBatch").iter().all(|batch| keys_in(batch).len() == 10));
    let log = running.log();
    assert!(
        log.trim_end().ends_with(&format!("Sent 2500 messages: all that {PLACE} holds")),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_in_the_middle_it_goes_on_as_its_last_line_says() {
    let scene = Scene::with_old(1300).await;
    // Three seconds for each of the last two hundred.
    scene.proxy.fault_times("SendMessageBatch", 110, Latency(Duration::ZERO));
    scene.proxy.fault("SendMessageBatch", Latency(Duration::from_secs(3)));
    let mut running = scene.start(&["--backfill", PLACE]);
    running.wait_for("Sent 1000 messages. The last one is about old/it's 0999");
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(1), "not all is sent");
    scene.proxy.clear();
    let (sent, _) = scene.world.messages().await;
    assert!((1000..1300).contains(&sent), "{sent}");

    let arguments = arguments_to_go_on(&running.log());
    let last = format!("--start-after={}", key(sent - 1));
    assert_eq!(arguments, [format!("--backfill={PLACE}"), last]);
    let mut running = Running::start(scene.step(&[]).args(arguments));
    assert_eq!(running.wait_for_end().code(), Some(0));
    assert_eq!((scene.world.messages().await, scene.sent().len()), ((1300, 0), 1300));
    assert_eq!(scene.sent().into_values().collect::<BTreeSet<_>>(), BTreeSet::from([1]));
}

/// While SQS takes nothing, it ends, and the place is that up to which all is sent.
#[tokio::test(flavor = "multi_thread")]
async fn it_stops_while_sqs_cannot_be_reached() {
    let scene = Scene::with_old(120).await;
    scene.proxy.fault_times("SendMessageBatch", 10, Latency(Duration::ZERO));
    scene.proxy.fault("SendMessageBatch", Status(503, "ServiceUnavailable"));
    let mut running = scene.start(&["--backfill", PLACE, "--modified-since", "2020-01-01"]);
    running.wait_for("Sending to SQS failed, and is tried again: ServiceUnavailable");
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(1));
    let arguments = arguments_to_go_on(&running.log());
    assert_eq!(arguments[1], format!("--start-after={}", key(99)));
    assert_eq!(arguments[2], "--modified-since=2020-01-01T00:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_sends_is_processed_once_whatever_the_key_is() {
    let mut scene = Scene::before_the_notification().await;
    let keys =
        ["a b+c%2B.gz", "ünïcödé/€/日本語/🦀.gz", "a//b", "../up", "line\nbreak\u{1}", "&<>'\"\\"];
    for (number, key) in keys.iter().enumerate() {
        scene.put(&format!("old/{key}"), &"line\n".repeat(number + 1)).await;
    }
    for folder in ["old/", "old/sub/", "old/a b/"] {
        scene.world.put(folder, "").await;
    }
    scene.world.put("older/not asked for", "line").await;

    for times in 1..=2 {
        let (code, log, _) = scene.backfill(&[PLACE]).await;
        let says = format!("Sent 6 messages: all that {PLACE} holds, but 3 empty folders");
        assert_eq!((code, log.trim_end().ends_with(&says)), (Some(0), true), "{log}");
        assert_eq!(scene.sent().len(), 6);
        let mut running = scene.start(&["--until-idle", "--wait", "1"]);
        assert_eq!(running.wait_for_end().code(), Some(0));
        scene.assert_all_done().await;
        assert_eq!(scene.proxy.count("GetObject"), 6, "processed {times} times");
    }
}

/// S3 tells of these as they are created, so their results have the name that a backfill's message has.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_processed_before_is_not_downloaded() {
    let scene = Scene::with_files(30).await;
    let process = async |already| {
        let mut running = scene.start(&["--until-idle", "--wait", "1"]);
        assert_eq!(running.wait_for_end().code(), Some(0));
        scene.assert_all_done().await;
        assert_eq!(scene.proxy.count("GetObject"), 30);
        assert_eq!(running.log().contains("30 were processed already"), already);
    };
    process(false).await;
    let (code, ..) = scene.backfill(&["s3://warehouse.development"]).await;
    assert_eq!((code, scene.world.messages().await), (Some(0), (30, 0)));
    process(true).await;
}

/// The result of a version is found by the version, which only a listing of all versions tells.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_bucket_with_versions_the_latest_is_sent_and_what_was_processed_is_not_downloaded() {
    let mut scene = Scene::new().await;
    let s3 = scene.world.local.aws().s3.clone();
    let enabled =
        VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let put = s3.put_bucket_versioning().bucket(BUCKET).versioning_configuration(enabled);
    put.send().await.unwrap();
    // More versions than fit onto a page.
    for key in ["old/a b+ü.gz", "old/many"] {
        scene.put(key, "line\n").await;
    }
    scene.put("old/gone", "line\n").await;
    let mut running = scene.start(&["--until-idle", "--wait", "1"]);
    assert_eq!(running.wait_for_end().code(), Some(0));
    scene.assert_all_done().await;
    s3.delete_object().bucket(BUCKET).key("old/gone").send().await.unwrap();
    s3.put_bucket_notification_configuration()
        .bucket(BUCKET)
        .notification_configuration(NotificationConfiguration::builder().build())
        .send()
        .await
        .unwrap();
    for _ in 0..1000 {
        scene.world.put("old/many", "line\nline\n").await;
    }
    let before = scene.proxy.count("GetObject");
    let (code, ..) = scene.backfill(&[PLACE]).await;
    assert_eq!(code, Some(0));
    assert_eq!(scene.sent().into_keys().collect::<Vec<_>>(), ["old/a b+ü.gz", "old/many"]);
    let mut running = scene.start(&["--until-idle", "--wait", "1"]);
    assert_eq!(running.wait_for_end().code(), Some(0));
    assert_eq!(scene.proxy.count("GetObject") - before, 1, "only the latest version of one");
    assert_eq!(scene.world.results()["old/many"].0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_newer_ones_are_sent_if_that_is_asked_for() {
    let scene = Scene::before_the_notification().await;
    scene.world.put("old/1", "line").await;
    let modified = async |key: &str| {
        let head = scene.world.local.aws().s3.head_object().bucket(BUCKET).key(key);
        head.send().await.unwrap().last_modified.unwrap()
    };
    let first = modified("old/1").await;
    until("the clock goes on", async || {
        scene.world.put("old/2", "line").await;
        modified("old/2").await.secs() > first.secs()
    })
    .await;
    scene.world.put("old/3", "line").await;
    let second = modified("old/2").await.secs();
    let since = format!("--modified-since={}", aws_sdk_s3::primitives::DateTime::from_secs(second));
    let (code, log, _) = scene.backfill(&[PLACE, &since]).await;
    assert_eq!(code, Some(0));
    assert_eq!(scene.sent().into_keys().collect::<Vec<_>>(), ["old/2", "old/3"]);
    assert!(
        log.contains("Sent 2 messages: all that ") && log.contains(" but 1 from before 2"),
        "{log}"
    );
    let (code, ..) = scene.backfill(&[PLACE, "--start-after", "old/2"]).await;
    assert_eq!((code, scene.sent()["old/3"], scene.sent()["old/2"]), (Some(0), 2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sqs_refuses_is_sent_again_unless_that_is_of_no_use() {
    let scene = Scene::with_old(100).await;
    scene.proxy.fault_times("SendMessageBatch", 15, HalfFails { sender_fault: false });
    let (code, ..) = scene.backfill(&[PLACE]).await;
    assert_eq!((code, scene.world.messages().await), (Some(0), (100, 0)));
    let times = scene.sent();
    assert_eq!(times.len(), 100);
    assert!(times.values().any(|times| *times > 1));

    let scene = Scene::with_old(10).await;
    scene.proxy.fault("SendMessageBatch", HalfFails { sender_fault: true });
    let (code, log, errors) = scene.backfill(&[PLACE]).await;
    assert_eq!(code, Some(1));
    assert!(log.contains("SQS does not take the messages: SomeError"), "{log}");
    assert!(errors.contains("not all messages are sent"), "{errors}");
    assert_eq!(arguments_to_go_on(&log), [format!("--backfill={PLACE}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_holds_nothing_says_so() {
    let scene = Scene::with_old(3).await;
    let nothing = "s3://warehouse.development/odl/";
    let (code, log, _) = scene.backfill(&[nothing]).await;
    let says = format!("Nothing is sent, because {nothing} holds nothing");
    assert_eq!((code, log.lines().last()), (Some(0), Some(says.as_str())));
    let (code, log, _) = scene.backfill(&[PLACE, "--start-after", "old/z"]).await;
    let says = format!("Nothing is sent, because {PLACE} holds nothing after old/z");
    assert_eq!((code, log.lines().last()), (Some(0), Some(says.as_str())));
    assert_eq!(scene.world.messages().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_ends_with_a_reason_before_anything_is_sent() {
    let scene = Scene::with_old(1).await;
    for (arguments, code, reason) in [
        (vec!["s3://other/"], 1, "--allow-bucket"),
        (vec!["s3://other/", "--allow-bucket", "other"], 1, "NoSuchBucket"),
        (vec!["warehouse.development"], 2, "s3://"),
        (vec![PLACE, "--modified-since", "yesterday"], 2, "2026-07-31"),
        (vec![PLACE, "--check"], 2, "--check"),
    ] {
        let (ended, log, errors) = scene.backfill(&arguments).await;
        assert_eq!(ended, Some(code), "{arguments:?}");
        assert!((log + &errors).contains(reason), "{arguments:?}");
    }
    let mut embedded = super::support::step(&["--backfill", PLACE]);
    let ended = embedded.output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(text(&ended.stderr).contains("--queue-url"));
    let alone = scene.step(&["--start-after", "old/1"]).output().unwrap();
    assert_eq!(alone.status.code(), Some(2));
    assert_eq!(scene.world.messages().await, (0, 0));
}
