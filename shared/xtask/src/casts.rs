//! `cargo x casts`: recordings of the steps in the terminal, in asciinema's format.
//!
//! A recording is on tokio's paused clock, so its times are those of a run, and each recording is the same to the byte. It
//! stops at what the talk notes point at.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::deck::{Kind, Part, notes};
use crate::pictures::{Killed, without_settings};
use crate::programs::Programs;
use crate::steps::root;

/// The size of the terminal. Letters of 20 pixels fill a slide with this many columns.
const COLUMNS: usize = 98;
const ROWS: usize = 20;

/// A command that is recorded.
struct Plan {
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// After this many seconds on the clock, the recording ends.
    seconds: u32,
}

const fn plan(
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    seconds: u32,
) -> Plan {
    Plan { name, program, arguments, seconds }
}

/// A program with `--until-idle` ends by itself.
const TO_THE_END: u32 = 1000;

const PLANS: &[Plan] = &[
    plan("step01", "step01_basic_pipeline", &[], 6),
    plan("step02", "step02_async_server", &[], 6),
    plan("step03", "step03_client_api", &[], 6),
    plan("step04", "step04_simulate_waiting", &[], 70),
    plan("step05", "step05_multiple_consumers", &[], 120),
    plan("step06", "step06_process_messages", &["--visibility-timeout", "3", "hello.txt"], 9),
    plan("step07", "step07_release_messages", &["--visibility-timeout", "3", "hello.txt"], 9),
    plan("step08", "step08_download_and_process", &["--until-idle"], TO_THE_END),
    plan("step09", "step09_concurrent_processing", &["--until-idle"], TO_THE_END),
    plan("step09-check", "step09_concurrent_processing", &["--check"], TO_THE_END),
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
        let path = root().join(format!("shared/casts/{}.cast", plan.name));
        fs::write(&path, cast.marked(&points(&parts, plan)).to_text())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// What the notes point at after the first command that runs this.
fn points(parts: &[Part], plan: &Plan) -> Vec<String> {
    let runs_it = |line: &String| matches!(Shown::of(line), Ok(Some(it)) if it.name == plan.name);
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

/// Lines, and when they were printed, in milliseconds. Marks stand before the lines that they point at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cast {
    title: String,
    lines: Vec<(u32, String)>,
    /// The numbers of lines, and what they show.
    marks: BTreeMap<usize, String>,
}

impl Cast {
    /// Reads a recording that is kept.
    fn kept(name: &str) -> Result<Self> {
        let path = root().join(format!("shared/casts/{name}.cast"));
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let (head, events) = text.split_once('\n').context("it has no header")?;
        let head: Value = serde_json::from_str(head)?;
        let title = head["title"].as_str().unwrap_or_default().to_owned();
        let mut cast = Self { title, lines: Vec::new(), marks: BTreeMap::new() };
        for event in events.lines() {
            let (seconds, kind, text): (f64, String, String) = serde_json::from_str(event)?;
            if kind == "o" {
                let at = Duration::try_from_secs_f64(seconds)?.as_millis();
                cast.lines.push((u32::try_from(at)?, text.trim_end().to_owned()));
            }
        }
        Ok(cast)
    }

    /// The same with a mark at each of these texts, one after the other. What is not there has no mark.
    fn marked(mut self, texts: &[String]) -> Self {
        self.marks.clear();
        let mut from = 0;
        for text in texts {
            let found = self.lines[from..].iter().position(|(_, line)| line.contains(text));
            if let Some(found) = found {
                self.marks.insert(from + found, text.clone());
                from += found + 1;
            }
        }
        self
    }

    /// In asciinema's format, version 2.
    pub fn to_text(&self) -> String {
        let head = json!({
            "version": 2, "width": COLUMNS, "height": ROWS, "title": self.title, "idle_time_limit": 1,
        });
        let mut events = vec![head];
        for (number, (at, line)) in self.lines.iter().enumerate() {
            let seconds = f64::from(*at) / 1000.0;
            events.push(json!([seconds, "o", format!("{line}\r\n")]));
            events.extend(self.marks.get(&number).map(|mark| json!([seconds, "m", mark])));
        }
        events.iter().map(|event| event.to_string() + "\n").collect()
    }
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
    command.env("PALLETO_CLOCK", "paused").env("LOG_FORMAT", "json");
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = Killed(child.with_context(|| format!("cannot run {}", program.display()))?);
    let output = child.0.stdout.take().context("its output is piped")?;
    let mut lines: Vec<(u32, String)> = Vec::new();
    let mut first = None;
    for line in BufReader::new(output).lines() {
        let line = line?;
        let logged: Logged =
            serde_json::from_str(&line).with_context(|| format!("cannot read {line}"))?;
        if logged.closes.is_some() || logged.message == "new" {
            continue;
        }
        let at = crate::pictures::milliseconds(&logged.timestamp)?;
        let at = at - *first.get_or_insert(at);
        if at > plan.seconds * 1000 {
            break;
        }
        lines.push((at, logged.message));
    }
    let arguments = match plan.arguments {
        [] => String::new(),
        arguments => format!(" -- {}", arguments.join(" ")),
    };
    let title = format!("cargo run -p {}{arguments}", plan.program);
    Ok(Cast { title, lines, marks: BTreeMap::new() })
}

/// A command of the notes, and how it shortens what the program prints.
struct Shown {
    /// The name of the recording.
    name: &'static str,
    filters: Vec<Filter>,
}

enum Filter {
    /// Lines with one of these texts.
    Grep {
        texts: Vec<String>,
        ignores_case: bool,
    },
    Head(usize),
}

impl Shown {
    /// `None` if it is no `cargo run`, or shows the stages at work.
    ///
    /// # Errors
    ///
    /// If it is one that is not recorded, or has a pipe that is not understood.
    fn of(line: &str) -> Result<Option<Self>> {
        let line = line.strip_prefix("PALLETO_CLOCK=paused ").unwrap_or(line);
        let Some(run) = line.strip_prefix("cargo run -p ") else { return Ok(None) };
        let mut parts = run.split(" | ");
        let run = parts.next().unwrap_or_default();
        let (program, arguments) = run.split_once(" -- ").unwrap_or((run, ""));
        let arguments: Vec<_> = arguments.split_whitespace().collect();
        if arguments.contains(&"--watch") {
            return Ok(None);
        }
        let is_it = |plan: &&Plan| plan.program == program && plan.arguments == arguments;
        let plan = PLANS.iter().find(is_it);
        let plan =
            plan.with_context(|| format!("there is no recording of {line}: add it to casts.rs"))?;
        let filters: Result<_> = parts.map(Filter::of).collect();
        Ok(Some(Self { name: plan.name, filters: filters? }))
    }
}

impl Filter {
    fn of(pipe: &str) -> Result<Self> {
        if let Some(count) = pipe.strip_prefix("head -") {
            return Ok(Self::Head(count.parse()?));
        }
        let (command, texts) =
            pipe.split_once(" \"").with_context(|| format!("{pipe} is not known"))?;
        ensure!(["grep", "grep -E", "grep -iE"].contains(&command), "{command} is not known");
        let texts = texts.trim_end_matches('"').split('|').map(str::to_owned).collect();
        Ok(Self::Grep { texts, ignores_case: command.contains('i') })
    }

    fn apply(&self, lines: &mut Vec<(u32, String)>) {
        match self {
            Self::Head(count) => lines.truncate(*count),
            Self::Grep { texts, ignores_case } => lines.retain(|(_, line)| {
                let line = if *ignores_case { line.to_lowercase() } else { line.clone() };
                texts.iter().any(|text| line.contains(text))
            }),
        }
    }
}

/// The recording of a command in the notes, which stops at these texts. `None` if it is no `cargo run`.
///
/// # Errors
///
/// If there is no such recording.
pub fn of_command(line: &str, points: &[String]) -> Result<Option<Cast>> {
    let Some(shown) = Shown::of(line)? else { return Ok(None) };
    let mut cast = Cast::kept(shown.name)?;
    shown.filters.iter().for_each(|filter| filter.apply(&mut cast.lines));
    ensure!(!cast.lines.is_empty(), "{line} shows nothing");
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

    fn cast(lines: &[&str]) -> Cast {
        let lines = lines.iter().zip(0..).map(|(line, at)| (at * 500, (*line).to_owned()));
        Cast { title: "a".to_owned(), lines: lines.collect(), marks: BTreeMap::new() }
    }

    #[test]
    fn a_recording_is_marked_where_the_notes_point_at() {
        let texts = ["b", "b", "nothing"].map(str::to_owned);
        let text = cast(&["a", "b1", "c", "b2"]).marked(&texts).to_text();
        let events: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            events,
            [
                r#"[0.0,"o","a\r\n"]"#,
                r#"[0.5,"o","b1\r\n"]"#,
                r#"[0.5,"m","b"]"#,
                r#"[1.0,"o","c\r\n"]"#,
                r#"[1.5,"o","b2\r\n"]"#,
                r#"[1.5,"m","b"]"#
            ]
        );
        assert!(text.starts_with(
            r#"{"height":20,"idle_time_limit":1,"title":"a","version":2,"width":98}"#
        ));
    }

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
                    assert!(!cast.lines.is_empty());
                    assert_eq!(marked, points.iter().collect::<Vec<_>>(), "{line}");
                }
            }
        }
    }

    #[test]
    fn a_pipe_shortens_what_is_shown() {
        let command = "PALLETO_CLOCK=paused cargo run -p step05_multiple_consumers | grep \"Asking for\" | head -4";
        let cast = of_command(command, &[]).unwrap().unwrap();
        let lines: Vec<_> = cast.lines.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(lines, [10, 20, 30, 14].map(|n| format!("Asking for {n} events")));
        assert!(of_command("echo hello", &[]).unwrap().is_none());
        for unknown in ["cargo run -p step10", "cargo run -p step01_basic_pipeline | tail -3"] {
            assert!(of_command(unknown, &[]).is_err(), "{unknown}");
        }
    }
}
