//! Traces and metrics for an OpenTelemetry collector. It is in this process, and the step is another one.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

#[allow(dead_code)] // These tests do not use all of it.
#[path = "end_to_end/support.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Output};

use aws_sdk_sqs::types::MessageAttributeValue;
use serde_json::json;
use shared::local_aws::BUCKET;
use support::{Running, World, gzip, text};
use testing::otlp::Collector;
use testing::otlp::proto::common::v1::KeyValue;
use testing::otlp::proto::common::v1::any_value::Value;
use testing::otlp::proto::metrics::v1::metric::Data;
use testing::otlp::proto::metrics::v1::number_data_point;
use testing::otlp::proto::trace::v1::Span;
use testing::otlp::proto::trace::v1::span::SpanKind;
use testing::otlp::proto::trace::v1::status::StatusCode;

/// The attributes as text.
fn texts(attributes: &[KeyValue]) -> BTreeMap<&str, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = attributes.iter().map(|it| {
        let value = it.value.as_ref().and_then(|value| value.value.as_ref()).map(text);
        (it.key.as_str(), value.unwrap_or_default())
    });
    pairs.collect()
}

fn exports_to(step: &mut Command, endpoint: &str) {
    step.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        // Everything waits for the end.
        .env("OTEL_BSP_SCHEDULE_DELAY", "3600000")
        .env("OTEL_METRIC_EXPORT_INTERVAL", "3600000");
}

/// Runs the step until nothing is left to do.
async fn run(world: &World, endpoint: &str, more: &[(&str, &str)]) -> Output {
    let mut step = world.step(&["--until-idle"]);
    exports_to(&mut step, endpoint);
    step.envs(more.iter().copied());
    // This thread serves the SQS and S3 that the step uses.
    let output = tokio::task::spawn_blocking(move || step.output()).await.unwrap().unwrap();
    println!("{}{}", text(&output.stdout), text(&output.stderr));
    output
}

/// Each file's spans by name: of the file whose root has this key.
fn trace_of<'a>(spans: &'a [Span], key: &str) -> BTreeMap<&'a str, &'a Span> {
    let root = spans.iter().find(|span| {
        span.parent_span_id.is_empty()
            && texts(&span.attributes).get("aws.s3.key").is_some_and(|it| it == key)
    });
    let root = root.unwrap_or_else(|| panic!("{key} has no trace"));
    let of_it = spans.iter().filter(|span| span.trace_id == root.trace_id);
    let by_name: BTreeMap<_, _> = of_it.clone().map(|span| (span.name.as_str(), span)).collect();
    assert_eq!(by_name.len(), of_it.count(), "a name is there twice");
    for span in by_name.values().filter(|span| span.span_id != root.span_id) {
        assert_eq!(span.parent_span_id, root.span_id, "{}", span.name);
        assert!(root.start_time_unix_nano <= span.start_time_unix_nano, "{}", span.name);
        assert!(root.end_time_unix_nano >= span.end_time_unix_nano, "{}", span.name);
    }
    by_name
}

#[tokio::test]
async fn each_file_has_a_trace_from_the_receive_to_the_deleted_message() {
    let (world, collector) = (World::new().await, Collector::start().await.unwrap());
    for file in 0..20 {
        world.put(&format!("{file}.gz"), gzip("line\n".repeat(1000))).await;
    }
    let output = run(&world, &collector.endpoint(), &[("LOG_FORMAT", "json")]).await;
    assert!(output.status.success());
    let resources = collector.resources();
    let resource = texts(&resources[0].resource.as_ref().unwrap().attributes);
    assert_eq!(resource["service.name"], "palleto");

    let spans = collector.spans();
    let traces: BTreeSet<_> = spans.iter().map(|span| &span.trace_id).collect();
    assert_eq!(traces.len(), 20);
    for file in 0..20 {
        let key = format!("{file}.gz");
        let trace = trace_of(&spans, &key);
        let names: Vec<_> = trace.keys().copied().collect();
        let expected = [
            "delete queue",
            "download",
            "process",
            "process queue",
            "queue wait",
            "receive queue",
            "write",
        ];
        assert_eq!(names, expected);
        let root = texts(&trace["process queue"].attributes);
        for (name, value) in [
            ("messaging.system", "aws_sqs"),
            ("messaging.destination.name", "queue"),
            ("messaging.operation.name", "process"),
            ("messaging.operation.type", "process"),
            ("aws.s3.bucket", BUCKET),
            ("aws.s3.key", &key),
            ("palleto.receive_count", "1"),
            ("palleto.outcome", "deleted"),
        ] {
            assert_eq!(root[name], value, "{name}");
        }
        assert!(root.contains_key("messaging.message.id"));
        let operation = |name| texts(&trace[name].attributes)["messaging.operation.type"].clone();
        assert_eq!([operation("receive queue"), operation("delete queue")], ["receive", "settle"]);
        let kind = |name: &str| trace[name].kind();
        assert_eq!(kind("process queue"), SpanKind::Consumer);
        assert_eq!([kind("receive queue"), kind("delete queue")], [SpanKind::Client; 2]);
        // They follow one another.
        let ends = |name: &str| trace[name].end_time_unix_nano;
        let begins = |name: &str| trace[name].start_time_unix_nano;
        for (first, second) in [
            ("queue wait", "download"),
            ("download", "process"),
            ("process", "write"),
            ("write", "delete queue"),
        ] {
            assert!(ends(first) <= begins(second), "{first}, {second}");
        }
        // The log lines of the work are part of its span.
        let logged = &trace["process"].events;
        assert!(logged.iter().any(|event| event.name.contains("processed")), "{logged:?}");
    }
    // The log does not show the spans.
    let log = text(&output.stdout);
    assert!(log.contains(r#""name":"message""#) && !log.contains("phase"), "{log}");
}

#[tokio::test]
async fn each_file_of_a_message_has_a_trace_with_a_link_to_that_of_the_sender() {
    let (world, collector) = (World::new().await, Collector::start().await.unwrap());
    let queue = &world.local.aws().queue;
    for key in ["a.gz", "b.gz"] {
        world.put(key, gzip("line\n")).await;
    }
    // Their own messages would tell of them, too.
    queue.client.purge_queue().queue_url(&queue.url).send().await.unwrap();
    let record = |key| {
        let s3 = json!({"bucket": {"name": BUCKET}, "object": {"key": key}});
        json!({"eventName": "ObjectCreated:Put", "s3": s3})
    };
    let body = json!({"Records": [record("a.gz"), record("b.gz")]}).to_string();
    let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let header = MessageAttributeValue::builder().data_type("String").string_value(header);
    let send = queue.client.send_message().queue_url(&queue.url).message_body(body);
    send.message_attributes("traceparent", header.build().unwrap()).send().await.unwrap();

    assert!(run(&world, &collector.endpoint(), &[]).await.status.success());
    let spans = collector.spans();
    let trace = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
    let span = 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes();
    for key in ["a.gz", "b.gz"] {
        let trace_of_file = trace_of(&spans, key);
        assert_eq!(trace_of_file.len(), 7, "{key}");
        let links = &trace_of_file["process queue"].links;
        assert_eq!(links.len(), 1, "{key}");
        assert_eq!((&links[0].trace_id[..], &links[0].span_id[..]), (&trace[..], &span[..]));
    }
}

#[tokio::test]
async fn a_file_that_fails_is_an_error_in_its_trace() {
    let (world, collector) = (World::new().await, Collector::start().await.unwrap());
    world.put("good.gz", gzip("line\n")).await;
    world.put("bad.gz", &gzip("line\n".repeat(1000))[..40]).await;
    let mut step = world.step(&["--metrics", "127.0.0.1:0"]);
    exports_to(&mut step, &collector.endpoint());
    let ended = tokio::task::spawn_blocking(move || {
        let mut running = Running::start(&mut step);
        let line = running.until("Serving /metrics and /healthz at http://");
        running.until("bad.gz failed");
        // Prometheus still gets its numbers.
        let mut connection = TcpStream::connect(line.split("http://").nth(1).unwrap()).unwrap();
        connection.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let metrics = std::io::read_to_string(connection).unwrap();
        assert!(metrics.contains("\npalleto_messages_received_total "), "{metrics}");
        assert!(!metrics.contains("\npalleto_messages_received_total 0\n"), "{metrics}");
        let kill = format!("kill -TERM {}", running.child.id());
        assert!(Command::new("sh").arg("-c").arg(kill).status().unwrap().success());
        running.end()
    });
    assert_eq!(ended.await.unwrap().code(), Some(0));
    let spans = collector.spans();
    let trace = trace_of(&spans, "bad.gz");
    let root = trace["process queue"];
    assert_eq!(texts(&root.attributes)["palleto.outcome"], "failed");
    for name in ["process queue", "process"] {
        let status = trace[name].status.as_ref().unwrap();
        assert_eq!(status.code(), StatusCode::Error, "{name}");
        assert!(status.message.contains("the file is cut off"), "{status:?}");
    }
}

#[tokio::test]
async fn the_numbers_arrive_beside_those_for_prometheus() {
    for arguments in [&[][..], &["--metrics", "127.0.0.1:0"]] {
        let (world, collector) = (World::new().await, Collector::start().await.unwrap());
        for file in 0..3 {
            world.put(&format!("{file}.gz"), gzip("line\n".repeat(1000))).await;
        }
        let mut step = world.step(&[&["--until-idle"], arguments].concat());
        exports_to(&mut step, &collector.endpoint());
        let output = tokio::task::spawn_blocking(move || step.output()).await.unwrap().unwrap();
        assert!(output.status.success());
        let metrics = collector.metrics();
        let metric = |name: &str| metrics.iter().find(|metric| metric.name == name).expect(name);
        let number = |name: &str| {
            let point = match metric(name).data.as_ref().unwrap() {
                Data::Sum(sum) if sum.is_monotonic => &sum.data_points[0],
                Data::Gauge(gauge) => &gauge.data_points[0],
                other => panic!("{name} is {other:?}"),
            };
            let attributes = texts(&point.attributes);
            assert_eq!(attributes["messaging.system"], "aws_sqs");
            assert_eq!(attributes["messaging.destination.name"], "queue");
            match point.value.unwrap() {
                number_data_point::Value::AsInt(number) => {
                    f64::from(u32::try_from(number).unwrap())
                }
                number_data_point::Value::AsDouble(number) => number,
            }
        };
        for (name, value) in [
            // S3 has told of itself, too.
            ("messaging.client.consumed.messages", 4.0),
            ("palleto.messages_released", 4.0),
            ("palleto.files_processed", 3.0),
            ("palleto.files_failed", 0.0),
            ("palleto.lines", 3000.0),
            ("palleto.messages_in_flight", 0.0),
            ("palleto.pipelines", 3.0),
        ] {
            assert!((number(name) - value).abs() < f64::EPSILON, "{name}: {}", number(name));
        }
        let Some(Data::Histogram(durations)) = &metric("messaging.process.duration").data else {
            panic!()
        };
        assert_eq!(durations.data_points[0].count, 4);
        assert_eq!(metric("messaging.process.duration").unit, "s");
        assert_eq!(metric("palleto.download").unit, "s");
    }
}

#[tokio::test]
async fn a_collector_that_is_away_or_does_not_answer_holds_nothing_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let run_with = async |endpoint: &str| {
        let world = World::new().await;
        for file in 0..3 {
            world.put(&format!("{file}.gz"), gzip("line\n".repeat(1000))).await;
        }
        // A request could take an hour.
        let output = run(&world, endpoint, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000")]).await;
        assert!(output.status.success(), "{endpoint}");
        assert_eq!(world.results().len(), 3, "{endpoint}");
        world.until_messages(0, 0).await;
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(
            said.contains("OpenTelemetry") || said.contains("OTEL_EXPORTER_OTLP_ENDPOINT"),
            "{endpoint}"
        );
    };
    tokio::join!(run_with("http://127.0.0.1:1"), run_with(&silent), run_with("this is no URL"));
}
