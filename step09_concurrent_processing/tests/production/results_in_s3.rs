//! Results in a bucket: a file with a result there is done, no matter which program has written it.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, NotificationConfiguration, NotificationConfigurationFilter,
    QueueConfiguration, S3KeyFilter,
};
use aws_sdk_sqs::types::QueueAttributeName::QueueArn;
use serde_json::{Value, json};
use shared::local_aws::BUCKET;
use testing::fault_proxy::Fault::Status;

use super::scene::{Ask, Scene};
use super::support::{Running, text};

const RESULTS: &str = "results.development";
const UNTIL_IDLE: [&str; 5] =
    ["--until-idle", "--wait", "1", "--output", "s3://results.development/done"];

/// A scene with this many small files, and a bucket for results.
async fn scene(files: usize) -> Scene {
    let scene = Scene::with_files(files).await;
    scene.world.local.aws().s3.create_bucket().bucket(RESULTS).send().await.unwrap();
    scene
}

impl Scene {
    /// The objects in a bucket under `done/`, by key.
    async fn done_in(&self, bucket: &str) -> BTreeMap<String, Value> {
        let s3 = &self.world.local.aws().s3;
        let list = s3.list_objects_v2().bucket(bucket).prefix("done/").send().await.unwrap();
        let mut objects = BTreeMap::new();
        for object in list.contents() {
            let key = object.key().unwrap();
            let got = s3.get_object().bucket(bucket).key(key).send().await.unwrap();
            let json = got.body.collect().await.unwrap().into_bytes();
            objects.insert(key.to_owned(), serde_json::from_slice(&json).unwrap());
        }
        objects
    }

    async fn assert_each_is_done_once(&self) {
        let done = self.done_in(RESULTS).await;
        let count =
            |it: &Value| (it["line_count"].as_u64().unwrap(), it["byte_size"].as_u64().unwrap());
        let counts = done.values().map(|it| (it["key"].as_str().unwrap().to_owned(), count(it)));
        assert_eq!(counts.collect::<BTreeMap<_, _>>(), self.expected);
        assert_eq!(done.len(), self.expected.len());
        assert_eq!(self.world.messages().await, (0, 0));
    }

    /// Runs the step until it is idle, and returns its log.
    fn run(&self) -> String {
        let mut running = self.start(&UNTIL_IDLE);
        assert_eq!(running.wait_for_end().code(), Some(0));
        running.log()
    }

    /// Lets S3 tell the queue only of objects whose keys end like this.
    async fn tell_only_of(&self, suffix: &str) {
        let aws = self.world.local.aws();
        let get = aws.queue.client.get_queue_attributes().queue_url(&aws.queue.url);
        let found = get.attribute_names(QueueArn).send().await.unwrap().attributes.unwrap();
        let rule = FilterRule::builder().name(FilterRuleName::Suffix).value(suffix).build();
        let key = S3KeyFilter::builder().filter_rules(rule).build();
        let queue = QueueConfiguration::builder().queue_arn(&found[&QueueArn]);
        let queue = queue.events(Event::from("s3:ObjectCreated:*"));
        let queue = queue.filter(NotificationConfigurationFilter::builder().key(key).build());
        let all = NotificationConfiguration::builder().queue_configurations(queue.build().unwrap());
        let put = aws.s3.put_bucket_notification_configuration().bucket(BUCKET);
        put.notification_configuration(all.build()).send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_have_the_queue_and_the_bucket_in_common_and_nothing_else() {
    let scene = scene(60).await;
    let mut both = [scene.start(&UNTIL_IDLE), scene.start(&UNTIL_IDLE)];
    for running in &mut both {
        assert_eq!(running.wait_for_end().code(), Some(0));
    }
    scene.assert_each_is_done_once().await;
    assert!(scene.world.results().is_empty(), "the folder is not used");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_is_not_downloaded_again() {
    let scene = scene(1).await;
    let message = scene.receive().await.remove(0);
    scene.give_back(&message).await;
    scene.run();
    let done = scene.done_in(RESULTS).await;
    for _ in 0..2 {
        scene.world.send(message.body().unwrap()).await;
    }
    let log = scene.run();
    let already = "2 were processed already: their results are in s3://results.development/done/";
    assert!(log.contains(already), "{log}");
    assert_eq!((scene.proxy.count("GetObject"), scene.proxy.count("PutObject")), (1, 1));
    assert_eq!(scene.done_in(RESULTS).await, done);
    scene.assert_each_is_done_once().await;
}

/// The other program writes it after this one has looked for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_of_another_program_stays_and_counts_as_done() {
    let scene = scene(1).await;
    let message = scene.receive().await.remove(0);
    scene.give_back(&message).await;
    scene.run();
    let done = scene.done_in(RESULTS).await;
    scene.world.send(message.body().unwrap()).await;
    scene.proxy.fault("HeadObject", Status(404, "NoSuchKey"));
    scene.run();
    assert_eq!((scene.proxy.count("GetObject"), scene.proxy.count("PutObject")), (2, 2));
    assert_eq!(scene.done_in(RESULTS).await, done, "processed_at is the first one's");
    scene.assert_each_is_done_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_meets_another_one_is_put_again() {
    let scene = scene(1).await;
    scene.proxy.fault_times("PutObject", 2, Status(409, "ConditionalRequestConflict"));
    let log = scene.run();
    assert!(log.contains("failed, and is tried again: ConditionalRequestConflict"), "{log}");
    assert_eq!(scene.proxy.count("PutObject"), 3);
    scene.assert_each_is_done_once().await;
}

/// No message is deleted before its result is in the bucket, and none of its tries is spent.
#[tokio::test(flavor = "multi_thread")]
async fn s3_takes_no_results_for_a_while_and_the_program_is_told_to_stop_meanwhile() {
    let scene = scene(20).await;
    scene.proxy.fault("PutObject", Status(503, "SlowDown"));
    let mut running = scene.start(&UNTIL_IDLE[1..]);
    running.wait_for("Writing to s3://results.development/done/ failed, and is tried again");
    assert_eq!(scene.proxy.count("DeleteMessageBatch"), 0);
    running.signal("TERM");
    scene.proxy.clear();
    running.wait_for("Writing to s3://results.development/done/ works again");
    assert_eq!(running.wait_for_end().code(), Some(0));
    let given_back = scene.world.messages().await.0;
    scene.run();
    scene.assert_each_is_done_once().await;
    assert_eq!(scene.proxy.count("GetObject"), 20, "{given_back} were given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_would_come_back_as_files_are_refused() {
    let mut scene = Scene::new().await;
    let refused = |output: &str| {
        let ended = tokio::task::block_in_place(|| scene.step(&["--output", output]).output());
        let ended = ended.unwrap();
        assert_eq!(ended.status.code(), Some(1));
        text(&ended.stderr)
    };
    let error = refused(&format!("s3://{BUCKET}/done/"));
    assert!(error.contains("tells the queue of new objects there"), "{error}");
    assert!(error.contains("choose another place with --output"), "{error}");
    let error = refused("s3://no-such-bucket/done/");
    assert!(error.contains("there is no such bucket"), "{error}");

    // The same bucket sends no notifications of results.
    scene.tell_only_of(".gz").await;
    for greeting in scene.receive().await {
        scene.delete(&greeting).await;
    }
    scene.put("file.gz", "line\n").await;
    let output = format!("s3://{BUCKET}/done/");
    let arguments = ["--until-idle", "--wait", "1", "--output", &output];
    assert_eq!(scene.start(&arguments).wait_for_end().code(), Some(0));
    assert_eq!(scene.done_in(BUCKET).await.len(), 1);
    assert_eq!(scene.world.messages().await, (0, 0));
}

/// A topic or a rule can tell of results without the bucket saying so.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_the_queue_is_told_of_brings_forth_no_other() {
    let scene = scene(1).await;
    scene.run();
    let done = scene.done_in(RESULTS).await;
    let object = json!({ "key": done.keys().next().unwrap() });
    let s3 = json!({ "bucket": { "name": RESULTS }, "object": object });
    scene.world.send(json!({ "Records": [{ "eventName": "ObjectCreated:Put", "s3": s3 }] })).await;
    let mut step = scene.step(&UNTIL_IDLE);
    let mut running = Running::start(step.env("PALLETO_ALLOW_BUCKETS", "*"));
    assert_eq!(running.wait_for_end().code(), Some(0));
    assert_eq!(scene.done_in(RESULTS).await, done);
    assert_eq!(scene.proxy.count("GetObject"), 1);
    scene.assert_each_is_done_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_finds_out_whether_results_can_be_written_each_once() {
    let scene = scene(0).await;
    let check = |output: &str| {
        let step = || scene.step(&["--check", "--output", output]).output();
        let ended = tokio::task::block_in_place(step).unwrap();
        let printed = text(&ended.stdout);
        println!("{printed}");
        (ended.status.code(), printed)
    };
    let output = "s3://results.development/done/";
    let says = |printed: &str, mark: &str, check: &str, says: &str| {
        let start = format!("{mark:8} {check}: ");
        printed.lines().any(|line| line.starts_with(&start) && line.contains(says))
    };
    let once = format!("can be written to {output} (--output), each once");
    let is_ok = |printed: &str| says(printed, "ok", "Results", &once);
    let (code, printed) = check(output);
    assert!(code == Some(0) && is_ok(&printed), "{printed}");
    assert!(!printed.contains("Earlier results") && !printed.contains("Notification of results"));
    assert_eq!(scene.done_in(RESULTS).await.len(), 0, "it leaves nothing behind");
    // A role that may not delete leaves an object there. The next check finds out with that one.
    scene.proxy.fault_times("DeleteObject", 1, Status(403, "AccessDenied"));
    for left in [1, 0] {
        assert!(is_ok(&check(output).1));
        assert_eq!(scene.done_in(RESULTS).await.len(), left);
    }

    for (operation, fault, code, (mark, name, told)) in [
        ("PutObject", Status(200, ""), 0, ("warning", "Results", "ignores If-None-Match")),
        ("PutObject", Status(403, "AccessDenied"), 1, ("failed", "Results", "s3:PutObject")),
        ("HeadObject", Status(403, ""), 0, ("warning", "Earlier results", "s3:ListBucket")),
    ] {
        scene.proxy.clear();
        scene.proxy.fault(operation, fault);
        let (ended, printed) = check(output);
        assert!(ended == Some(code) && says(&printed, mark, name, told), "{operation} {fault:?}");
    }
    scene.proxy.clear();
    let (code, printed) = check(&format!("s3://{BUCKET}/done/"));
    assert!(code == Some(1) && printed.contains("tells the queue of new objects there"));
}
