//! The lines of a step's log, with the fields that a picture shows.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// Log lines from level `info` up, everything that the stages trace, and the requests that SQS gets.
const LOG: &str =
    "info,aws=error,h2=error,hyper=error,rustack=off,s3s=off,stage=trace,local_aws=debug";

/// A stage by its name. Stages that share a name differ in their subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    pub name: String,
    pub subscription: u64,
}

/// A line of the log, and the fields that pictures read.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Line {
    /// Milliseconds on the paused clock, or, once all is recorded, tenths of a second since the first line.
    #[serde(skip)]
    pub at: u32,
    timestamp: String,
    level: String,
    pub message: String,
    /// The span that begins or ends.
    pub span: Span,
    spans: Vec<Span>,
    pub stage: String,
    subscription: u64,
    pub count: u32,
    pub producer: String,
    consumer: String,
    pub started: Option<String>,
    pub terminating: Option<String>,
    pub run: Option<u32>,
    pub missing: Option<u32>,
    /// Those that a stage handles, or how many there were.
    files: Option<Value>,
    key: Option<String>,
    pub operation: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Span {
    pub name: String,
    stage: String,
    subscription: u64,
    pub count: u32,
}

impl Line {
    pub fn who(&self) -> Who {
        Who { name: self.stage.clone(), subscription: self.subscription }
    }

    pub fn consumer(&self) -> Who {
        Who { name: self.consumer.clone(), subscription: self.subscription }
    }

    /// The part of this line that the transcript of a run shows. The last line of steps 8 and 9 is left out: the seconds in it
    /// are those of a clock that is not paused.
    pub fn said(&self) -> Option<&str> {
        let is_shown = ["INFO", "WARN", "ERROR"].contains(&&*self.level);
        let is_real = self.span.name.is_empty() || !["new", "close"].contains(&&*self.message);
        let is_summary = self.message.starts_with("Processed ");
        (is_shown && is_real && !is_summary).then_some(&self.message)
    }

    /// The files that a stage names while it handles them: a path, or a list as `["folder/one", "folder/two"]`.
    pub fn handled(&self) -> Option<(Who, String)> {
        let span = self.spans.iter().find(|span| span.name == "handle_events")?;
        let files = self.files.as_ref().and_then(Value::as_str);
        let paths = files.or(self.key.as_deref())?;
        let names = paths.split(['[', '"', ']']).filter_map(|path| path.rsplit_once('/'));
        let names: Vec<_> = names.map(|(_, name)| name).collect();
        Some((span.who(), names.join(", ")))
    }
}

impl Span {
    pub fn who(&self) -> Who {
        Who { name: self.stage.clone(), subscription: self.subscription }
    }
}

/// Runs a program in this folder, on the paused clock, until it has told of everything before `until`, in tenths
/// of a second after its first stage has begun, or ends by itself.
///
/// # Errors
///
/// If it cannot be run, or its log cannot be read.
pub fn record(program: &Path, arguments: &[&str], folder: &Path, until: u32) -> Result<Vec<Line>> {
    let mut command = Command::new(program);
    without_settings(&mut command);
    let mut child = Killed(
        command
            .args(arguments)
            .current_dir(folder)
            .env("PALLETO_CLOCK", "paused")
            .env("LOG_FORMAT", "json")
            .env("RUST_LOG", LOG)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?,
    );
    let output = child.0.stdout.take().context("its output is piped")?;
    let (mut before, mut lines): (Vec<Line>, Vec<Line>) = Default::default();
    for line in BufReader::new(output).lines() {
        let text = line?;
        let line = parse(&text).with_context(|| format!("cannot read {text}"))?;
        if lines.is_empty() && line.message != "ask" {
            // The program is still being set up: its lines are the beginning of the transcript.
            before.extend(line.said().is_some().then_some(line));
            continue;
        }
        let first = lines.first().map_or(line.at, |first| first.at);
        if line.at - first > until * 100 + 50 {
            break;
        }
        lines.push(line);
    }
    let first =
        lines.first().with_context(|| format!("{} asks for nothing", program.display()))?.at;
    before.append(&mut lines);
    for line in &mut before {
        line.at = (line.at.max(first) - first + 50) / 100;
    }
    Ok(before)
}

/// Keeps the settings of this environment from a program.
pub fn without_settings(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let prefixes = ["SQS_", "AWS_", "PALLETO_", "LOG_FORMAT", "RUST_LOG"];
        if prefixes.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
}

/// Kills the process when it is dropped.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads a line of the log.
pub(super) fn parse(line: &str) -> Result<Line> {
    let line: Line = serde_json::from_str(line)?;
    Ok(Line { at: milliseconds(&line.timestamp)?, ..line })
}

/// `"12.345678"` is 12345 milliseconds.
pub fn milliseconds(time: &str) -> Result<u32> {
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, "000"));
    let (Ok(seconds), Some(thousandths)) = (seconds.parse::<u32>(), fraction.get(..3)) else {
        bail!("{time} is not a time on the paused clock");
    };
    Ok(seconds * 1000 + thousandths.parse::<u32>()?)
}
