//! `--max-rate`: no more files are begun in a second.

use std::time::{Duration, Instant};

use testing::fault_proxy::Fault::Latency;

use super::scene::{Ask, Scene, until};

const UNTIL_IDLE: [&str; 3] = ["--until-idle", "--wait", "1"];

#[tokio::test(flavor = "multi_thread")]
async fn all_pipelines_together_keep_it_and_there_are_no_more_than_that_takes() {
    let scene = Scene::with_files(30).await;
    // Without a rate, there would be more pipelines.
    scene.proxy.fault("GetObject", Latency(Duration::from_millis(100)));
    let started = Instant::now();
    let mut running = scene.start(&[&UNTIL_IDLE[..], &["--max-rate", "5"]].concat());
    assert_eq!(running.wait_for_end().code(), Some(0));
    scene.assert_all_done().await;
    // The last of them begins after that long, however fast the machine is.
    assert!(started.elapsed() >= Duration::from_millis(29 * 1000 / 5));
    let log = running.log();
    assert!(log.contains("SQS.Supervisor Pipeline3") && !log.contains("SQS.Supervisor Pipeline4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_hidden_from_others_and_given_back_at_once() {
    let scene = Scene::with_files(60).await;
    let arguments = ["--max-rate", "0.001", "--visibility-timeout", "2"];
    let mut running = scene.start(&arguments);
    running.wait_for("Consumer processed");
    // Longer than the timeout: each message that waits was hidden again at least once.
    scene.until_requests("ChangeMessageVisibilityBatch", 3).await;
    let (visible, hidden) = scene.world.messages().await;
    assert!(visible + hidden == 59 && (1..=9).contains(&hidden), "{visible}, {hidden}");
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(0));
    assert_eq!(scene.world.messages().await, (59, 0));
    assert_eq!(scene.proxy.count("GetObject"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_processed_already_needs_no_turn() {
    let mut scene = Scene::with_files(60).await;
    let mut running = scene.start(&UNTIL_IDLE);
    assert_eq!(running.wait_for_end().code(), Some(0));
    let again: Vec<_> = scene.expected.keys().cloned().enumerate().collect();
    for (number, key) in again {
        scene.put(&key, &"line\n".repeat(number + 1)).await;
    }
    // By this rate, they would take 17 hours.
    let mut running = scene.start(&[&UNTIL_IDLE[..], &["--max-rate", "0.001"]].concat());
    until("all are skipped", async || scene.world.messages().await == (0, 0)).await;
    assert_eq!(running.wait_for_end().code(), Some(0));
    scene.assert_all_done().await;
    assert_eq!(scene.proxy.count("GetObject"), 60);
}
