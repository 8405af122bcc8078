//! SQS delivers at least once, so finished files are skipped.

use testing::fault_proxy::Fault::ResetAfter;

use super::scene::{Ask, Scene};
use super::support::gzip;

#[tokio::test(flavor = "multi_thread")]
async fn the_same_content_is_downloaded_once_and_another_one_again() {
    let mut scene = Scene::new().await;
    scene.put("file.gz", "line\n").await;
    let message = scene.receive().await.remove(0);
    scene.give_back(&message).await;
    let run = || {
        let ended = scene.start(&["--until-idle", "--wait", "1"]).wait_for_end();
        assert_eq!(ended.code(), Some(0));
        scene.proxy.count("GetObject")
    };
    assert_eq!(run(), 1);
    scene.assert_all_done().await;

    scene.world.send(message.body().unwrap()).await;
    scene.world.send(message.body().unwrap()).await;
    assert_eq!(run(), 1);
    scene.assert_all_done().await;

    scene.world.put("file.gz", gzip("another\nline\n")).await;
    assert_eq!(run(), 2);
    assert_eq!(scene.world.results()["file.gz"], (2, 13));
    // The first message arrives again, late, and about content that was replaced.
    scene.world.send(message.body().unwrap()).await;
    run();
    assert_eq!(scene.world.results()["file.gz"], (2, 13));
    assert_eq!(scene.world.messages().await, (0, 0));
}

/// SQS answers, but the answer is lost. No receiver has those messages until they become visible
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_lost_answer_come_back() {
    let scene = Scene::with_files(20).await;
    scene.proxy.fault_times("ReceiveMessage", 4, ResetAfter(0));
    let arguments =
        ["--visibility-timeout", "2", "--wait", "3", "--max-demand", "10", "--until-idle"];
    assert_eq!(scene.start(&arguments).wait_for_end().code(), Some(0));
    scene.assert_all_done().await;
    assert_eq!(scene.proxy.count("GetObject"), 20);
}

/// SQS deletes, but the answer is lost. Deleting again does no harm.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_whose_answer_is_lost_is_tried_again() {
    let scene = Scene::with_files(20).await;
    scene.proxy.fault_times("DeleteMessageBatch", 4, ResetAfter(0));
    let ended = scene.start(&["--wait", "1", "--until-idle"]).wait_for_end();
    assert_eq!(ended.code(), Some(0));
    scene.assert_all_done().await;
}
