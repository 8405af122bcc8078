//! Metrics and health checks.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testing::fault_proxy::Fault::Status;
use testing::fault_proxy::FaultProxy;

use super::support::{Running, World, gzip};

/// The response to a GET request, head and body.
fn get(address: &str, path: &str) -> String {
    ask(address, "GET", path)
}

fn ask(address: &str, method: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")
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
    let dead_letters = world.put_aside_after(3).await;
    let sqs = &world.local.aws().queue.client;
    sqs.send_message().queue_url(dead_letters).message_body("1").send().await.unwrap();
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
            let is_counted = number(&metrics, "palleto_dead_letters").is_some();
            let is_told = (released, demand) == (Some(2.0), Some(3.0)) && is_counted;
            if is_told || Instant::now() > minute {
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
        // Nothing was lost. Without this 0, Prometheus would not see the first loss as an increase.
        ("palleto_messages_lost_total", 0.0),
        ("palleto_messages_in_flight", 0.0),
        ("palleto_files_processed_total", 1.0),
        ("palleto_files_failed_total", 1.0),
        ("palleto_files_left_out_total", 0.0),
        ("palleto_lines_total", 2.0),
        ("palleto_bytes_total", 8.0),
        ("palleto_queue_wait_seconds_count", 3.0),
        ("palleto_processing_seconds_count", 2.0),
        ("palleto_demand_pending", 3.0),
        ("palleto_dead_letters", 1.0),
    ] {
        assert_eq!(number(&metrics, name), Some(wanted), "{name} in:\n{metrics}");
    }
    assert!(metrics.contains("# HELP palleto_download_seconds"), "{metrics}");
}

/// The process lives, so it should not be restarted. But it does not get any work.
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

/// A sender that names things in messages cannot fill Prometheus's memory with a series for each
/// name.
#[tokio::test]
async fn no_key_or_bucket_makes_a_series_of_its_own() {
    const BOUNDS: [&str; 15] = [
        "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "10", "60", "300",
        "1800", "10800", "+Inf",
    ];
    let world = World::new().await;
    for number in 0..5 {
        world.put(&format!("evil{number}\"}}.gz"), gzip("line\n")).await;
        world.put(&format!("evil{number}-bad.gz"), &gzip("line\n")[..15]).await;
        let s3 = json!({ "bucket": { "name": format!("evil{number}") }, "object": { "key": "k" } });
        let record = json!({ "eventName": "ObjectCreated:Put", "s3": s3 });
        world.send(json!({ "Records": [record] })).await;
    }
    let mut step = world.step(&["--metrics", "127.0.0.1:0", "--retry-wait", "1000"]);
    let metrics = tokio::task::spawn_blocking(move || {
        let running = Running::start(&mut step);
        let line = running.until("Serving /metrics and /healthz at http://");
        let address = line.rsplit('/').next().unwrap().to_owned();
        let minute = Instant::now() + Duration::from_mins(1);
        loop {
            let metrics = get(&address, "/metrics");
            let counts = ["palleto_files_processed_total", "palleto_files_failed_total"];
            if counts.map(|name| number(&metrics, name)) == [Some(5.0), Some(10.0)]
                || Instant::now() > minute
            {
                return metrics;
            }
        }
    });
    let metrics = metrics.await.unwrap();
    assert_eq!(number(&metrics, "palleto_files_failed_total"), Some(10.0), "{metrics}");
    assert!(!metrics.contains("evil"), "{metrics}");
    let (_, body) = metrics.split_once("\r\n\r\n").unwrap();
    let labels = body.lines().filter_map(|line| line.split_once('{')?.1.split_once('}'));
    for (labels, _) in labels {
        let bound = labels.strip_prefix("le=\"").and_then(|rest| rest.strip_suffix('"'));
        assert!(bound.is_some_and(|bound| BOUNDS.contains(&bound)), "{labels}");
    }
}

#[tokio::test]
async fn at_the_address_that_was_given_three_pages_can_be_read_and_nothing_else() {
    let world = World::new().await;
    let mut step = world.step(&["--metrics", "127.0.0.1:0"]);
    let asked = tokio::task::spawn_blocking(move || {
        let running = Running::start(&mut step);
        let line = running.until("Serving /metrics and /healthz at http://");
        let address = line.rsplit('/').next().unwrap();
        let port = address.strip_prefix("127.0.0.1:").unwrap();
        // A server at all of this machine's addresses would answer at this one too.
        assert!(TcpStream::connect(format!("127.0.0.2:{port}")).is_err());
        let status = |method, path| ask(address, method, path)[9..12].to_owned();
        for path in ["/metrics", "/healthz", "/readyz"] {
            assert_eq!(status("GET", path), "200");
            for method in ["POST", "PUT", "DELETE"] {
                assert_eq!(status(method, path), "405", "{method} {path}");
            }
        }
        for path in ["/", "/metrics/..", "/../etc/passwd", "/debug", "/%2e%2e/"] {
            assert_eq!(status("GET", path), "404", "{path}");
        }
    });
    asked.await.unwrap();
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
