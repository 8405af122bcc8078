//! What a step's log tells of a run, as far as a picture shows it: the fields of its lines.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Log lines from level `info` up, everything that the stages trace, and the requests that SQS gets.
const LOG: &str = "info,aws=error,h2=error,hyper=error,rustack=off,s3s=off,shared::stage=trace,shared::local_aws=debug";

/// One line of the log that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Milliseconds since the run began, or, when all is recorded, tenths of a second.
    pub at: u32,
    pub what: What,
}

/// A stage by its name. Stages that share a name differ in their subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    pub name: String,
    pub subscription: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Ask {
        by: Who,
        of: String,
        count: u32,
    },
    /// The first stage is handed what it was asked for.
    Demand {
        count: u32,
    },
    /// A stage's own source brings events.
    Emit {
        by: String,
        count: u32,
    },
    /// Events that nobody has asked for come into its buffer, or leave it.
    Buffer {
        by: String,
        count: u32,
    },
    Dispatch {
        by: String,
        to: Who,
        count: u32,
    },
    Begins {
        who: Who,
    },
    Done {
        who: Who,
    },
    Starts {
        id: u32,
    },
    Terminates {
        id: u32,
    },
    /// A loop looks for events. In steps 2 and 3 it has one run only, without a number.
    Run {
        run: Option<u32>,
        missing: u32,
    },
    /// A stage names the files that it handles.
    Files {
        by: Who,
        names: String,
    },
    /// SQS is asked to delete messages.
    Deletes,
}

/// Runs a program in this folder, on the paused clock, until it has told of everything before `until`, in tenths
/// of a second after its first stage has begun, or ends by itself.
///
/// # Errors
///
/// If it cannot be run, or its log cannot be read.
pub fn record(program: &Path, arguments: &[&str], folder: &Path, until: u32) -> Result<Vec<Entry>> {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["SQS_", "AWS_", "PALLETO_"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
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
    let mut entries: Vec<Entry> = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        let Some(entry) = parse(&line).with_context(|| format!("cannot read {line}"))? else {
            continue;
        };
        let first = entries.first().map_or(entry.at, |first| first.at);
        if entry.at - first > until * 100 + 50 {
            break;
        }
        if entries.is_empty() && !matches!(entry.what, What::Ask { .. }) {
            continue; // That was when it was set up.
        }
        entries.push(entry);
    }
    let first =
        entries.first().with_context(|| format!("{} asked for nothing", program.display()))?.at;
    for entry in &mut entries {
        entry.at = (entry.at - first + 50) / 100;
    }
    Ok(entries)
}

/// Numbers the loops from 1. From step 6 on, the numbers of their tasks tell more of how the embedded SQS and S3
/// work than of the step.
pub fn renumber(entries: &mut [Entry]) {
    let mut known = Vec::new();
    for entry in entries {
        if let What::Starts { id } | What::Terminates { id } = &mut entry.what {
            if !known.contains(id) {
                known.push(*id);
            }
            *id = (1..).zip(&known).find(|(_, it)| *it == id).map_or(0, |(number, _)| number);
        }
    }
}

/// Kills the process when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A line of the log, and its fields.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    timestamp: String,
    message: String,
    span: Span,
    spans: Vec<Span>,
    stage: String,
    subscription: u64,
    count: u32,
    producer: String,
    consumer: String,
    started: Option<String>,
    terminating: Option<String>,
    run: Option<u32>,
    missing: Option<u32>,
    files: Option<String>,
    key: Option<String>,
    operation: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Span {
    name: String,
    stage: String,
    subscription: u64,
    count: u32,
}

impl Span {
    fn who(&self) -> Who {
        Who { name: self.stage.clone(), subscription: self.subscription }
    }
}

/// Reads a line of the log. `None` if no picture shows what it tells.
pub(super) fn parse(line: &str) -> Result<Option<Entry>> {
    let line: Line = serde_json::from_str(line)?;
    let at = milliseconds(&line.timestamp)?;
    Ok(line.what()?.map(|what| Entry { at, what }))
}

/// `"12.345678"` is 12345 milliseconds.
fn milliseconds(time: &str) -> Result<u32> {
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, "000"));
    let (Ok(seconds), Some(thousandths)) = (seconds.parse::<u32>(), fraction.get(..3)) else {
        bail!("{time} is not a time on the paused clock");
    };
    Ok(seconds * 1000 + thousandths.parse::<u32>()?)
}

impl Line {
    fn what(&self) -> Result<Option<What>> {
        let who = || Who { name: self.stage.clone(), subscription: self.subscription };
        Ok(Some(match (self.message.as_str(), self.span.name.as_str()) {
            ("ask", _) => What::Ask { by: who(), of: self.producer.clone(), count: self.count },
            ("emit", _) => What::Emit { by: self.stage.clone(), count: self.count },
            ("buffer", _) => What::Buffer { by: self.stage.clone(), count: self.count },
            ("dispatch", _) => {
                let to = Who { name: self.consumer.clone(), ..who() };
                What::Dispatch { by: self.stage.clone(), to, count: self.count }
            }
            ("new", "handle_demand") => What::Demand { count: self.span.count },
            ("new", "handle_events") => What::Begins { who: self.span.who() },
            ("close", "handle_events") => What::Done { who: self.span.who() },
            _ => return self.logged(),
        }))
    }

    /// What a step's own line tells.
    fn logged(&self) -> Result<Option<What>> {
        Ok(if let Some(id) = &self.started {
            Some(What::Starts { id: id.parse()? })
        } else if let Some(id) = &self.terminating {
            Some(What::Terminates { id: id.parse()? })
        } else if let Some(missing) = self.missing {
            Some(What::Run { run: self.run, missing })
        } else if self.operation == "DeleteMessageBatch" {
            Some(What::Deletes)
        } else {
            self.handled()
        })
    }

    /// The files that a stage names while it handles them: a path, or a list as `["folder/one", "folder/two"]`.
    fn handled(&self) -> Option<What> {
        let span = self.spans.iter().find(|span| span.name == "handle_events")?;
        let paths = self.files.as_ref().or(self.key.as_ref())?;
        let names = paths.split(['[', '"', ']']).filter_map(|path| path.rsplit_once('/'));
        let names: Vec<_> = names.map(|(_, name)| name).collect();
        Some(What::Files { by: span.who(), names: names.join(", ") })
    }
}
