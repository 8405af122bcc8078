//! What a step's log tells of a run, as far as a picture shows it.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The steps' own lines, all that the stages tell, and which requests SQS gets.
const LOG: &str =
    "error,step=info,s3s=off,rustack=off,shared=info,shared::stage=trace,shared::local_aws=debug";

/// One line of the log that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Milliseconds since the run began, or, when all is recorded, tenths of a second.
    pub at: u32,
    pub what: What,
}

/// A stage by its name. Those that share one are told apart by their subscription.
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
    /// The producer is handed what it was asked for.
    Demand {
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
    /// The producer looks for so many events: for all that is pending.
    Seeks {
        count: u32,
    },
    /// Step 1's server is called, and answers.
    Pulls {
        count: u32,
    },
    Pulled {
        count: u32,
    },
    Looping {
        count: u32,
    },
    Terminates {
        id: u32,
    },
    Starts {
        id: u32,
    },
    /// In steps 2 to 4 a loop does not say which it is, in steps 2 and 3 not which run either: it has one.
    Run {
        id: Option<u32>,
        run: Option<u32>,
        missing: u32,
    },
    /// The loop has found some.
    Found,
    /// And the producer has them.
    Notified {
        count: u32,
    },
    /// These files are about to be handled, or are handled.
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
        let Some(entry) = parse(&line).with_context(|| format!("what is this? {line}"))? else {
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
        let (What::Starts { id } | What::Terminates { id } | What::Run { id: Some(id), .. }) =
            &mut entry.what
        else {
            continue;
        };
        let position = known.iter().position(|it| it == id);
        let position = position.unwrap_or_else(|| {
            known.push(*id);
            known.len() - 1
        });
        *id = u32::try_from(position + 1).unwrap_or(u32::MAX);
    }
}

/// A process that ends when nobody listens to it any more.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a line of the log tells, if it is about anything that a picture shows.
pub(super) fn parse(line: &str) -> Result<Option<Entry>> {
    let line: Value = serde_json::from_str(line)?;
    let time = line["timestamp"].as_str().context("no timestamp")?;
    let what = match line["message"].as_str().context("no message")? {
        message @ ("ask" | "dispatch") => exchange(&line, message)?,
        message @ ("new" | "close") => match span(&line, message)? {
            Some(what) => what,
            None => return Ok(None),
        },
        message => match said(message).or_else(|| files(&line, message)) {
            Some(what) => what,
            None => return Ok(None),
        },
    };
    Ok(Some(Entry { at: milliseconds(time)?, what }))
}

/// `"12.345678"` is 12345 milliseconds.
fn milliseconds(time: &str) -> Result<u32> {
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, "000"));
    let (Ok(seconds), Some(thousandths)) = (seconds.parse::<u32>(), fraction.get(..3)) else {
        bail!("{time} is not a time on the paused clock");
    };
    Ok(seconds * 1000 + thousandths.parse::<u32>()?)
}

fn text(of: &Value, field: &str) -> Result<String> {
    Ok(of[field].as_str().with_context(|| format!("no {field}"))?.to_owned())
}

fn number(of: &Value, field: &str) -> Result<u64> {
    of[field].as_u64().with_context(|| format!("no {field}"))
}

fn count(of: &Value) -> Result<u32> {
    Ok(number(of, "count")?.try_into()?)
}

fn exchange(line: &Value, message: &str) -> Result<What> {
    let (stage, count, subscription) =
        (text(line, "stage")?, count(line)?, number(line, "subscription")?);
    Ok(if message == "ask" {
        let by = Who { name: stage, subscription };
        What::Ask { by, of: text(line, "producer")?, count }
    } else {
        let to = Who { name: text(line, "consumer")?, subscription };
        What::Dispatch { by: stage, to, count }
    })
}

/// A span begins or ends.
fn span(line: &Value, message: &str) -> Result<Option<What>> {
    let span = &line["span"];
    Ok(match (span["name"].as_str(), message) {
        (Some("handle_demand"), "new") => Some(What::Demand { count: count(span)? }),
        (Some("handle_events"), message) => {
            let who =
                Who { name: text(span, "stage")?, subscription: number(span, "subscription")? };
            Some(if message == "new" { What::Begins { who } } else { What::Done { who } })
        }
        _ => None,
    })
}

/// What the steps' own log lines say.
fn said(message: &str) -> Option<What> {
    let numbers: Vec<u32> = message
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    Some(match (message.split_whitespace().next()?, &numbers[..]) {
        ("Asking", &[count]) => What::Seeks { count },
        ("Pulling", &[count]) => What::Pulls { count },
        ("Received", &[count]) => What::Pulled { count },
        ("There", &[count]) => What::Looping { count },
        ("Terminating", &[id]) => What::Terminates { id },
        ("Started", &[id]) => What::Starts { id },
        ("Server", &[missing]) => What::Run { id: None, run: None, missing },
        ("Server", &[run, missing]) => What::Run { id: None, run: Some(run), missing },
        ("Server", &[id, run, missing]) => What::Run { id: Some(id), run: Some(run), missing },
        ("Sending" | "Casting", &[]) => What::Found,
        ("DeleteMessageBatch", _) => What::Deletes,
        ("SQS.Producer", &[count]) if message.contains("got notified") => What::Notified { count },
        _ => return None,
    })
}

/// The files that a stage tells of while it handles them: their names are paths.
fn files(line: &Value, message: &str) -> Option<What> {
    let spans = line["spans"].as_array()?;
    let span = spans.iter().find(|span| span["name"] == "handle_events")?;
    let by =
        Who { name: text(span, "stage").ok()?, subscription: number(span, "subscription").ok()? };
    let paths = message.split([' ', ',']).filter(|word| word.contains('/'));
    let names: Vec<_> = paths.filter_map(|path| path.rsplit('/').next()).collect();
    (!names.is_empty()).then(|| What::Files { by, names: names.join(", ") })
}
