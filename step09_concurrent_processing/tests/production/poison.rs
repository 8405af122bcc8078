//! Files that cannot be processed. Each retry waits longer, until the queue moves the message to its
//! dead-letter queue.

use aws_sdk_sqs::types::QueueAttributeName::{Policy, QueueArn, RedrivePolicy};
use serde_json::{Value, json};
use shared::local_aws::BUCKET;

use super::scene::{Ask, Scene, noise, until};
use super::support::{Running, gzip};

/// Creates a dead-letter queue for messages that were received three times. Returns its URL.
pub async fn dead_letters(scene: &Scene) -> String {
    let queue = &scene.world.local.aws().queue;
    let created = queue.client.create_queue().queue_name("dead-letters").send().await.unwrap();
    let url = created.queue_url.unwrap();
    let attributes = queue.client.get_queue_attributes().queue_url(&url).attribute_names(QueueArn);
    let arn = attributes.send().await.unwrap().attributes.unwrap().remove(&QueueArn);
    let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 3 });
    let set = queue.client.set_queue_attributes().queue_url(&queue.url);
    set.attributes(RedrivePolicy, policy.to_string()).send().await.unwrap();
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_again_and_again_is_a_dead_letter() {
    let mut scene = Scene::new().await;
    let dead_letters = dead_letters(&scene).await;
    let truncated = gzip(noise(100));
    scene.world.put("truncated.gz", &truncated[..truncated.len() - 5]).await;
    scene.world.put("bomb.gz", gzip(vec![0; 20 << 20])).await;
    scene.world.put("gone.gz", "").await;
    let s3 = &scene.world.local.aws().s3;
    s3.delete_object().bucket(BUCKET).key("gone.gz").send().await.unwrap();
    scene.put("good.gz", "line\n").await;

    let arguments = ["--wait", "1", "--retry-wait", "1", "--max-ratio", "100"];
    let mut running = Running::start(scene.step(&arguments).env("LOG_FORMAT", "json"));
    let client = &scene.world.local.aws().queue.client;
    let mut keys = Vec::new();
    until("two dead letters", async || {
        let receive = client.receive_message().queue_url(&dead_letters);
        let received = receive.max_number_of_messages(10).wait_time_seconds(1).send().await;
        keys.extend(received.unwrap().messages().iter().map(super::scene::key_in));
        keys.len() == 2
    })
    .await;
    keys.sort_unstable();
    assert_eq!(keys, ["bomb.gz", "truncated.gz"]);
    until("nothing else is in the queue", async || scene.world.messages().await == (0, 0)).await;
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(0), "it was not to run until all was done");
    scene.assert_all_done().await;

    // The message waits for 1 second, for 2, and for 4. After that it must not be received again.
    let mut by_handle: Vec<_> = scene
        .told("ChangeMessageVisibilityBatch")
        .iter()
        .flat_map(|told| told["Entries"].as_array().unwrap())
        .map(|entry| entry["VisibilityTimeout"].as_i64().unwrap())
        .collect();
    by_handle.sort_unstable();
    assert_eq!(by_handle, [1, 1, 2, 2, 4, 4]);

    let log = running.log();
    let failures: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["level"] == "ERROR")
        .collect();
    assert_eq!(failures.len(), 6, "{failures:?}");
    for (key, reason) in [("truncated.gz", "cut off"), ("bomb.gz", "--max-ratio")] {
        let of_key = failures.iter().filter(|line| line["key"] == key);
        let counts: Vec<_> = of_key
            .map(|line| {
                assert_eq!(line["bucket"], BUCKET);
                let message = line["message"].as_str().unwrap();
                assert!(message.contains(reason), "{message}");
                line["receive_count"].as_u64().unwrap()
            })
            .collect();
        assert_eq!(counts, [1, 2, 3], "{key}");
    }
    assert!(log.contains(&format!("{BUCKET}/gone.gz is gone")), "{log}");
}

/// Neither is there an address for these buckets, nor can there be objects of these names. A sender can send more of
/// them than there are pipelines.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_can_never_be_processed_hold_no_good_ones_up() {
    let mut scene = Scene::new().await;
    // Without a policy, all buckets are allowed.
    let queue = &scene.world.local.aws().queue;
    let set = queue.client.set_queue_attributes().queue_url(&queue.url);
    set.attributes(Policy, "").send().await.unwrap();
    let endless = "k".repeat(100_000);
    let bad = [
        ("arn:aws:s3:::b", "k"),
        ("arn:aws:s3:nowhere-1:1:accesspoint/a", "k"),
        ("", "k"),
        ("a/b?c#d", "k"),
        (BUCKET, ""),
        (BUCKET, &endless),
    ];
    for (bucket, key) in bad {
        let s3 = json!({ "bucket": { "name": bucket }, "object": { "key": key } });
        let record = json!({ "eventName": "ObjectCreated:Put", "s3": s3 });
        scene.world.send(json!({ "Records": [record] })).await;
    }
    for number in 0..10 {
        scene.put(&format!("{number}.gz"), "line\n").await;
    }
    let mut running = scene.start(&["--until-idle", "--wait", "1", "--retry-wait", "900"]);
    assert_eq!(running.wait_for_end().code(), Some(1));
    assert_eq!(scene.world.results(), scene.expected);
    assert_eq!(scene.world.messages().await, (0, bad.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_good_objects_of_a_message_are_processed_and_it_stays_because_of_the_others() {
    let mut scene = Scene::new().await;
    scene.put("good.gz", "line\n").await;
    let message = scene.receive().await.remove(0);
    scene.delete(&message).await;
    let good = super::scene::record_in(&message);
    let mut undecodable = good.clone();
    undecodable["s3"]["object"]["key"] = "%FF".into();
    scene.world.send(json!({ "Records": [undecodable, good] })).await;
    let mut running = scene.start(&["--until-idle", "--wait", "1", "--retry-wait", "900"]);
    assert_eq!(running.wait_for_end().code(), Some(1));
    assert_eq!(scene.world.results(), scene.expected);
    assert_eq!(scene.world.messages().await, (0, 1));
    assert!(running.log().contains("%FF is not UTF-8"));
}

/// An event of an unknown kind may have created an object, so its message must not be deleted.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_s3_does_not_document_are_left_to_the_queue() {
    let mut scene = Scene::new().await;
    scene.put("good.gz", "line\n").await;
    let message = scene.receive().await.remove(0);
    scene.delete(&message).await;
    for name in ["PutObject", "ObjectRemoved:Delete", "ObjectPublished:Put"] {
        let mut record = super::scene::record_in(&message);
        record["eventName"] = name.into();
        scene.world.send(json!({ "Records": [record] })).await;
    }
    let mut running = scene.start(&["--until-idle", "--wait", "1", "--retry-wait", "900"]);
    assert_eq!(running.wait_for_end().code(), Some(1));
    assert_eq!(scene.world.results(), scene.expected);
    assert_eq!(scene.world.messages().await, (0, 1));
    let log = running.log();
    assert!(log.contains("Nothing to do for ObjectRemoved:Delete"), "{log}");
    assert!(log.contains("S3 has no event ObjectPublished:Put"), "{log}");
}

/// No retry can help, so the message is a dead letter at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_would_have_to_be_unpacked_first_is_a_dead_letter_that_says_so() {
    let mut scene = Scene::new().await;
    let dead_letters = dead_letters(&scene).await;
    scene.world.put("a.xz", b"\xfd7zXZ\0line\n").await;
    scene.world.put("b.gz.gz", gzip(gzip("line\n"))).await;
    scene.put("good.gz", "line\n").await;
    let mut running = scene.start(&["--wait", "1", "--until-idle"]);
    assert_eq!(running.wait_for_end().code(), Some(1));
    scene.assert_all_done().await;

    let receive = scene.world.local.aws().queue.client.receive_message().queue_url(dead_letters);
    let receive = receive.max_number_of_messages(10).wait_time_seconds(1);
    let received = receive.message_attribute_names("reason").send().await.unwrap();
    let mut reasons: Vec<_> = received
        .messages()
        .iter()
        .map(|message| message.message_attributes.as_ref().unwrap()["reason"].string_value.clone())
        .collect();
    reasons.sort_unstable();
    let reason = |packing| {
        let unpacked = "only gzip, zstd and bzip2 are, and only once";
        Some(format!("it is packed as {packing}, which is not unpacked here: {unpacked}"))
    };
    assert_eq!(reasons, [reason("gzip in gzip"), reason("xz")]);
    let log = running.log();
    assert!(log.contains("a.xz failed, and is put aside: it is packed as xz"), "{log}");
    assert!(log.lines().last().unwrap().contains("Processed 1 files: 1 lines, 5 bytes, 2 failed"));
}
