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
//!
//! A README also proposes changes to the program, as `diff` blocks in a list. The `console` blocks after one in the same
//! item of the list show the output of the changed program, and [`renew_changed`] runs it.

mod answers;
mod difference;
mod lines;
mod process;
mod readme;
mod renew;
mod rule;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use process::Process;
use readme::Shown;
use rule::Rule;

/// A line that stands for any lines.
const GAP: &str = "...";

pub use difference::Difference;
pub use process::{Patience, lines_of};
pub use readme::Change;

/// Checks that the README's transcripts of a program match the real output, and that its answers are right.
/// `program` is its executable.
///
/// # Panics
///
/// If they do not match, or are not right.
pub fn check(program: &str, readme: &str) {
    let program = Program::unchanged(Path::new(program));
    let checked = run_all(&program, readme, |shown, process| {
        let judged = shown.rule.compare(&shown.output, &mut process.lines);
        // This shows in the output of a test that fails.
        eprintln!("$ {}\n{}", shown.command, process.lines.seen().join("\n"));
        judged.map_err(|difference| anyhow!(difference))
    });
    if let Err(error) = checked.and_then(|happens| answers::check(readme, &happens)) {
        panic!("{error:#}");
    }
}

/// Returns the README with true transcripts. Output that is true by its block's rule stays as it is, to the
/// letter. Other output is replaced, with the gaps in the same places.
///
/// # Errors
///
/// If a command cannot be run, fails, or no longer prints the lines that the README shows after a gap, or if an answer
/// of the README is wrong.
pub fn renew(program: &Path, readme: &str) -> Result<String> {
    let (renewed, happens) = renew_with(&Program::unchanged(program), readme)?;
    answers::check(readme, &happens)?;
    Ok(renewed)
}

/// Does the same for the transcripts that follow a change. `program` is the program `name` with that change, the
/// `change`th one of [`changes`].
///
/// # Errors
///
/// If a command cannot be run, fails, or no longer prints the lines that the README shows after a gap.
pub fn renew_changed(program: &Path, name: &str, change: usize, readme: &str) -> Result<String> {
    let program = Program { path: program, name: name.to_owned(), change: Some(change) };
    if readme::commands(readme, name, program.change).is_empty() {
        return Ok(readme.to_owned());
    }
    Ok(renew_with(&program, readme)?.0)
}

/// A command whose output differs from that in a README.
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
/// differs. The numbers of tasks may differ in all of them. The changes that the README proposes are left out. Before it
/// waits for a command's lines, it tells `begins` the command and how long the command may stay silent.
///
/// # Errors
///
/// If a command cannot be run, or fails.
pub fn deviation(
    program: &Path,
    name: &str,
    readme: &str,
    begins: impl Fn(&str, Duration),
) -> Result<Option<Deviation>> {
    let mut found = None;
    let program = Program { path: program, name: name.to_owned(), change: None };
    let (readme, _) = readme.split_once("\n## Try\n").unwrap_or((readme, ""));
    let ran = run_all(&program, readme, |shown, process| {
        begins(&shown.command, shown.rule.patience().limit);
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
    if found.is_some() { Ok(found) } else { ran.map(|_| None) }
}

/// Returns the changes to the program that a README proposes.
pub fn changes(readme: &str) -> Vec<Change> {
    readme::changes(readme)
}

/// Whether a README shows a transcript of this program.
pub fn is_shown(program: &Path, readme: &str) -> bool {
    let Program { name, change, .. } = Program::unchanged(program);
    !readme::commands(readme, &name, change).is_empty()
}

/// A program that a README runs.
struct Program<'a> {
    path: &'a Path,
    /// The name by which the README runs it.
    name: String,
    change: Option<usize>,
}

impl<'a> Program<'a> {
    fn unchanged(path: &'a Path) -> Self {
        Self { path, name: file_name(path), change: None }
    }
}

fn file_name(program: &Path) -> String {
    program.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns the renewed README, and the output of its commands.
fn renew_with(program: &Program, readme: &str) -> Result<(String, Vec<String>)> {
    let mut renewed = String::new();
    let mut copied = 0;
    let happens = run_all(program, readme, |shown, process| {
        if shown.rule.compare(&shown.output, &mut process.lines).is_err() {
            let mask = |line: &str| shown.rule.mask(line);
            let lines = renew::renew(&shown.output, &mut process.lines, mask);
            let lines = lines.map_err(|why| anyhow!(why))?;
            renewed += &readme[copied..shown.range.start];
            renewed += &shown.indented(&lines);
            copied = shown.range.end;
        }
        Ok(())
    })?;
    Ok((renewed + &readme[copied..], happens))
}

/// Runs all commands of the README's transcripts. `judge` gets the README's output of a command, and the
/// process. It reads the process's output as far as the README shows it. Returns each command, and after it the lines
/// that were read.
fn run_all(
    program: &Program,
    readme: &str,
    mut judge: impl FnMut(&Shown, &mut Process) -> Result<()>,
) -> Result<Vec<String>> {
    let name = &program.name;
    let commands = readme::commands(readme, name, program.change);
    ensure!(!commands.is_empty(), "the README shows no `$ cargo run` of {name} in a console block");
    let folder = tempfile::tempdir()?;
    let mut happens = Vec::new();
    let mut run = |shown: &Shown| {
        ensure!(
            !(shown.is_ended_there() && shown.command.contains("PALLETO_CLOCK=paused")),
            "on the paused clock it fills the reader's terminal: let it end, as with `| head -20`"
        );
        // In place of the shell, so that ending the process ends the program.
        let exec = if shown.is_ended_there() { "exec " } else { "" };
        let path = format!("{exec}'{}'", program.path.display());
        let script = readme::with_program(&shown.command, name, &path);
        let script = script.unwrap_or_else(|| shown.command.clone());
        // A changed program has a name of its own, which a log can show.
        let names = (file_name(program.path), name.clone());
        let (clock, patience) = (shown.rule.clock(), shown.rule.patience());
        let mut process = Process::start(&script, clock, patience, folder.path(), names)?;
        judge(shown, &mut process)?;
        happens.push(format!("$ {}", shown.command));
        happens.extend_from_slice(process.lines.seen());
        if !shown.is_ended_there() {
            let status = process.wait()?;
            ensure!(status.success(), "it ended with {status}");
        }
        Ok(())
    };
    for shown in &commands {
        run(shown).with_context(|| format!("line {}: $ {}", shown.line, shown.command))?;
    }
    Ok(happens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fills_the_terminal_on_the_paused_clock_is_refused() {
        let shown = |command: &str, output: &str| {
            let readme = format!("```console\n$ {command}\n{output}```\n");
            deviation(Path::new("/usr/bin/yes"), "yes", &readme, |_, _| ()).map(|it| it.is_none())
        };
        let error = shown("PALLETO_CLOCK=paused cargo run -p yes", "y\n...\n").unwrap_err();
        assert!(format!("{error:#}").contains("head -20"), "{error:#}");
        assert!(shown("PALLETO_CLOCK=paused cargo run -p yes | head -2", "y\ny\n").unwrap());
        assert!(shown("cargo run -p yes", "y\n...\n").unwrap());
    }
}
