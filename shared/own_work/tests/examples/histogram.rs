use serde_json::json;

use super::world::{World, gzip};

const HISTOGRAM: &str = env!("CARGO_BIN_EXE_histogram");

/// This many lines of each status, mixed.
fn access_log(statuses: &[(u16, usize)]) -> String {
    let mut lines = Vec::new();
    for (status, count) in statuses {
        for number in 0..*count {
            let line = format!(
                "203.0.113.{} - - [25/Nov/2026:08:33:17 +0000] \"GET /{number}?size=200 HTTP/1.1\" {status} {} \"-\" \"curl/8.5 500\"\n",
                number % 256,
                number * 7,
            );
            // Sorting by this number separates neighbours.
            lines.push((number * 1_000_003 % 1009, line));
        }
    }
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

#[tokio::test]
async fn each_file_has_its_histogram_and_a_second_run_changes_nothing() {
    let world = World::new().await;
    let one = access_log(&[(200, 5000), (304, 321), (404, 17), (500, 1)]);
    let other = access_log(&[(200, 3), (503, 2)]).replace('\n', "\r\n") + "\nnot a line of it";
    world.put("one.gz", gzip(&one)).await;
    world.put("other.log", other.clone()).await;
    world.put("empty.log", "").await;

    let (is_well, log) = world.run(HISTOGRAM, "output").await;
    assert!(is_well && log.contains("Processed 3 files: 5345 lines"), "{log}");
    let results = world.results("output");
    assert_eq!(
        results["one.gz"],
        json!({
            "byte_size": one.len(),
            "statuses": { "200": 5000, "304": 321, "404": 17, "500": 1 },
            "other_lines": 0,
        })
    );
    assert_eq!(
        results["other.log"],
        json!({
            "byte_size": other.len(), "statuses": { "200": 3, "503": 2 }, "other_lines": 2,
        })
    );
    assert_eq!(results["empty.log"], json!({ "byte_size": 0, "statuses": {}, "other_lines": 0 }));
    world.assert_queue_is_empty().await;

    world.put("one.gz", gzip(&one)).await;
    let (is_well, log) = world.run(HISTOGRAM, "output").await;
    assert!(is_well && log.contains("one.gz is processed already"), "{log}");
    assert_eq!(world.results("output"), results);
    world.assert_queue_is_empty().await;
}

#[tokio::test]
async fn a_file_that_is_no_access_log_is_put_aside_at_once_and_the_others_are_not() {
    let world = World::new().await;
    world.put("picture.gz", gzip("\u{89}PNG\nIHDR\n")).await;
    world.put("access.log", access_log(&[(200, 1)])).await;

    let (is_well, log) = world.run(HISTOGRAM, "output").await;
    assert!(!is_well && log.contains("it has no line of an access log"), "{log}");
    assert_eq!(world.results("output").into_keys().collect::<Vec<_>>(), ["access.log"]);
    let (body, [reason, bucket, key]) = world.dead_letter().await;
    assert_eq!(body["Records"][0]["s3"]["object"]["key"], "picture.gz");
    assert!(reason.contains("it has no line of an access log"), "{reason}");
    assert_eq!((bucket.as_str(), key.as_str()), ("warehouse.development", "picture.gz"));
    world.assert_queue_is_empty().await;
}
