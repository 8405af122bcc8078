//! The step's output: its format, and where it goes.

use std::io::{BufRead, BufReader};
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use super::support::{step, text};

fn run(settings: &[(&str, &str)]) -> Output {
    let output = TempDir::new().unwrap();
    let mut step = step(&["--until-idle", "--wait", "1", "--output"]);
    step.arg(output.path()).arg("Cargo.toml").envs(settings.iter().copied()).output().unwrap()
}

#[test]
fn the_bare_message_is_the_default() {
    let ended = run(&[]);
    let log = text(&ended.stdout);
    assert!(log.lines().any(|line| line == "Initalised SQS.Producer"), "{log}");
    assert_eq!(text(&ended.stderr), "", "logs go to standard output");
}

#[test]
fn json_is_an_object_a_line_with_fields() {
    let log = text(&run(&[("LOG_FORMAT", "json")]).stdout);
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.last().unwrap();
    assert_eq!(summary["level"], "INFO");
    assert_eq!(summary["files"], 1);
    assert!(summary["timestamp"].is_string() && summary["target"].is_string(), "{summary}");
}

#[test]
fn full_has_level_target_and_fields() {
    let log = text(&run(&[("LOG_FORMAT", "full")]).stdout);
    let summary = log.lines().last().unwrap();
    assert!(summary.contains("INFO") && summary.contains("shared::results"), "{summary}");
    assert!(summary.contains("failed"), "{summary}");
    assert!(!log.contains('\x1b'), "no colour in a pipe");
}

#[test]
fn the_lines_can_be_chosen() {
    assert_eq!(text(&run(&[("RUST_LOG", "off")]).stdout), "");
    let log = text(&run(&[("RUST_LOG", "shared::results=info")]).stdout);
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[test]
fn wrong_settings_are_named_and_not_used() {
    let ended = run(&[("LOG_FORMAT", "xml")]);
    let error = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2));
    assert!(error.contains("LOG_FORMAT") && error.contains("full or json"), "{error}");

    let log = text(&run(&[("RUST_LOG", "a=b=c")]).stdout);
    assert!(log.contains("RUST_LOG is not used"), "{log}");
    assert!(log.contains("Initalised SQS.Producer"), "{log}");
}

/// `cargo run … | head -1`
#[test]
fn it_ends_quietly_when_nobody_reads_on() {
    let output = TempDir::new().unwrap();
    let mut child = step(&["--output"]).arg(output.path()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success());
    assert_eq!(text(&ended.stderr), "");
}
