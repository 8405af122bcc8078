//! Stopping on request: finished messages are deleted, and all others can be received at once.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use testing::fault_proxy::Fault::{Latency, Slow, Status};
use tokio::net::TcpListener;

use super::scene::{Ask, Scene, key_in, noise, record_in};
use super::support::Running;

#[tokio::test(flavor = "multi_thread")]
async fn under_load_what_is_not_done_is_visible_at_once() {
    let scene = Scene::with_files(300).await;
    scene.proxy.fault("GetObject", Latency(Duration::from_millis(20)));
    let mut running = scene.start(&["--visibility-timeout", "1000", "--max-demand", "20"]);
    running.wait_for("Consumer processed");
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(0));
    let (visible, hidden) = scene.world.messages().await;
    assert_eq!(hidden, 0);
    assert!((1..300).contains(&visible), "it is in the middle of them: {visible}");

    let mut left = BTreeSet::new();
    while left.len() < visible {
        left.extend(scene.receive().await.iter().map(key_in));
    }
    let results = scene.world.results();
    for (key, count) in &scene.expected {
        match results.get(key) {
            Some(result) => assert_eq!(result, count, "{key}"),
            None => assert!(left.contains(key), "{key} is deleted, and has no result"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_longer_than_the_limit_is_given_back() {
    let mut scene = Scene::new().await;
    scene.put("slow.gz", &noise(1000)).await;
    scene.proxy.fault("GetObject", Slow(10));
    let arguments = ["--visibility-timeout", "1000", "--stop-limit", "1"];
    let mut running = scene.start(&arguments);
    scene.until_requests("GetObject", 1).await;
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(0));
    assert_eq!(scene.world.messages().await, (1, 0));
    assert!(scene.world.results().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_is_the_end_at_once() {
    let mut scene = Scene::new().await;
    scene.put("slow.gz", &noise(1000)).await;
    scene.proxy.fault("GetObject", Slow(10));
    for (number, signal) in ["TERM", "INT"].into_iter().enumerate() {
        let mut running = scene.start(&["--visibility-timeout", "1", "--stop-limit", "1000"]);
        scene.until_requests("GetObject", number + 1).await;
        running.signal("TERM");
        running.wait_for("Finishing what has begun");
        running.signal(signal);
        assert_eq!(running.wait_for_end().code(), Some(130));
    }
    assert!(scene.world.results().is_empty());
    scene.world.until_messages(1, 0).await;
}

/// SQS takes the connection, and does not answer. The signal comes before anything has begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_while_it_connects_ends_it_in_its_own_way() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    for arguments in [&[][..], &["--check"]] {
        for (signal, code) in [("TERM", 143), ("INT", 130)] {
            let scene = Scene::new().await;
            let mut step = scene.world.step(arguments);
            step.env("AWS_ENDPOINT_URL", &endpoint);
            let mut running =
                Running::start(step.env("SQS_QUEUE_URL", format!("{endpoint}/0/queue")));
            let _connection = silent.accept().await.unwrap();
            running.signal(signal);
            // A code, and no signal: the first process of a container is not ended by one.
            assert_eq!(running.wait_for_end().code(), Some(code));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_is_said_in_one_line() {
    let mut scene = Scene::with_files(9).await;
    scene.put("slow.gz", &noise(1000)).await;
    scene.proxy.fault("GetObject", Slow(10));
    let arguments = ["--visibility-timeout", "1000", "--stop-limit", "0", "--max-demand", "10"];
    let mut running = scene.start(&[&arguments[..], &["--pipelines", "1"]].concat());
    scene.world.until_messages(0, 10).await;
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(0));
    assert_eq!(scene.world.messages().await, (10, 0));
    let log = running.log();
    assert_eq!(log.matches("Gave back 10 messages that were not done\n").count(), 1, "{log}");
    assert!(log.lines().last().unwrap().contains("Processed 0 files"), "{log}");
}

/// One file has been begun, and is finished. The other one is not begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_two_files_is_not_deleted_for_one_of_them() {
    let mut scene = Scene::new().await;
    let bytes = scene.put("slow.gz", &noise(1000)).await;
    scene.put("other.gz", "line\n").await;
    let mut records = Vec::new();
    for message in scene.receive().await {
        records.push(record_in(&message));
        scene.delete(&message).await;
    }
    scene.world.send(json!({ "Records": records })).await;
    scene.proxy.fault("GetObject slow.gz", Slow(bytes / 2));
    let mut running =
        scene.start(&["--visibility-timeout", "1000", "--pipelines", "1", "--max-demand", "2"]);
    scene.until_requests("GetObject", 1).await;
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(0));
    assert_eq!(scene.world.results().keys().collect::<Vec<_>>(), ["slow.gz"]);
    assert_eq!(scene.world.messages().await, (1, 0));

    assert!(scene.start(&["--until-idle", "--wait", "1"]).wait_for_end().success());
    scene.assert_all_done().await;
    assert_eq!(scene.proxy.count("GetObject"), 2, "what is done is not downloaded again");
}

/// SQS deletes nothing, so finished messages will come back. The log says so.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_deleted_in_the_end_is_counted_in_the_log() {
    let scene = Scene::with_files(5).await;
    scene.proxy.fault("DeleteMessageBatch", Status(503, "ServiceUnavailable"));
    let mut running = scene.start(&["--visibility-timeout", "1000"]);
    for _file in 0..5 {
        running.wait_for("Consumer processed");
    }
    running.wait_for("Deleting messages failed");
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(0));
    let log = running.log();
    assert!(log.contains("5 messages are neither deleted nor given back"), "{log}");
    assert_eq!(scene.world.messages().await, (0, 5));
    assert_eq!(scene.world.results(), scene.expected);
}
