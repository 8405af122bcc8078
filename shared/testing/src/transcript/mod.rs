//! Keeps a README true: runs the commands that it shows, and compares their output with the README.
//!
//! A transcript is a `console` block of the README that runs the program with `$ cargo run`. Its commands run
//! one after the other in a new folder. A line `...` stands for any lines. If it is the last line, the
//! command goes on, and is ended there.
//!
//! The block says how exactly the output has to match:
//!
//! | Block | Rule |
//! |---|---|
//! | `console` | to the letter, on the paused clock (`PALLETO_CLOCK`), because every run is the same there |
//! | `console varying-ids` | the same lines, except for the numbers of tasks and ports, seconds, and random ids |
//! | `console any-order` | the same lines in any order, because work that is done at the same time ends in any order |

mod difference;
mod lines;
mod process;
mod readme;
mod renew;
mod rule;

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
pub use difference::Difference;
use process::Process;
use readme::Shown;
use rule::Rule;

/// A line that stands for any lines.
const GAP: &str = "...";

/// Checks that the README's transcripts of a program match the real output. `program` is its executable.
///
/// # Panics
///
/// If they do not match.
pub fn check(program: &str, readme: &str) {
    let program = Path::new(program);
    let checked = run_all(program, &name(program), readme, |shown, process| {
        let judged = shown.rule.compare(&shown.output, &mut process.lines);
        // This shows in the output of a test that fails.
        eprintln!("$ {}\n{}", shown.command, process.lines.seen().join("\n"));
        judged.map_err(|difference| anyhow!(difference))
    });
    if let Err(error) = checked {
        panic!("{error:#}");
    }
}

/// Returns the README with true transcripts. Output that is true by its block's rule stays as it is, to the
/// letter. Other output is replaced, with the gaps in the same places.
///
/// # Errors
///
/// If a command cannot be run, fails, or no longer prints the lines that the README shows after a gap.
pub fn renew(program: &Path, readme: &str) -> Result<String> {
    let mut renewed = String::new();
    let mut copied = 0;
    run_all(program, &name(program), readme, |shown, process| {
        if shown.rule.compare(&shown.output, &mut process.lines).is_err() {
            let mask = |line: &str| shown.rule.mask(line);
            let lines = renew::renew(&shown.output, &mut process.lines, mask);
            let lines = lines.map_err(|why| anyhow!(why))?;
            renewed += &readme[copied..shown.range.start];
            renewed.extend(lines.iter().map(|line| format!("{line}\n")));
            copied = shown.range.end;
        }
        Ok(())
    })?;
    Ok(renewed + &readme[copied..])
}

/// A command whose output differs from what a README shows.
#[derive(Debug)]
pub struct Deviation {
    /// The command as the README has it.
    pub command: String,
    /// The lines that were printed before, as they should be. None if the order does not matter.
    pub before: Vec<String>,
    /// The first line that differs.
    pub difference: Difference,
}

/// Runs the transcripts that a README has of the program `name`, with `program` in its place, and returns where it first
/// differs. The numbers of tasks may differ in all of them.
///
/// # Errors
///
/// If a command cannot be run, or fails.
pub fn deviation(program: &Path, name: &str, readme: &str) -> Result<Option<Deviation>> {
    let mut found = None;
    let ran = run_all(program, name, readme, |shown, process| {
        let Err(difference) = shown.rule.leniently().compare(&shown.output, &mut process.lines)
        else {
            return Ok(());
        };
        let seen = process.lines.seen();
        let before = seen.len() - usize::from(difference.happens.is_ok());
        let before = if shown.rule == Rule::InAnyOrder { 0 } else { before };
        let (command, before) = (shown.command.clone(), seen[..before].to_vec());
        found = Some(Deviation { command, before, difference });
        Err(anyhow!("it differs"))
    });
    if found.is_some() { Ok(found) } else { ran.map(|()| None) }
}

/// Whether a README shows a transcript of this program.
pub fn is_shown(program: &Path, readme: &str) -> bool {
    !readme::commands(readme, &name(program)).is_empty()
}

fn name(program: &Path) -> String {
    program.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Runs all commands of the README's transcripts. `judge` gets the README's output of a command, and the
/// process. It reads the process's output as far as the README shows it.
fn run_all(
    program: &Path,
    name: &str,
    readme: &str,
    mut judge: impl FnMut(&Shown, &mut Process) -> Result<()>,
) -> Result<()> {
    let commands = readme::commands(readme, name);
    ensure!(!commands.is_empty(), "the README shows no `$ cargo run` of {name} in a console block");
    let folder = tempfile::tempdir()?;
    let mut run = |shown: &Shown| {
        let script = match readme::arguments(&shown.command, name) {
            Some(arguments) => format!("exec '{}' {arguments}", program.display()),
            None => shown.command.clone(),
        };
        let mut process = Process::start(&script, shown.rule.clock(), folder.path())?;
        judge(shown, &mut process)?;
        if !shown.is_ended_there() {
            let status = process.wait()?;
            ensure!(status.success(), "it ended with {status}");
        }
        Ok(())
    };
    for shown in &commands {
        run(shown).with_context(|| format!("$ {}", shown.command))?;
    }
    Ok(())
}
