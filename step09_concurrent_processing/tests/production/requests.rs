//! The cost: how many requests are sent, and how many messages are taken at once.

use std::time::Duration;

use testing::fault_proxy::Fault::Latency;

use super::scene::{Ask, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_takes_less_than_a_quarter_of_a_request_to_sqs() {
    let scene = Scene::with_files(1000).await;
    let mut running = scene.start(&["--until-idle", "--wait", "1", "--max-demand", "20"]);
    assert_eq!(running.wait_for_end().code(), Some(0));
    scene.assert_all_done().await;
    let requests = scene.sqs_requests();
    println!("{requests} requests to SQS for 1000 files");
    assert!(requests < 250, "{requests}");
    assert_eq!(scene.proxy.count("GetObject"), 1000);
}

/// Three pipelines ask for twenty files each, and make no progress. The step takes no more messages
/// than that.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_taken_than_is_asked_for() {
    let scene = Scene::with_files(200).await;
    scene.proxy.fault("ReceiveMessage", Latency(Duration::from_millis(200)));
    scene.proxy.fault("GetObject", Latency(Duration::from_secs(1000)));
    let running = scene.start(&["--visibility-timeout", "1000", "--max-demand", "20"]);
    scene.world.until_messages(140, 60).await;
    scene.until_requests("GetObject", 3).await;
    // The step received all that it may ask for, with hardly more requests than necessary, several
    // at a time.
    let receives = scene.proxy.count("ReceiveMessage");
    assert!((6..=9).contains(&receives), "{receives}");
    assert!(scene.proxy.most_at_once("ReceiveMessage") >= 2);
    drop(running);

    scene.proxy.clear();
    scene.proxy.fault("ReceiveMessage", Latency(Duration::from_millis(50)));
    let mut running = scene.start(&["--visibility-timeout", "1000", "--max-demand", "20"]);
    let (mut processed, mut most) = (0, 0);
    super::scene::until("all but the lost ones are done", async || {
        let (visible, hidden) = scene.world.messages().await;
        // A message is hidden until it is deleted, so the hidden ones are too many.
        processed += running.count("Consumer processed");
        most = most.max((140 - visible).saturating_sub(processed));
        (visible, hidden) == (0, 60)
    })
    .await;
    assert!(most <= 3 * 2 * 20, "{most}");
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(0));
    assert_eq!(scene.world.results().len(), 140);
}
