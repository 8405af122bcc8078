//! Keeps a README true: runs the commands that it shows, and compares what it shows with what happens.
//!
//! A transcript is a `console` block of the README that has a `$ cargo run -p` of the step in it. Its
//! commands run one after the other in a new folder. A line `...` stands for any lines; if it is the
//! last one, the command goes on and is ended there.

mod lines;
mod process;
mod readme;
mod renew;
mod rule;

use std::io;
use std::path::Path;
use std::process::ExitStatus;

use process::Process;
use readme::Shown;
use rule::Rule;

/// A line that stands for any lines.
const GAP: &str = "...";

/// Why a transcript is not true, or why that cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is shown is not what happens.
    #[error("$ {command}\n{difference}")]
    Untrue {
        /// That of the README.
        command: String,
        /// Where they differ.
        difference: String,
    },
    /// A command failed.
    #[error("$ {command}\nended with {status}")]
    Failed {
        /// That of the README.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A command cannot be shown anew.
    #[error("$ {command}\n{why}")]
    Stuck {
        /// That of the README.
        command: String,
        /// What is in the way.
        why: String,
    },
    /// Nothing to check.
    #[error("the README shows no `$ {0}` in a console block")]
    NoTranscript(String),
    /// No command can be run.
    #[error("cannot run a command")]
    Io(#[from] io::Error),
}

/// Checks that the transcripts are what happens: to the letter for steps 1 to 5, on the paused clock (see
/// [`init`](crate::init)), where every run is the same; but for ids and seconds for steps 6 and 7; and
/// in any order for steps 8 and 9.
///
/// `program` is the step's executable.
///
/// # Panics
///
/// If it is not so.
pub fn check(program: &str, readme: &str) {
    let checked = run_all(Path::new(program), readme, |rule, shown, process| {
        let judged = rule.compare(&shown.output, &mut process.lines);
        // For the output of a test that fails.
        eprintln!("$ {}\n{}", shown.command, process.lines.seen().join("\n"));
        let untrue = |difference| Error::Untrue { command: shown.command.clone(), difference };
        judged.map_err(untrue)
    });
    if let Err(error) = checked {
        panic!("{error}");
    }
}

/// The README with its transcripts as they are true, by the same rules as [`check`]'s. What is true already stays as it is, to the letter;
/// a command of which something else is shown is shown anew, with the gaps where they were.
///
/// # Errors
///
/// If a command cannot be run, fails, or no longer prints what is shown after a gap.
pub fn renew(program: &Path, readme: &str) -> Result<String, Error> {
    let mut renewed = String::new();
    let mut copied = 0;
    run_all(program, readme, |rule, shown, process| {
        if rule.compare(&shown.output, &mut process.lines).is_err() {
            let lines = renew::renew(&shown.output, &mut process.lines, |line| rule.mask(line));
            let lines =
                lines.map_err(|why| Error::Stuck { command: shown.command.clone(), why })?;
            renewed += &readme[copied..shown.range.start];
            renewed.extend(lines.iter().map(|line| format!("{line}\n")));
            copied = shown.range.end;
        }
        Ok(())
    })?;
    Ok(renewed + &readme[copied..])
}

/// Whether a README shows a transcript of this program.
pub fn is_shown(program: &Path, readme: &str) -> bool {
    !readme::commands(readme, &run_command(&name(program))).is_empty()
}

fn name(program: &Path) -> String {
    program.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn run_command(name: &str) -> String {
    format!("cargo run -p {name}")
}

/// Runs all commands of the README's transcripts. `judge` gets what is shown of a command, and the
/// process, which it is to read as far as the README shows it.
fn run_all(
    program: &Path,
    readme: &str,
    mut judge: impl FnMut(Rule, &Shown, &mut Process) -> Result<(), Error>,
) -> Result<(), Error> {
    let name = name(program);
    let (run, rule) = (run_command(&name), Rule::of(&name));
    let commands = readme::commands(readme, &run);
    if commands.is_empty() {
        return Err(Error::NoTranscript(run));
    }
    let folder = tempfile::tempdir()?;
    for shown in &commands {
        let script = match shown.command.strip_prefix(&run) {
            Some(arguments) => {
                let arguments = arguments.trim().trim_start_matches("-- ");
                format!("exec '{}' {arguments}", program.display())
            }
            None => shown.command.clone(),
        };
        let mut process = Process::start(&script, rule.clock(), folder.path())?;
        judge(rule, shown, &mut process)?;
        if !shown.is_ended_there() {
            let status = process.wait()?;
            if !status.success() {
                return Err(Error::Failed { command: shown.command.clone(), status });
            }
        }
    }
    Ok(())
}
