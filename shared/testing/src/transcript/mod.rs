//! Keeps a README true: runs the commands that it shows, and compares their output with the README.
//!
//! A transcript is a `console` block of the README with a `$ cargo run` of the program in it. Its commands run
//! one after the other in a new folder. A line `...` stands for any lines; if it is the last one, the
//! command goes on and is ended there.
//!
//! The block says how exactly the output has to match:
//!
//! | Block | Rule |
//! |---|---|
//! | `console` | to the letter, on the paused clock (`PALLETO_CLOCK`), because every run is the same there |
//! | `console varying-ids` | but for the numbers of tasks and ports, for seconds, and for random ids |
//! | `console any-order` | the same lines in any order, because work that is done at the same time ends in any order |

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
    #[error("the README shows no `$ cargo run` of {0} in a console block")]
    NoTranscript(String),
    /// No command can be run.
    #[error("cannot run a command")]
    Io(#[from] io::Error),
}

/// Checks that the README's transcripts of a program are what happens. `program` is its executable.
///
/// # Panics
///
/// If it is not so.
pub fn check(program: &str, readme: &str) {
    let checked = run_all(Path::new(program), readme, |shown, process| {
        let judged = shown.rule.compare(&shown.output, &mut process.lines);
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
    run_all(program, readme, |shown, process| {
        if shown.rule.compare(&shown.output, &mut process.lines).is_err() {
            let mask = |line: &str| shown.rule.mask(line);
            let lines = renew::renew(&shown.output, &mut process.lines, mask);
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
    !readme::commands(readme, &name(program)).is_empty()
}

fn name(program: &Path) -> String {
    program.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Runs all commands of the README's transcripts. `judge` gets what is shown of a command, and the
/// process, which it is to read as far as the README shows it.
fn run_all(
    program: &Path,
    readme: &str,
    mut judge: impl FnMut(&Shown, &mut Process) -> Result<(), Error>,
) -> Result<(), Error> {
    let name = name(program);
    let commands = readme::commands(readme, &name);
    if commands.is_empty() {
        return Err(Error::NoTranscript(name));
    }
    let folder = tempfile::tempdir()?;
    for shown in &commands {
        let script = match readme::arguments(&shown.command, &name) {
            Some(arguments) => format!("exec '{}' {arguments}", program.display()),
            None => shown.command.clone(),
        };
        let mut process = Process::start(&script, shown.rule.clock(), folder.path())?;
        judge(shown, &mut process)?;
        if !shown.is_ended_there() {
            let status = process.wait()?;
            if !status.success() {
                return Err(Error::Failed { command: shown.command.clone(), status });
            }
        }
    }
    Ok(())
}
