//! A message stays hidden while it is being processed, and no longer.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;
use testing::fault_proxy::Fault::{Latency, Slow, Status};

use super::scene::{Ask, Scene, key_in, noise, until};

/// The first download outlasts the visibility timeout ten times, while fourteen files wait for it. No
/// other receiver gets any of the messages.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_receives_what_is_worked_on_or_waits_for_it() {
    let mut scene = Scene::new().await;
    let bytes = scene.put("slow.gz", &noise(1000)).await;
    for number in 1..15 {
        scene.put(&format!("{number}.gz"), "line\n").await;
    }
    scene.proxy.fault("GetObject slow.gz", Slow(bytes / 20));
    let arguments = ["--visibility-timeout", "2", "--max-demand", "20", "--pipelines", "1"];
    let mut step = scene.step(&arguments);
    let mut running = super::support::Running::start(step.env("LOG_FORMAT", "json"));
    scene.world.until_messages(0, 15).await;

    let mut received = Vec::new();
    until("all is deleted", async || {
        received.extend(scene.receive().await.iter().map(key_in));
        scene.world.messages().await == (0, 0)
    })
    .await;
    assert!(received.is_empty(), "somebody else has {received:?}");
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(0));
    scene.assert_all_done().await;

    let log = running.log();
    let done: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["message"].as_str().unwrap().contains("Consumer processed"))
        .collect();
    assert_eq!(done.len(), 15);
    let first_time = |line: &Value| {
        let spans = line["spans"].as_array().unwrap();
        spans.iter().any(|span| span["receive_count"] == 1)
    };
    assert!(done.iter().all(first_time), "{done:?}");

    // Ten or more renewals of 15 messages, in batches.
    let renewals = scene.told("ChangeMessageVisibilityBatch");
    let entries: usize = renewals.iter().map(|it| it["Entries"].as_array().unwrap().len()).sum();
    assert!(entries >= 10 * 15, "{entries}");
    assert!(entries >= 4 * renewals.len(), "{entries} in {} requests", renewals.len());

    // Deleted messages are not renewed.
    let mut deleted = HashSet::new();
    for (operation, body) in scene.proxy.told_sqs() {
        let body: Value = serde_json::from_slice(&body).unwrap();
        for entry in body["Entries"].as_array().into_iter().flatten() {
            let handle = entry["ReceiptHandle"].as_str().unwrap().to_owned();
            match operation.as_str() {
                "DeleteMessageBatch" => drop(deleted.insert(handle)),
                _ => assert!(!deleted.contains(&handle), "{operation} after its deletion"),
            }
        }
    }
    assert_eq!(deleted.len(), 15);
}

/// Renewals cannot reach SQS, and meanwhile another receiver gets the message.
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_is_given_up() {
    let mut scene = Scene::new().await;
    scene.put("slow.gz", &noise(1000)).await;
    scene.proxy.fault_times("GetObject", 1, Slow(100));
    scene.proxy.fault("ChangeMessageVisibilityBatch", Status(503, "ServiceUnavailable"));
    let mut running = scene.start(&[
        "--visibility-timeout",
        "2",
        "--pipelines",
        "1",
        "--until-idle",
        "--wait",
        "1",
    ]);
    scene.until_requests("GetObject", 1).await;
    let mut others = Vec::new();
    until("somebody else has it", async || {
        others.extend(scene.receive().await);
        !others.is_empty()
    })
    .await;
    scene.proxy.clear();
    running.wait_for("can no longer be kept hidden");
    assert_eq!(running.wait_for_end().code(), Some(1), "its message stays in the queue");
    let log = running.log();
    assert!(log.lines().last().unwrap().contains("Processed 0 files: 0 lines, 0 bytes, 1 failed"));

    // The work has ended, and nothing of it follows later.
    assert!(scene.world.results().is_empty());
    assert_eq!(scene.proxy.count("DeleteMessageBatch"), 0);
    let visibilities = scene
        .told("ChangeMessageVisibilityBatch")
        .into_iter()
        .map(|it| it["Entries"][0]["VisibilityTimeout"].clone());
    assert!(
        visibilities.into_iter().all(|it| it == 2),
        "it is not given back: it is somebody else's"
    );
    scene.world.until_messages(0, 1).await;

    scene.give_back(&others[0]).await;
    assert!(scene.start(&["--until-idle", "--wait", "1"]).wait_for_end().success());
    scene.assert_all_done().await;
}

/// The response to a renewal never comes, so the step retries while there is time.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_hangs_is_tried_again_in_time() {
    let mut scene = Scene::new().await;
    let bytes = scene.put("slow.gz", &noise(1000)).await;
    scene.proxy.fault("GetObject", Slow(bytes / 7));
    scene.proxy.fault_times("ChangeMessageVisibilityBatch", 1, Latency(Duration::from_mins(5)));
    assert_kept(&scene, "5").await;
}

/// Renewals fail a few times, but the log says so once.
#[tokio::test(flavor = "multi_thread")]
async fn renewals_that_fail_are_tried_again_in_time() {
    let mut scene = Scene::new().await;
    let bytes = scene.put("slow.gz", &noise(1000)).await;
    scene.proxy.fault("GetObject", Slow(bytes / 14));
    scene.proxy.fault_times("ChangeMessageVisibilityBatch", 3, Status(500, "InternalError"));
    let log = assert_kept(&scene, "10").await;
    assert_eq!(log.matches("Changing the visibility of messages failed").count(), 1);
    assert_eq!(log.matches("Changing the visibility of messages works again").count(), 1);
}

/// Another receiver asks for messages all the time, and gets none.
async fn assert_kept(scene: &Scene, timeout: &str) -> String {
    let mut running = scene.start(&["--visibility-timeout", timeout, "--pipelines", "1"]);
    scene.until_requests("GetObject", 1).await;
    until("it is done", async || {
        assert_eq!(scene.receive().await, []);
        !scene.world.results().is_empty()
    })
    .await;
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(0));
    scene.assert_all_done().await;
    running.log()
}

/// SQS would hand out each message again while its file is being worked on.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_hides_nothing_is_asked_to() {
    let mut scene = Scene::new().await;
    scene.put("slow.gz", &noise(1000)).await;
    let queue = &scene.world.local.aws().queue;
    let set = queue.client.set_queue_attributes().queue_url(&queue.url);
    set.attributes(QueueAttributeName::VisibilityTimeout, "0").send().await.unwrap();
    scene.proxy.fault("GetObject", Latency(Duration::from_secs(1)));
    let mut running = scene.start(&["--until-idle", "--wait", "1"]);
    assert_eq!(running.wait_for_end().code(), Some(0));
    scene.assert_all_done().await;
    assert_eq!(scene.proxy.count("GetObject"), 1);
    assert!(scene.told("ReceiveMessage").iter().all(|told| told["VisibilityTimeout"] == 30));
    assert!(running.log().contains("VisibilityTimeout is 0"));
}
