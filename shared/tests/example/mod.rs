//! The examples as processes, as their users run them.

use std::env::consts::EXE_SUFFIX;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The example's executable.
///
/// A plain `cargo test` builds the examples first. With `--test`, cargo does not build them, and an old one may be
/// there. Then run `cargo build --examples` yourself, with the same features.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let file = format!("examples/{name}{EXE_SUFFIX}");
    let program = test.parent().and_then(|deps| deps.parent()).unwrap().join(file);
    assert!(program.exists(), "{} is not there: cargo build --examples", program.display());
    program
}

/// A command that runs an example with its output piped, and without the settings in our environment.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    for setting in ["RUST_LOG", "LOG_FORMAT", "PALLETO_CLOCK", "SQS_QUEUE_NAME"] {
        command.env_remove(setting);
    }
    command.stdout(Stdio::piped());
    command
}
