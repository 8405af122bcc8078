//! `cargo x casts`: recordings of the steps in the terminal, in asciinema's format.
//!
//! A recording is on tokio's paused clock, so its times are those of a run, and each recording is the same to the byte. It
//! stops where the talk notes point at something.
//!
//! | file | content |
//! |---|---|
//! | [`cast`] | a recording, as a file has it |
//! | [`command`] | the commands of the notes, and how they shorten the output |

mod cast;
mod command;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::deck::{Kind, Part, notes};
use crate::pictures::{Killed, without_settings};
use crate::programs::Programs;
use crate::steps::root;
pub use cast::Cast;
use command::Shown;

/// A command that is recorded.
struct Plan {
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// After this many seconds on the clock, the recording ends.
    seconds: u32,
    /// With `--watch`: when to stop, in milliseconds, and a text that the view shows then.
    stops: &'static [(u32, &'static str)],
}

const fn plan(
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    seconds: u32,
) -> Plan {
    Plan { name, program, arguments, seconds, stops: &[] }
}

impl Plan {
    const fn stops(self, stops: &'static [(u32, &'static str)]) -> Self {
        Self { stops, ..self }
    }

    fn is_watched(&self) -> bool {
        self.arguments.contains(&"--watch")
    }

    /// The command that it records.
    fn title(&self) -> String {
        let arguments = match self.arguments {
            [] => String::new(),
            arguments => format!(" -- {}", arguments.join(" ")),
        };
        format!("cargo run -p {}{arguments}", self.program)
    }
}

/// A program with `--until-idle` ends by itself.
const TO_THE_END: u32 = 1000;

const PLANS: &[Plan] = &[
    plan("step01", "step01_basic_pipeline", &[], 6),
    plan("step02", "step02_async_server", &[], 6),
    plan("step03", "step03_client_api", &[], 6),
    plan("step04", "step04_simulate_waiting", &[], 70),
    plan("step05", "step05_multiple_consumers", &[], 120),
    plan("step05-watch", "step05_multiple_consumers", &["--watch"], 95).stops(&[
        (1000, "looking for 30"),
        (85_000, "looking for 8"),
        (92_000, "looking for 14"),
    ]),
    plan("step06", "step06_process_messages", &["--visibility-timeout", "3", "hello.txt"], 9),
    plan("step07", "step07_release_messages", &["--visibility-timeout", "3", "hello.txt"], 9),
    plan("step08", "step08_download_and_process", &["--until-idle"], TO_THE_END),
    plan("step09", "step09_concurrent_processing", &["--until-idle"], TO_THE_END),
    plan("step09-check", "step09_concurrent_processing", &["--check"], TO_THE_END),
    plan(
        "step09-watch",
        "step09_concurrent_processing",
        &["--watch", "--latency", "500ms", "--output", "output9"],
        18,
    )
    .stops(&[(6000, "Pipeline3")]),
];

/// Makes all recordings, and writes them.
///
/// # Errors
///
/// If a program cannot be built or run, or a recording cannot be written.
pub fn write() -> Result<()> {
    let programs = Programs::build()?;
    let parts = notes()?;
    for plan in PLANS {
        let program = programs.named(plan.program)?;
        let cast = record(plan, &program).with_context(|| plan.name.to_owned())?;
        let cast = if plan.is_watched() {
            cast.stopping(plan.stops)
        } else {
            cast.marked(&points(&parts, plan))
        };
        let path = root().join(format!("shared/casts/{}.cast", plan.name));
        fs::write(&path, cast.to_text())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The texts that the notes point at after the first command that runs this.
fn points(parts: &[Part], plan: &Plan) -> Vec<String> {
    let runs_it =
        |line: &String| matches!(Shown::of(line), Ok(Some(it)) if it.plan.name == plan.name);
    let items = parts.iter().flat_map(|part| &part.items);
    let mut after = items
        .skip_while(|item| !matches!(&item.kind, Kind::Type(lines) if lines.iter().any(runs_it)));
    after.next();
    after
        .next()
        .filter(|item| item.kind == Kind::PointAt)
        .map(|it| it.code.clone())
        .unwrap_or_default()
}

/// A line of a log.
#[derive(Deserialize)]
struct Logged {
    timestamp: String,
    message: String,
    /// A span that begins or ends is no line of the usual log.
    #[serde(rename = "time.busy")]
    closes: Option<Value>,
}

fn record(plan: &Plan, program: &Path) -> Result<Cast> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("hello.txt"), "hello\n")?;
    let mut command = Command::new(program);
    without_settings(&mut command);
    command.args(plan.arguments).current_dir(folder.path());
    command.env("PALLETO_CLOCK", "paused");
    if !plan.is_watched() {
        command.env("LOG_FORMAT", "json");
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = Killed(child.with_context(|| format!("cannot run {}", program.display()))?);
    let output = BufReader::new(child.0.stdout.take().context("its output is piped")?);
    let mut cast = Cast::new(plan.title());
    let mut first = None;
    for line in output.lines() {
        let line = line?;
        let (at, text) = if plan.is_watched() {
            let Some(frame) = cast.read(&line)? else { continue };
            frame
        } else {
            let logged: Logged =
                serde_json::from_str(&line).with_context(|| format!("cannot read {line}"))?;
            if logged.closes.is_some() || logged.message == "new" {
                continue;
            }
            let at = crate::pictures::milliseconds(&logged.timestamp)?;
            (at - *first.get_or_insert(at), logged.message + "\r\n")
        };
        if at > plan.seconds * 1000 {
            break;
        }
        cast.events.push((at, text));
    }
    Ok(cast)
}

/// The recording of this name, as it is kept.
///
/// # Errors
///
/// If there is none.
pub fn kept(name: &str) -> Result<Cast> {
    let path = root().join(format!("shared/casts/{name}.cast"));
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Cast::of(&text).with_context(|| path.display().to_string())
}

/// The recording of a command in the notes, which stops at these texts. `None` if it is no `cargo run`.
///
/// # Errors
///
/// If there is no such recording.
pub fn of_command(line: &str, points: &[String]) -> Result<Option<Cast>> {
    let Some(shown) = Shown::of(line)? else { return Ok(None) };
    let mut cast = kept(shown.plan.name)?;
    if shown.plan.is_watched() {
        return Ok(Some(cast.up_to(points)));
    }
    shown.filters.iter().for_each(|filter| filter.apply(&mut cast.events));
    ensure!(!cast.events.is_empty(), "{line} shows nothing");
    Ok(Some(cast.marked(points)))
}

/// A recording as HTML, which `theme/cast.js` plays.
pub fn figure(cast: &str) -> String {
    // An empty line would end the HTML in Markdown; there is none.
    let cast = cast.replace("</", "<\\/");
    format!("<figure class=\"cast\"><script type=\"text/x-asciicast\">\n{cast}</script></figure>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_notes_has_a_recording_that_shows_what_they_point_at() {
        for part in notes().unwrap() {
            for (index, item) in part.items.iter().enumerate() {
                let Kind::Type(lines) = &item.kind else { continue };
                let next = part.items.get(index + 1).filter(|next| next.kind == Kind::PointAt);
                let points = next.map(|next| next.code.clone()).unwrap_or_default();
                for line in lines {
                    let Some(cast) = of_command(line, &points).unwrap() else { continue };
                    let marked: Vec<_> = cast.marks.values().collect();
                    assert!(!cast.events.is_empty());
                    assert_eq!(marked, points.iter().collect::<Vec<_>>(), "{line}");
                }
            }
        }
    }

    #[test]
    fn a_pipe_shortens_what_is_shown() {
        let command = "PALLETO_CLOCK=paused cargo run -p step05_multiple_consumers | grep \"Asking for\" | head -4";
        let cast = of_command(command, &[]).unwrap().unwrap();
        let lines: Vec<_> = cast.events.iter().map(|(_, line)| line.trim_end()).collect();
        assert_eq!(lines, [10, 20, 30, 14].map(|n| format!("Asking for {n} events")));
        assert!(of_command("echo hello", &[]).unwrap().is_none());
        for unknown in ["cargo run -p step10", "cargo run -p step01_basic_pipeline | tail -3"] {
            assert!(of_command(unknown, &[]).is_err(), "{unknown}");
        }
    }
}
