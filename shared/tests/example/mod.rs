//! The examples as their users run them: as processes.

use std::env::consts::EXE_SUFFIX;
use std::process::{Command, Stdio};

/// A command that runs an example, whose output is piped, and which hears nothing of our environment's
/// settings.
///
/// A plain `cargo test` builds the examples first. With `--test`, cargo does not, and one that was built
/// before may be old: then `cargo build --examples` is up to you, with the same features.
pub fn command(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let file = format!("examples/{name}{EXE_SUFFIX}");
    let program = test.parent().and_then(|deps| deps.parent()).unwrap().join(file);
    assert!(program.exists(), "{} is not there: cargo build --examples", program.display());
    let mut command = Command::new(program);
    for setting in ["RUST_LOG", "LOG_FORMAT", "PALLETO_CLOCK", "SQS_QUEUE_NAME"] {
        command.env_remove(setting);
    }
    command.stdout(Stdio::piped());
    command
}

/// The transcripts in an example's documentation: commands, and what is shown of their output.
pub fn transcripts(main: &str) -> Vec<(&str, Vec<&str>)> {
    let blocks = main.split("//! ```console\n").skip(1);
    let blocks = blocks.map(|block| block.split("//! ```").next().unwrap());
    let lines = blocks.map(|block| block.lines().map(|line| line.trim_start_matches("//! ")));
    lines.map(|mut lines| (lines.next().unwrap(), lines.collect())).collect()
}
