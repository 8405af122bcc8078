//! Metrics and health checks.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use testing::fault_proxy::Fault::Status;
use testing::fault_proxy::FaultProxy;

use super::support::{Running, World, gzip};

/// The response to a GET request, head and body.
fn get(address: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

/// The number after this name, which can have labels.
fn number(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.split([' ', '{']).next() == Some(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn prometheus_is_told_what_was_done() {
    let world = World::new().await;
    world.put("good.gz", gzip("one\ntwo\n")).await;
    world.put("bad.gz", &gzip("one\ntwo\n")[..15]).await;
    let mut step = world.step(&["--metrics", "127.0.0.1:0", "--retry-wait", "1000"]);
    let watched = tokio::task::spawn_blocking(move || {
        let running = Running::start(&mut step);
        let line = running.until("Serving /metrics and /healthz at http://");
        let address = line.rsplit('/').next().unwrap().to_owned();
        running.until("bad.gz failed");
        let health = get(&address, "/healthz");
        // Released messages are deleted a little later, in a batch, and then more are asked for.
        let minute = Instant::now() + Duration::from_mins(1);
        loop {
            let metrics = get(&address, "/metrics");
            let released = number(&metrics, "palleto_messages_released_total");
            let demand = number(&metrics, "palleto_demand_pending");
            if (released, demand) == (Some(2.0), Some(3.0)) || Instant::now() > minute {
                return (health, metrics);
            }
        }
    });
    let (health, metrics) = watched.await.unwrap();

    assert!(health.starts_with("HTTP/1.1 200 OK") && health.ends_with("ok\n"), "{health}");
    // One of the messages is the s3:TestEvent, which announces no file.
    for (name, wanted) in [
        ("palleto_messages_received_total", 3.0),
        ("palleto_messages_failed_total", 1.0),
        ("palleto_messages_in_flight", 0.0),
        ("palleto_files_processed_total", 1.0),
        ("palleto_files_failed_total", 1.0),
        ("palleto_lines_total", 2.0),
        ("palleto_bytes_total", 8.0),
        ("palleto_queue_wait_seconds_count", 3.0),
        ("palleto_processing_seconds_count", 2.0),
        ("palleto_demand_pending", 3.0),
    ] {
        assert_eq!(number(&metrics, name), Some(wanted), "{name} in:\n{metrics}");
    }
    assert!(metrics.contains("# HELP palleto_download_seconds"), "{metrics}");
}

/// The process lives, so no one should restart it. But it does not get any work.
#[tokio::test]
async fn a_program_that_cannot_receive_is_healthy_and_not_ready() {
    let world = World::new().await;
    let proxy = FaultProxy::start(world.local.endpoint_url()).await.unwrap();
    proxy.fault("ReceiveMessage", Status(400, "KMS.AccessDeniedException"));
    let mut step = world.step(&["--metrics", "127.0.0.1:0", "--wait", "1"]);
    step.env("AWS_ENDPOINT_URL", proxy.endpoint_url());
    let watched = tokio::task::spawn_blocking(move || {
        let running = Running::start(&mut step);
        let line = running.until("Serving /metrics and /healthz at http://");
        let address = line.rsplit('/').next().unwrap().to_owned();
        running.until("Receiving from SQS failed");
        let states = [get(&address, "/healthz"), get(&address, "/readyz")];
        proxy.clear();
        running.until("Receiving from SQS works again");
        (states, get(&address, "/readyz"))
    });
    let ([health, readiness], ready) = watched.await.unwrap();
    assert!(health.starts_with("HTTP/1.1 200 OK"), "{health}");
    assert!(readiness.starts_with("HTTP/1.1 503 "), "{readiness}");
    assert!(readiness.contains("KMS.AccessDeniedException"), "{readiness}");
    assert!(ready.starts_with("HTTP/1.1 200 OK") && ready.ends_with("ok\n"), "{ready}");
}

#[tokio::test]
async fn an_address_that_cannot_be_used_is_an_error() {
    let world = World::new().await;
    let taken = world.local.endpoint_url();
    let mut step = world.step(&["--metrics", taken.trim_start_matches("http://")]);
    let ended = tokio::task::spawn_blocking(move || step.output()).await.unwrap().unwrap();
    let error = super::support::text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1));
    assert!(error.contains("--metrics"), "{error}");
}

#[tokio::test]
async fn a_line_of_json_says_what_it_is_about() {
    let world = World::new().await;
    world.put("good.gz", gzip("one\ntwo\n")).await;
    world.put("bad.gz", &gzip("one\ntwo\n")[..15]).await;
    let mut step = world.step(&["--until-idle", "--log-format", "json"]);
    let ended = tokio::task::spawn_blocking(move || step.output()).await.unwrap().unwrap();
    let log = super::support::text(&ended.stdout);
    let line = |wanted: &str| -> Value {
        let line = log.lines().find(|line| line.contains(wanted));
        serde_json::from_str(line.unwrap_or_else(|| panic!("no {wanted} in {log}"))).unwrap()
    };
    let good = line("processed good.gz");
    assert!(good["spans"][0]["pipeline"].as_str().unwrap().starts_with("Pipeline"), "{good}");
    let message = &good["spans"][1];
    assert_eq!(message["key"], "good.gz");
    assert_eq!(message["bucket"], shared::local_aws::BUCKET);
    assert_eq!(message["receive_count"], 1);
    assert!(message["message_id"].is_string(), "{good}");
    assert_eq!(message["lines"], 2);
    assert!(message["seconds"].is_f64(), "{good}");

    let bad = line("bad.gz failed");
    assert_eq!((&bad["key"], &bad["receive_count"]), (&"bad.gz".into(), &1.into()));
    assert!(bad["spans"][0]["pipeline"].as_str().unwrap().starts_with("Pipeline"), "{bad}");
}
