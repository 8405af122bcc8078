//! Runs the learner's program, and tells the first thing that is wrong.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use testing::transcript::{self, Deviation};

use super::place::{Place, State};
use super::small_tests::{LIMIT, Tests};
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
            let status = place.cargo()?.args(["build", "--package", &name]).status();
            ensure!(status.context("cannot run cargo")?.success(), DOES_NOT_COMPILE);
            let program = programs::folder()?.join(&name);
            let program = program.with_extension(env::consts::EXE_EXTENSION);
            of_step(step, &place.folder(&name), &program)?
        }
        Exercise::Small(small) => {
            let tests = fs::read_to_string(place.folder(&small.name).join("src/tests.rs"))?;
            Tests::build(place, &small.name)?.wrong(&tests, LIMIT)?
        }
    };
    place.set_state(&name, &State { passed: wrong.is_none(), hints })?;
    Ok(wrong)
}

/// The end of an exercise that the compiler refuses.
pub const DOES_NOT_COMPILE: &str = "it does not compile; the compiler says why above";

/// Returns the first fault of a program, and of its code, that stand in place of this step.
///
/// # Errors
///
/// If the program cannot be run, or fails.
pub fn of_step(step: &Step, folder: &Path, program: &Path) -> Result<Option<String>> {
    let readme = step::readme(step)?;
    let shown = |command: &str| {
        format!("exercises/{}$ {}", step::package(step), step::in_its_folder(step, command))
    };
    let begins = |command: &str, silence: Duration| {
        println!("{} (it waits up to {} s for each line)", shown(command), silence.as_secs());
    };
    if let Some(deviation) = transcript::deviation(program, &step.name, &readme, begins)? {
        return Ok(Some(told(&shown(&deviation.command), &deviation)));
    }
    let Some(criterion) = criteria::of(step) else { return Ok(None) };
    println!("The transcript is right. Now to a criterion that it does not show.");
    (criterion.check)(folder, program)
}

/// How many of the lines before the difference are shown.
const BEFORE: usize = 4;

fn told(command: &str, Deviation { before, difference, .. }: &Deviation) -> String {
    let mut told = format!("{command}\n");
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
            told("exercises/step05$ cargo run", &deviation),
            "exercises/step05$ cargo run\n    ...\n    2\n    3\n    4\n    5\nexpected: a\ngot:      b"
        );
    }
}
