//! Runs the learner's program, and tells the first thing that is wrong.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use testing::transcript::{self, Deviation};

use super::place::{Place, State};
use super::{Exercise, criteria, step};
use crate::programs;
use crate::steps::Step;

/// Prints the first fault of an exercise, or that it has none.
///
/// # Errors
///
/// If something is wrong, or if the exercise has not begun, does not compile or cannot be run.
pub fn print(place: &Place, exercise: &Exercise) -> Result<()> {
    let argument = exercise.argument();
    let wrong = run(place, exercise)?;
    if let Some(wrong) = wrong {
        println!("{wrong}\n\nA hint: cargo x exercise {argument} --hint");
        bail!("exercise {argument} does not pass yet");
    }
    println!("Exercise {argument} passes.");
    match exercise {
        Exercise::Step { before, step } => println!(
            "Compare it with {}: its README says why it is written as it is, and `cargo x diff {} {}` shows what it changes.",
            step.name, before.number, step.number
        ),
        Exercise::Small(small) => {
            println!("Compare it with shared/stage/exercises/{}/solution.rs.", small.name);
        }
    }
    Ok(())
}

/// Builds and runs an exercise, keeps whether it passes, and returns the first fault.
///
/// # Errors
///
/// If the exercise has not begun, does not compile or cannot be run.
pub fn run(place: &Place, exercise: &Exercise) -> Result<Option<String>> {
    let (name, argument) = (exercise.name(), exercise.argument());
    ensure!(place.has(&name), "you have not begun it: `cargo x exercise {argument}` does");
    let hints = place.state(&name).hints;
    place.set_state(&name, &State { passed: false, hints })?;
    let wrong = match exercise {
        Exercise::Step { step, .. } => {
            compile(place, &["build", "--package", &name])?;
            let program = programs::folder()?.join(&name);
            let program = program.with_extension(env::consts::EXE_EXTENSION);
            of_step(step, &place.folder(&name), &program)?
        }
        Exercise::Small(small) => {
            compile(place, &["build", "--tests", "--package", &small.name])?;
            let mut cargo = place.cargo()?;
            cargo.args(["test", "--quiet", "--lib", "--package", &small.name]);
            let output = cargo.env("RUST_BACKTRACE", "0").output()?;
            let passed = output.status.success();
            let tests = fs::read_to_string(place.folder(&name).join("src/tests.rs"))?;
            (!passed).then(|| first_failure(&String::from_utf8_lossy(&output.stdout), &tests))
        }
    };
    place.set_state(&name, &State { passed: wrong.is_none(), hints })?;
    Ok(wrong)
}

fn compile(place: &Place, arguments: &[&str]) -> Result<()> {
    let mut cargo = place.cargo()?;
    let status = cargo.args(arguments).status().context("cannot run cargo")?;
    ensure!(status.success(), "it does not compile; the compiler says why above");
    Ok(())
}

/// Returns the first fault of a program, and of its code, that stand in place of this step.
///
/// # Errors
///
/// If the program cannot be run, or fails.
pub fn of_step(step: &Step, folder: &Path, program: &Path) -> Result<Option<String>> {
    let readme = step::readme(step)?;
    if let Some(deviation) = transcript::deviation(program, &step.name, &readme)? {
        let command = deviation.command.replace(&step.name, &step::package(step));
        return Ok(Some(told(&command, &deviation)));
    }
    let Some(criterion) = criteria::of(step) else { return Ok(None) };
    println!("The transcript is right. Now to what it does not show.");
    (criterion.check)(folder, program)
}

/// How many of the lines before the difference are shown.
const BEFORE: usize = 4;

fn told(command: &str, Deviation { before, difference, .. }: &Deviation) -> String {
    let mut told = format!("$ {command}\n");
    if before.len() > BEFORE {
        told += "    ...\n";
    }
    for line in &before[before.len().saturating_sub(BEFORE)..] {
        let _ = writeln!(told, "    {line}");
    }
    let expected = difference.shown.as_deref().unwrap_or("(no more lines)");
    let got = match &difference.happens {
        Ok(line) => line.clone(),
        Err(why) => format!("({why})"),
    };
    told + &format!("expected: {expected}\ngot:      {got}")
}

/// The name and the message of the first test that failed, in the output of `cargo test`. `tests` is the file of the tests: its
/// order is that of the task.
fn first_failure(output: &str, tests: &str) -> String {
    let failed = output.split("\n---- ").skip(1).filter_map(|it| it.split_once(" stdout ----\n"));
    let failed = failed.map(|(name, rest)| (name.rsplit("::").next().unwrap_or(name), rest));
    let first = failed.min_by_key(|(name, _)| tests.find(&format!("fn {name}(")));
    let Some((name, message)) = first else {
        return format!("the tests did not end well:\n{}", output.trim());
    };
    let mut told = format!("This does not hold: {}\n", name.replace('_', " "));
    for line in message.split("\nfailures:\n").next().unwrap_or(message).lines() {
        let line = line.strip_prefix("assertion `left == right` failed: ").unwrap_or(line);
        // A test compares its result with the expected one.
        if let Some(got) = line.strip_prefix("  left: ") {
            let _ = writeln!(told, "got:      {got}");
        } else if let Some(expected) = line.strip_prefix(" right: ") {
            let _ = writeln!(told, "expected: {expected}");
        } else if let Some((_, place)) = line.split_once(" panicked at ") {
            let _ = writeln!(told, "    at {}", place.trim_end_matches(':'));
        } else if !line.is_empty() && !line.starts_with("note: run with") {
            let _ = writeln!(told, "    {line}");
        }
    }
    told.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use testing::transcript::Difference;

    use super::*;

    #[test]
    fn the_first_difference_is_told_with_the_lines_before_it() {
        let before = ["1", "2", "3", "4", "5"].map(str::to_owned).to_vec();
        let difference = Difference { shown: Some("a".to_owned()), happens: Ok("b".to_owned()) };
        let deviation = Deviation { command: String::new(), before, difference };
        assert_eq!(
            told("cargo run -p step05", &deviation),
            "$ cargo run -p step05\n    ...\n    2\n    3\n    4\n    5\nexpected: a\ngot:      b"
        );
    }

    #[test]
    fn the_first_test_of_the_file_that_fails_is_told_as_a_sentence() {
        let output = "running 2 tests\nFF\nfailures:\n\n\
                      ---- tests::a stdout ----\nother\n\n\n\
                      ---- tests::nothing_is_lost stdout ----\n\n\
                      thread 'tests::nothing_is_lost' (1) panicked at stop/src/tests.rs:1:2:\n\
                      assertion `left == right` failed: 3 are kept\n  left: [1]\n right: [1, 2]\n\
                      note: run with `RUST_BACKTRACE=1`\n\n\nfailures:\n    tests::a\n";
        assert_eq!(
            first_failure(output, "fn nothing_is_lost() {}\nfn a() {}\n"),
            "This does not hold: nothing is lost\n    at stop/src/tests.rs:1:2\n    3 are kept\n\
             got:      [1]\nexpected: [1, 2]"
        );
        assert!(first_failure("signal: 9", "").ends_with("signal: 9"));
    }
}
