//! Several queues: each has its own producer, and the pipelines serve them in turn.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName::{self, QueueArn, RedrivePolicy};
use serde_json::json;
use shared::local_aws::BUCKET;
use testing::fault_proxy::Fault::Latency;

use super::scene::{Ask, Scene, until};
use super::support::text;

const ELSEWHERE: &str = "elsewhere";

/// A scene with a second queue, and the URLs of both.
async fn scene() -> (Scene, [String; 2]) {
    let scene = Scene::new().await;
    let queue = &scene.world.local.aws().queue;
    let created = queue.client.create_queue().queue_name("other").send().await.unwrap();
    // It sends no notifications of its own.
    scene.world.local.aws().s3.create_bucket().bucket(ELSEWHERE).send().await.unwrap();
    let urls = [queue.url.clone(), created.queue_url.unwrap()];
    (scene, urls)
}

impl Scene {
    /// Puts a file, and tells of it through this queue.
    async fn put_for(&mut self, queue: &str, key: &str) {
        let aws = self.world.local.aws();
        if queue == aws.queue.url {
            self.put(key, "line\n").await;
            return;
        }
        let put = aws.s3.put_object().bucket(ELSEWHERE).key(key);
        put.body(b"line\n".to_vec().into()).send().await.unwrap();
        self.tell(queue, ELSEWHERE, key).await;
        self.expected.insert(key.to_owned(), (1, 5));
    }

    async fn tell(&self, queue: &str, bucket: &str, key: &str) {
        let s3 = json!({ "bucket": { "name": bucket }, "object": { "key": key } });
        let body = json!({ "Records": [{ "eventName": "ObjectCreated:Put", "s3": s3 }] });
        let send = self.world.local.aws().queue.client.send_message().queue_url(queue);
        send.message_body(body.to_string()).send().await.unwrap();
    }

    async fn attribute(&self, queue: &str, name: QueueAttributeName) -> String {
        let get = self.world.local.aws().queue.client.get_queue_attributes().queue_url(queue);
        let found = get.attribute_names(name.clone()).send().await.unwrap().attributes;
        found.unwrap().remove(&name).unwrap()
    }

    /// The keys in the messages that are visible. They are hidden from then on.
    async fn keys_in(&self, queue: &str) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        loop {
            let receive = self.world.local.aws().queue.client.receive_message().queue_url(queue);
            let receive = receive.max_number_of_messages(10).wait_time_seconds(0);
            let received = receive.visibility_timeout(1000).send().await.unwrap();
            if received.messages().is_empty() {
                return keys;
            }
            keys.extend(received.messages().iter().map(super::scene::key_in));
        }
    }
}

fn both([one, other]: &[String; 2]) -> [&str; 4] {
    ["--queue-url", one, "--queue-url", other]
}

fn keys(name: &str, count: usize) -> BTreeSet<String> {
    (0..count).map(|number| format!("{name}{number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_many_messages_does_not_make_another_one_wait() {
    let (mut scene, urls) = scene().await;
    for key in keys("many", 60) {
        scene.put_for(&urls[0], &key).await;
    }
    for key in keys("few", 10) {
        scene.put_for(&urls[1], &key).await;
    }
    let arguments = ["--until-idle", "--wait", "1", "--pipelines", "1", "--max-demand", "1"];
    let mut running = scene.start(&[&arguments[..], &both(&urls)].concat());
    assert_eq!(running.wait_for_end().code(), Some(0));
    assert_eq!(scene.world.results(), scene.expected);
    let log = running.log();
    let downloaded: Vec<_> = log.lines().filter_map(|it| it.split_once(" downloaded ")).collect();
    let last = downloaded.iter().rposition(|(_, key)| key.starts_with("few")).unwrap();
    assert_eq!(downloaded.len(), 70);
    assert!(last < 40, "{last} files were begun before the last of the few: {downloaded:?}");
    for url in &urls {
        assert_eq!(scene.keys_in(url).await, BTreeSet::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_stop_each_message_goes_back_to_its_own_queue() {
    let (mut scene, urls) = scene().await;
    for (url, name) in urls.iter().zip(["one", "other"]) {
        for key in keys(name, 20) {
            scene.put_for(url, &key).await;
        }
    }
    scene.proxy.fault("GetObject", Latency(Duration::from_millis(100)));
    let arguments = ["--wait", "1", "--pipelines", "2", "--max-demand", "5"];
    let mut running = scene.start(&[&arguments[..], &both(&urls)].concat());
    running.wait_for(" downloaded one");
    running.wait_for(" downloaded other");
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(0));
    let done: BTreeSet<_> = scene.world.results().into_keys().collect();
    assert!(done.len() < 40, "it was stopped in the middle");
    for (url, name) in urls.iter().zip(["one", "other"]) {
        let left = scene.keys_in(url).await;
        let own: BTreeSet<_> = done.iter().filter(|key| key.starts_with(name)).cloned().collect();
        assert_eq!(&left | &own, keys(name, 20), "each is done, or visible in its queue");
        assert!(left.is_disjoint(&own));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_deleted_keeps_no_other_from_being_served() {
    let (mut scene, urls) = scene().await;
    scene.put_for(&urls[0], "one").await;
    scene.put_for(&urls[1], "other").await;
    let running_for_ever = [&["--wait", "1"][..], &both(&urls)].concat();
    let mut running = scene.start(&running_for_ever);
    until("both are served", async || scene.world.results().len() == 2).await;
    let sqs = scene.world.local.aws().queue.client.clone();
    sqs.delete_queue().queue_url(&urls[1]).send().await.unwrap();
    running.wait_for(&format!("Receiving from {} failed, and is tried again", urls[1]));
    for key in keys("more", 20) {
        scene.put_for(&urls[0], &key).await;
    }
    until("the other is served", async || scene.world.results() == scene.expected).await;
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(0));
    assert_eq!(scene.keys_in(&urls[0]).await, BTreeSet::new());

    // At the start, it is a mistake in the configuration.
    let ended = tokio::task::block_in_place(|| scene.step(&running_for_ever).output()).unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(text(&ended.stderr).contains(&format!("there is no queue {}", urls[1])));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_queue_has_its_own_dead_letters() {
    let (scene, urls) = scene().await;
    let sqs = &scene.world.local.aws().queue.client;
    let mut dead = Vec::new();
    for (number, url) in urls.iter().enumerate() {
        let name = format!("dead{number}");
        let created = sqs.create_queue().queue_name(&name).send().await.unwrap().queue_url.unwrap();
        let arn = scene.attribute(&created, QueueArn).await;
        let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 3 });
        let set = sqs.set_queue_attributes().queue_url(url);
        set.attributes(RedrivePolicy, policy.to_string()).send().await.unwrap();
        scene.tell(url, "not-allowed", &format!("key{number}")).await;
        dead.push(created);
    }
    let arguments = ["--until-idle", "--wait", "1", "--allow-bucket", BUCKET];
    let mut running = scene.start(&[&arguments[..], &both(&urls)].concat());
    assert_eq!(running.wait_for_end().code(), Some(1));
    assert!(running.log().contains("2 failed"));
    for (number, dead) in dead.iter().enumerate() {
        assert_eq!(scene.keys_in(dead).await, [format!("key{number}")].into());
    }

    let check = [&["--check"][..], &both(&urls)].concat();
    let ended = tokio::task::block_in_place(|| scene.step(&check).output()).unwrap();
    let printed = text(&ended.stdout);
    for url in &urls {
        assert!(printed.contains(&format!("ok       Queue: {url}\n")), "{printed}");
    }
    assert_eq!(printed.matches("ok       sqs:ReceiveMessage: allowed").count(), 2, "{printed}");
    assert_eq!(printed.matches("ok       Redrive policy: ").count(), 2, "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_wants_to_know_which_queue() {
    let (mut scene, urls) = scene().await;
    scene.put_for(&urls[0], "file").await;
    assert_eq!(scene.keys_in(&urls[0]).await.len(), 1);
    let place = format!("s3://{BUCKET}");
    let backfill = |urls: &str, more: &[&str]| {
        let mut step = scene.step(&["--backfill", &place]);
        let ended = step.args(more).env("SQS_QUEUE_URL", urls).output();
        let ended = tokio::task::block_in_place(|| ended).unwrap();
        (ended.status.code(), text(&ended.stderr))
    };
    let (code, error) = backfill(&urls.join(","), &[]);
    assert!(code != Some(0) && error.contains("name one of them"), "{error}");
    let (code, error) = backfill(&urls.join(","), &["--queue-url", &urls[1]]);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(scene.keys_in(&urls[0]).await, BTreeSet::new());
    assert_eq!(scene.keys_in(&urls[1]).await, ["file".to_owned()].into());
}
