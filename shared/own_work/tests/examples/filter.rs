use std::fmt::Write;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde_json::json;

use super::world::{World, gzip};

const FILTER: &str = env!("CARGO_BIN_EXE_filter");

fn unzipped(file: &[u8]) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn the_errors_are_in_a_new_object_and_that_is_not_filtered_in_its_turn() {
    let world = World::new().await;
    let (mut all, mut errors) = (String::new(), String::new());
    for number in 0..100_000_u64 {
        // Every seventh line is an error, and the lines hardly shrink by zipping.
        let noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let level = if number % 7 == 0 { "error" } else { "info" };
        let line = format!("{{\"level\": \"{level}\", \"text\": \"an error ä {noise:016x}\"}}\n");
        if number % 7 == 0 {
            errors += &line;
        }
        write!(all, "{line}").unwrap();
    }
    world.put("app/1.jsonl.gz", gzip(&all)).await;
    world.put("app/quiet.jsonl", "{\"level\": \"info\"}").await;

    let (is_well, log) = world.run(FILTER, "output").await;
    assert!(is_well, "{log}");
    let keys =
        ["app/1.jsonl.gz", "app/quiet.jsonl", "errors/app/1.jsonl.gz", "errors/app/quiet.jsonl"];
    assert_eq!(world.keys().await, keys);
    let new = world.get(keys[2]).await;
    assert!(unzipped(&new) == errors);
    assert_eq!(unzipped(&world.get(keys[3]).await), "");
    let results = world.results("output");
    let kept = json!({ "byte_size": all.len(), "kept_lines": 14_286, "written_to": keys[2] });
    assert_eq!(results[keys[0]], kept);
    assert_eq!(results[keys[1]]["kept_lines"], 0);
    world.assert_queue_is_empty().await;

    // Runs again, as if the result had been lost.
    world.put("app/1.jsonl.gz", gzip(&all)).await;
    let (is_well, _) = world.run(FILTER, "other-output").await;
    assert!(is_well);
    assert!(world.get(keys[2]).await == new, "the same bytes");
    assert_eq!(world.keys().await, keys);
    world.assert_queue_is_empty().await;
}

#[tokio::test]
async fn a_file_with_a_line_that_is_no_json_is_put_aside_at_once_and_nothing_is_written() {
    let world = World::new().await;
    world.put("app/bad.jsonl", "{\"level\": \"error\"}\n{\"level\": \"err").await;
    let (is_well, log) = world.run(FILTER, "output").await;
    assert!(!is_well, "{log}");
    assert_eq!(world.keys().await, ["app/bad.jsonl"]);
    let (_, [reason, _, key]) = world.dead_letter().await;
    assert!(reason.contains("line 2: EOF while parsing") && key == "app/bad.jsonl", "{reason}");
    world.assert_queue_is_empty().await;
}
