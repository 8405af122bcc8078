//! SQS delivers at least once, so finished files are skipped.

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use serde_json::json;
use shared::local_aws::BUCKET;
use testing::fault_proxy::Fault::{HalfFails, ResetAfter};

use super::scene::{Ask, Scene, record_in};
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

/// Some S3s, and programs that rewrite events, have an empty version or `null` for an object without versions. S3 has no
/// version of such a name if the bucket is versioned by now.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_without_versions_is_known_by_its_content() {
    let mut scene = Scene::new().await;
    let s3 = &scene.world.local.aws().s3;
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
    let versioning = s3.put_bucket_versioning().bucket(BUCKET);
    versioning.versioning_configuration(enabled.build()).send().await.unwrap();
    let files = [("empty.gz", ""), ("null.gz", "null")];
    for (lines, new) in [("one\n", 1), ("one\ntwo\n", 1), ("one\ntwo\n", 0)] {
        let mut records = Vec::new();
        for (key, version) in files {
            scene.put(key, lines).await;
            let message = scene.receive().await.remove(0);
            scene.delete(&message).await;
            let mut record = record_in(&message);
            record["s3"]["object"]["versionId"] = version.into();
            records.push(record);
        }
        scene.world.send(json!({ "Records": records })).await;
        let before = scene.proxy.count("GetObject");
        let mut running = scene.start(&["--until-idle", "--wait", "1"]);
        assert_eq!(running.wait_for_end().code(), Some(0));
        assert_eq!(scene.proxy.count("GetObject"), before + new * files.len());
        scene.assert_all_done().await;
    }
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

/// SQS deletes one message of two, and can never delete the other one. Its file is done, but the queue is not empty.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_deleted_is_counted_in_the_last_line() {
    let scene = Scene::with_files(2).await;
    scene.proxy.fault("DeleteMessageBatch", HalfFails { sender_fault: true });
    let arguments = ["--wait", "1", "--until-idle", "--visibility-timeout", "1000"];
    let arguments = [&arguments[..], &["--pipelines", "1", "--max-demand", "2"]].concat();
    let mut running = scene.start(&arguments);
    assert_eq!(running.wait_for_end().code(), Some(1));
    let log = running.log();
    let left = scene.world.messages().await;
    let failed = format!("Processed 2 files: 3 lines, 15 bytes, {} failed", left.1);
    assert!(left.1 > 0 && log.lines().last().unwrap().contains(&failed), "{left:?}");
}
