//! An example is step 9 with another `process`, and otherwise unchanged.

use std::fs;
use std::path::Path;

/// The lines of step 9's consumer, without `process`, imports, and the comment at the top.
fn lines_around_process(consumer: &str) -> Vec<&str> {
    let begin = consumer.find("    /// Your own work").expect("step 9 marks the place");
    let (before, rest) = consumer.split_at(begin);
    let end = rest.find("\n    }\n").expect("it ends") + "\n    }\n".len();
    let lines = before.lines().chain(rest[end..].lines());
    let is_kept = |line: &&str| !["//! ", "use ", ""].iter().any(|no| is_such(line, no));
    lines.filter(is_kept).collect()
}

fn is_such(line: &str, beginning: &str) -> bool {
    if beginning.is_empty() { line.is_empty() } else { line.starts_with(beginning) }
}

#[test]
fn only_process_is_replaced() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let step09 = folder.join("../../step09_concurrent_processing/src/consumer.rs");
    let step09 = fs::read_to_string(step09).unwrap();
    let kept = lines_around_process(&step09);
    assert!(kept.len() > 20, "{kept:?}");
    for example in ["histogram", "sqlite", "filter"] {
        let file = folder.join("src/bin").join(example).join("consumer.rs");
        let consumer = fs::read_to_string(file).unwrap();
        let mut lines = consumer.lines();
        for line in &kept {
            assert!(lines.any(|other| other == *line), "{example} lacks, or has elsewhere: {line}");
        }
    }
}
