//! The step finds out by itself how many pipelines help.

use std::time::Duration;

use serde_json::Value;
use testing::fault_proxy::Fault::{Latency, Slow, Status};

use super::scene::{Ask, Scene, noise};
use super::support::Running;

const UNTIL_IDLE: [&str; 3] = ["--until-idle", "--wait", "1"];

#[tokio::test(flavor = "multi_thread")]
async fn far_from_s3_there_are_more_pipelines_but_no_more_than_are_allowed() {
    let scene = Scene::with_files(400).await;
    scene.proxy.fault("GetObject", Latency(Duration::from_millis(100)));
    let mut running = scene.start(&[&UNTIL_IDLE[..], &["--max-pipelines", "16"]].concat());
    assert_eq!(running.wait_for_end().code(), Some(0));
    scene.assert_all_done().await;
    assert!(scene.proxy.most_at_once("GetObject") > 6);
    // A pipeline that is replaced may still have one under way.
    assert!(scene.proxy.most_at_once("GetObject") <= 2 * 16);
    assert_eq!(scene.proxy.count("GetObject"), 400, "none is done twice");
    let requests = scene.sqs_requests();
    assert!(requests < 400 / 2, "{requests} requests to SQS");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_done_though_s3_asks_for_fewer_requests() {
    let scene = Scene::with_files(200).await;
    scene.proxy.fault("GetObject", Latency(Duration::from_millis(50)));
    scene.proxy.fault_times("GetObject", 60, Status(503, "SlowDown"));
    let mut running = scene.start(&UNTIL_IDLE);
    assert_eq!(running.wait_for_end().code(), Some(0));
    scene.assert_all_done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_number_is_kept() {
    let scene = Scene::with_files(100).await;
    scene.proxy.fault("GetObject", Latency(Duration::from_millis(50)));
    let arguments = ["--pipelines", "4", "--max-demand", "5"];
    let mut running = scene.start(&[&UNTIL_IDLE[..], &arguments].concat());
    assert_eq!(running.wait_for_end().code(), Some(0));
    scene.assert_all_done().await;
    assert_eq!(scene.proxy.most_at_once("GetObject"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_stage_can_have_a_demand_of_its_own() {
    let scene = Scene::with_files(3).await;
    let arguments = ["--pipelines", "1", "--max-demand", "5,20"];
    let mut step = scene.step(&[&UNTIL_IDLE[..], &arguments].concat());
    step.env("RUST_LOG", "info,stage=trace").env("LOG_FORMAT", "json");
    let mut running = Running::start(&mut step);
    assert_eq!(running.end().code(), Some(0));
    scene.assert_all_done().await;
    let log = running.log();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let asks: Vec<_> = lines.filter(|line| line["message"] == "ask").collect();
    let first =
        |stage: &str| asks.iter().find(|ask| ask["stage"] == stage).unwrap()["count"].clone();
    assert_eq!(first("Pipeline1 ProducerConsumer"), 5);
    assert_eq!(first("Pipeline1 Consumer"), 20);
}

/// It is told to stop while pipelines are started and stopped.
#[tokio::test(flavor = "multi_thread")]
async fn it_stops_in_order_while_it_grows() {
    let scene = Scene::with_files(400).await;
    scene.proxy.fault("GetObject", Latency(Duration::from_millis(100)));
    let mut running = scene.start(&["--visibility-timeout", "1000"]);
    super::scene::until("it has grown", async || scene.proxy.most_at_once("GetObject") > 8).await;
    running.signal("TERM");
    assert_eq!(running.wait_for_end().code(), Some(0));
    let (visible, hidden) = scene.world.messages().await;
    assert_eq!(hidden, 0, "all is given back");
    assert_eq!(visible + scene.world.results().len(), 400);
}

/// They wait at the same queue when the files come, and each finds its own number of pipelines.
#[tokio::test(flavor = "multi_thread")]
async fn three_processes_share_twelve_large_files() {
    let mut scene = Scene::new().await;
    scene.proxy.fault("GetObject", Slow(2 * 1024 * 1024));
    let mut processes: Vec<_> = (0..3).map(|_| scene.start(&["--wait", "2"])).collect();
    scene.until_requests("ReceiveMessage", 3).await;
    let large = noise(250_000);
    for number in 0..12 {
        scene.put(&format!("{number}.gz"), &large).await;
    }
    super::scene::until("all are done", async || scene.world.messages().await == (0, 0)).await;
    let shares: Vec<usize> = processes
        .iter_mut()
        .map(|process| {
            process.signal("TERM");
            assert_eq!(process.wait_for_end().code(), Some(0));
            process.log().matches(" Consumer processed ").count()
        })
        .collect();
    scene.assert_all_done().await;
    assert_eq!(shares.iter().sum::<usize>(), 12, "none is done twice: {shares:?}");
    assert!(
        shares.iter().max() <= shares.iter().min().map(|least| 2 * least).as_ref(),
        "{shares:?}"
    );
}
