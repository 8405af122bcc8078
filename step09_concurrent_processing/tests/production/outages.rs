//! What breaks for a while, and is whole again: in the end, all is done, and the log says it once.

use std::collections::HashMap;
use std::time::Duration;

use testing::fault_proxy::Fault::{Latency, ResetAfter, Slow, StallAfter, Status};

use super::scene::{Ask, Scene, noise};
use super::support::Running;

const OPERATIONS: [&str; 4] =
    ["ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "GetObject"];
const UNTIL_IDLE: [&str; 3] = ["--until-idle", "--wait", "1"];
/// What is lost comes back before the queue is taken for empty.
const UNTIL_ALL_IS_BACK: [&str; 5] = ["--until-idle", "--visibility-timeout", "2", "--wait", "3"];

/// It asks for more files than there are: a receive is always under way.
fn eager() -> Vec<&'static str> {
    [&UNTIL_ALL_IS_BACK[..], &["--pipelines", "8", "--max-demand", "50"]].concat()
}

/// Each outage is one line, however often something was tried, and so is its end.
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
        // Four batches are on their way at the same time.
        let most = if what == "Deleting messages" { 4 } else { 1 };
        assert!(begun <= most, "{what} failed {begun} times");
        // A download whose message is somebody else's by then does not go on.
        assert!(begun == ended || what.starts_with("Downloading"), "{what}: {begun}, {ended}");
    }
}

async fn assert_ends_well(scene: &Scene, mut running: Running) -> String {
    let ended = running.wait_for_end();
    let log = running.log();
    assert_eq!(ended.code(), Some(0));
    scene.assert_all_done().await;
    log
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
    // It is tried again and again, and that is not said.
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
    // For renewals.
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

/// What is done and not deleted comes back meanwhile, and is not done again.
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

/// Eight receives fail at the same time: that is one outage, and not eight, each longer than the last.
#[tokio::test(flavor = "multi_thread")]
async fn several_receives_fail_at_once() {
    let scene = Scene::with_files(100).await;
    // When one has brought all it could, several are sent.
    scene.proxy.fault_times("ReceiveMessage", 1, Latency(Duration::ZERO));
    scene.proxy.fault_times("ReceiveMessage", 8, Status(403, "AccessDeniedException"));
    let arguments = [&UNTIL_IDLE[..], &["--pipelines", "1", "--max-demand", "100"]].concat();
    assert_said_once(&assert_ends_well(&scene, scene.start(&arguments)).await);
}
