//! Outages that pass: in the end, all files are done, and the log reports each outage once.

use std::collections::HashMap;
use std::time::Duration;

use testing::fault_proxy::Fault::{Latency, ResetAfter, Slow, StallAfter, Status};

use super::scene::{Ask, Scene, noise};
use super::support::Running;

const OPERATIONS: [&str; 4] =
    ["ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "GetObject"];
const UNTIL_IDLE: [&str; 3] = ["--until-idle", "--wait", "1"];
/// Lost messages come back before the step takes the queue for empty.
const UNTIL_ALL_IS_BACK: [&str; 5] = ["--until-idle", "--visibility-timeout", "2", "--wait", "3"];

/// The step asks for more files than there are, so that a receive is always in progress.
fn eager() -> Vec<&'static str> {
    [&UNTIL_ALL_IS_BACK[..], &["--pipelines", "8", "--max-demand", "50"]].concat()
}

/// The log has one line for each outage, however many retries there were, and one for its end.
fn assert_said_once(log: &str) {
    let mut said: HashMap<_, (usize, usize)> = HashMap::new();
    for line in log.lines() {
        if let Some((what, _)) = line.split_once(" failed, and is tried again: ") {
            said.entry(what).or_default().0 += 1;
        } else if let Some(what) = line.strip_suffix(" works again") {
            said.entry(what).or_default().1 += 1;
        }
    }
    assert!(!said.is_empty(), "there was an outage");
    for (what, (begun, ended)) in said {
        // Four batches are sent at the same time.
        let most = if what == "Deleting messages" { 4 } else { 1 };
        assert!(begun <= most, "{what} failed {begun} times");
        // A download stops if another receiver has its message by then, and messages that are done need no more changes.
        let may_not_end = ["Downloading", "Changing"].iter().any(|it| what.starts_with(it));
        assert!(begun == ended || may_not_end && begun > ended, "{what}: {begun}, {ended}");
    }
}

async fn assert_ends_well(scene: &Scene, mut running: Running) -> String {
    let ended = running.wait_for_end();
    let log = running.log();
    assert_eq!(ended.code(), Some(0));
    scene.assert_all_done().await;
    log
}

/// A disk that fails is this machine's fault: the message waits here, and none of its tries is spent.
#[tokio::test(flavor = "multi_thread")]
async fn results_cannot_be_written_for_a_while() {
    let mut scene = Scene::new().await;
    let mut running = scene.start(&["--wait", "1"]);
    running.wait_for("SQS.Supervisor Pipeline1");
    let output = scene.world.output.path().to_owned();
    let elsewhere = output.with_extension("away");
    std::fs::rename(&output, &elsewhere).unwrap();
    scene.put("file.gz", "line\n").await;
    running.wait_for("failed, and is tried again: No such file or directory");
    std::fs::rename(&elsewhere, &output).unwrap();
    running.wait_for(" works again");
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(0));
    scene.assert_all_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens() {
    let scene = Scene::with_files(200).await;
    let running = scene.start(&eager());
    running.wait_for("Consumer processed");
    scene.proxy.refuse_connections().await;
    running.wait_for("Receiving from SQS failed");
    scene.proxy.accept_connections().await.unwrap();
    assert_said_once(&assert_ends_well(&scene, running).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_valid() {
    let scene = Scene::with_files(200).await;
    let running = scene.start(&eager());
    running.wait_for("Consumer processed");
    for operation in OPERATIONS {
        scene.proxy.fault(operation, Status(403, "ExpiredToken"));
    }
    running.wait_for("Receiving from SQS failed");
    // The step keeps retrying, but does not log that.
    let tried = scene.proxy.count("ReceiveMessage");
    scene.until_requests("ReceiveMessage", tried + 2).await;
    scene.proxy.clear();
    assert_said_once(&assert_ends_well(&scene, running).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_wants_less_of_us() {
    let scene = Scene::with_files(50).await;
    scene.proxy.fault_times("GetObject", 20, Status(503, "SlowDown"));
    let log = assert_ends_well(&scene, scene.start(&UNTIL_IDLE)).await;
    assert_said_once(&log);
    assert_eq!(scene.proxy.count("GetObject"), 50 + 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqs_wants_less_of_us() {
    let mut scene = Scene::with_files(50).await;
    // Slow enough that its message needs renewals.
    let bytes = scene.put("slow.gz", &noise(1000)).await;
    scene.proxy.fault("GetObject slow.gz", Slow(bytes / 4));
    for operation in OPERATIONS.iter().filter(|&&it| it != "GetObject") {
        scene.proxy.fault_times(operation, 4, Status(400, "ThrottlingException"));
    }
    let log = assert_ends_well(&scene, scene.start(&UNTIL_ALL_IS_BACK)).await;
    assert_said_once(&log);
    assert!(scene.proxy.count("ChangeMessageVisibilityBatch") > 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_takes_its_time() {
    let scene = Scene::with_files(60).await;
    for operation in OPERATIONS {
        scene.proxy.fault(operation, Latency(Duration::from_millis(300)));
    }
    let arguments = [&UNTIL_IDLE[..], &["--max-demand", "5"]].concat();
    assert_ends_well(&scene, scene.start(&arguments)).await;
    assert_eq!(scene.proxy.count("GetObject"), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_stop_in_the_middle() {
    let mut scene = Scene::with_files(20).await;
    scene.put("large.gz", &noise(10_000)).await;
    for operation in ["ReceiveMessage", "DeleteMessageBatch", "GetObject"] {
        scene.proxy.fault_times(operation, 1, StallAfter(0));
    }
    scene.proxy.fault_times("GetObject large.gz", 1, StallAfter(50_000));
    assert_ends_well(&scene, scene.start(&UNTIL_ALL_IS_BACK)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_break_off() {
    let mut scene = Scene::new().await;
    for number in 0..10 {
        scene.put(&format!("{number}.gz"), &noise(1000 + number)).await;
    }
    scene.proxy.fault_times("GetObject", 15, ResetAfter(10_000));
    let log = assert_ends_well(&scene, scene.start(&UNTIL_IDLE)).await;
    assert!(log.contains("broke off at byte"), "{log}");
}

/// Messages that are done but not deleted come back meanwhile. Their files are not processed again.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_deleted() {
    let scene = Scene::with_files(20).await;
    scene.proxy.fault("DeleteMessageBatch", Status(500, "InternalError"));
    let running = scene.start(&UNTIL_ALL_IS_BACK);
    running.wait_for("is processed already");
    scene.proxy.clear();
    assert_said_once(&assert_ends_well(&scene, running).await);
    assert_eq!(scene.proxy.count("GetObject"), 20);
}

/// Eight receives fail at the same time. They count as one outage, so the wait grows only once.
#[tokio::test(flavor = "multi_thread")]
async fn several_receives_fail_at_once() {
    let scene = Scene::with_files(100).await;
    // After a receive with ten messages, the step sends several at once.
    scene.proxy.fault_times("ReceiveMessage", 1, Latency(Duration::ZERO));
    scene.proxy.fault_times("ReceiveMessage", 8, Status(403, "AccessDeniedException"));
    let arguments = [&UNTIL_IDLE[..], &["--pipelines", "1", "--max-demand", "100"]].concat();
    assert_said_once(&assert_ends_well(&scene, scene.start(&arguments)).await);
}
