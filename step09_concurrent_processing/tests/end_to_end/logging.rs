//! The step's output: its format, and where it goes.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::support::{self, World, gzip, step, text};

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
fn no_format_has_colours_in_a_pipe() {
    for format in ["", "full", "json"] {
        for settings in
            [&[][..], &[("NO_COLOR", "1")], &[("CLICOLOR_FORCE", "1"), ("TERM", "xterm")]]
        {
            let settings = [settings, &[("LOG_FORMAT", format), ("RUST_LOG", "trace")]].concat();
            let ended = run(&settings);
            assert!(!ended.stdout.contains(&0x1b) && !ended.stderr.contains(&0x1b), "{settings:?}");
        }
    }
}

#[test]
fn full_has_level_target_and_fields() {
    let log = text(&run(&[("LOG_FORMAT", "full")]).stdout);
    let summary = log.lines().last().unwrap();
    assert!(summary.contains("INFO") && summary.contains("shared::results"), "{summary}");
    assert!(summary.contains("failed"), "{summary}");
}

/// Keys that would forge a line, colour the terminal, overwrite the line, and turn its text around.
const EVIL: [&str; 5] = [
    "a\nProcessed 999 files: 1 lines, 1 bytes, 0 failed",
    "b\x1b[31mred\x1b[0m\x07",
    "c\rd",
    "e\u{9b}31m\u{85}f",
    "g\u{202e}h\u{2066}\u{2028}i",
];

/// Whether a terminal takes this character for more than text.
fn is_special(c: char) -> bool {
    c.is_control()
        || ('\u{2028}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
}

async fn run_with_evil_keys(format: &str) -> String {
    let world = World::new().await;
    for (number, key) in EVIL.iter().enumerate() {
        world.put(key, "line\n").await;
        world.put(&format!("{key}{number}.gz"), &gzip("line\n")[..15]).await;
    }
    // Its name is logged, too.
    let other = serde_json::json!({ "Event": "s3:TestEvent\x1b[31m\n\u{9b}31m" });
    world.send(other).await;
    let ended = world.run_until_idle(&["--log-format", format]).await;
    assert_eq!(world.results().len(), EVIL.len());
    assert!(!text(&ended.stderr).trim_end().contains(is_special));
    text(&ended.stdout)
}

#[tokio::test]
async fn text_from_outside_is_escaped() {
    for format in ["", "full"] {
        let log = run_with_evil_keys(format).await;
        let of_special: Vec<_> = log.lines().filter(|line| line.contains(is_special)).collect();
        assert!(of_special.is_empty(), "{of_special:?}");
        let summaries = log.lines().filter(|line| line.contains("Processed 5 files: 5 lines"));
        assert_eq!(summaries.count(), 1);
        assert!(!log.lines().any(|line| line.starts_with("Processed 999")), "{log}");
        for escaped in
            [r"a\nProcessed", r"c\rd", r"e\u{9b}31m\u{85}f", r"g\u{202e}h\u{2066}\u{2028}i"]
        {
            assert!(log.contains(&format!("Consumer processed {escaped}")), "{escaped}: {log}");
            assert!(log.contains(&format!("{}/{escaped}", shared::local_aws::BUCKET)), "{log}");
        }
    }
}

#[tokio::test]
async fn json_has_the_real_text_and_no_character_that_is_special() {
    let log = run_with_evil_keys("json").await;
    assert!(!log.lines().any(|line| line.contains(is_special)), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for key in EVIL {
        let said = format!("Consumer processed {key}");
        let line = lines.iter().find(|line| line["message"].as_str().unwrap().ends_with(&said));
        let line = line.unwrap_or_else(|| panic!("{said:?} in {log}"));
        assert_eq!((&line["key"], &line["spans"][1]["key"]), (&key.into(), &key.into()));
    }
}

/// The last word is an error that `main` prints, or that ends the program before it has a log.
#[tokio::test(flavor = "multi_thread")]
async fn errors_escape_what_they_name() {
    let world = World::new().await;
    let queue = "q\x1b[31m\nq";
    let mut no_folder = step(&["--output", "Cargo.toml/\x1b[31m\n"]);
    let mut no_queue = world.step(&["--queue-name", queue]);
    let mut checked = world.step(&["--check", "--queue-name", queue]);
    for step in [&mut no_folder, &mut no_queue, &mut checked] {
        step.env_remove("SQS_QUEUE_URL");
        let ended = tokio::task::block_in_place(|| step.output()).unwrap();
        let (log, error) = (text(&ended.stdout), text(&ended.stderr));
        assert_eq!((ended.status.code(), error.lines().count()), (Some(1), 1), "{error}");
        let named = log.contains(r"\u{1b}[31m") || error.contains(r"\u{1b}[31m\n");
        assert!(named, "{log}{error}");
        assert!(!log.lines().chain(error.lines()).any(|line| line.contains(is_special)));
    }
    let mut step = step(&["--output"]);
    step.arg(world.output.path()).env("PALLETO_CLOCK", "\x1b[31m\n");
    let error = text(&step.output().unwrap().stderr);
    assert!(error.contains(r"PALLETO_CLOCK=\u{1b}[31m\n is not known"), "{error}");
    // The files of a folder, as in `*.gz`, can have any name.
    let ended = support::step(&["no\x1b[31m\n.gz"]).output().unwrap();
    let error = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2));
    assert!(error.contains(r"the file no\u{1b}[31m\n.gz cannot be read"), "{error}");
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

/// `cargo run … | head`: runs the step, and closes its standard output after a line that contains `wanted`.
fn head(step: &mut Command, wanted: &str) -> Output {
    let mut child = step.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(wanted)));
    drop(lines);
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nobody_reads_on_it_gives_back_what_is_not_done_and_its_exit_code_says_so() {
    let world = World::new().await;
    for file in 0..100 {
        world.put(&format!("{file}.gz"), gzip("line\n".repeat(1000))).await;
    }
    let mut step = world.step(&["--visibility-timeout", "1000", "--max-demand", "10"]);
    let ended = tokio::task::block_in_place(|| head(&mut step, "Consumer processed"));
    assert_eq!(ended.status.code(), Some(141), "as after a SIGPIPE");
    assert_eq!(text(&ended.stderr), "");
    let done = world.results().len();
    assert!(done < 100);
    // The s3:TestEvent is a message, too. It is released or given back.
    until_visible(&world, 100 - done).await;
}

/// Waits until this many messages are visible, or one more, and none is hidden.
async fn until_visible(world: &World, count: usize) {
    let visible = async {
        loop {
            match world.messages().await {
                (visible, 0) if visible == count || visible == count + 1 => return,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), visible).await;
    assert!(waited.is_ok(), "{:?} in the queue, to be {count}", world.messages().await);
}

#[test]
fn it_ends_quietly_when_nobody_reads_on() {
    let output = TempDir::new().unwrap();
    for arguments in [&["--until-idle"][..], &["--check"], &[]] {
        let ended = head(step(arguments).arg("--output").arg(output.path()), "");
        assert_eq!((ended.status.code(), text(&ended.stderr)), (Some(141), String::new()));
    }
}
