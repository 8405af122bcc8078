//! An SQS and S3 that fail now and then.

use testing::fault_proxy::Fault::{ResetAfter, Status};
use testing::fault_proxy::FaultProxy;

use super::support::{World, gzip, numbered_lines, text};

/// Broken connections and overloaded services cost no file: none fails, and none is received twice.
#[tokio::test]
async fn what_passes_is_waited_out_and_no_file_fails() {
    let world = World::new().await;
    let proxy = FaultProxy::start(world.local.endpoint_url()).await.unwrap();
    let file_of_lines = gzip(numbered_lines(200_000, 10));
    for file in 0..6 {
        world.put(&format!("{file}.gz"), file_of_lines.clone()).await;
    }
    proxy.fault_times("GetObject", 2, Status(503, "SlowDown"));
    proxy.fault_times("GetObject", 4, ResetAfter(50_000));
    proxy.fault_times("ReceiveMessage", 1, Status(503, "ServiceUnavailable"));

    let mut step = world.step(&["--until-idle"]);
    step.env("AWS_ENDPOINT_URL", proxy.endpoint_url());
    let output = tokio::task::spawn_blocking(move || step.output()).await.unwrap().unwrap();
    let log = text(&output.stdout);
    println!("{log}{}", text(&output.stderr));

    assert!(output.status.success());
    assert!(log.contains("6 files") && log.contains("0 failed"));
    assert!(proxy.count("GetObject") >= 12, "{}", proxy.count("GetObject"));
    for (key, counts) in world.results() {
        assert_eq!(counts, (200_000, 2_000_000), "{key}");
    }
    world.until_messages(0, 0).await;
}
