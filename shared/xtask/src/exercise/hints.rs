//! Hints: each says more than the one before it, and the last one is the solution.

use anyhow::{Result, ensure};

use super::place::Place;
use super::{Exercise, step};
use crate::code::{self, Line};
use crate::diff::{self, Colours, enclosing_item};
use crate::difference::{Difference, between};
use crate::steps::Step;

/// A hint.
pub struct Hint {
    pub title: String,
    pub text: String,
}

impl Hint {
    pub fn new(title: &str, text: impl Into<String>) -> Self {
        Self { title: title.to_owned(), text: text.into() }
    }
}

/// Prints the next hint of an exercise.
///
/// # Errors
///
/// If the exercise has not begun, or a step cannot be read.
pub fn print(place: &Place, exercise: &Exercise) -> Result<()> {
    let (name, argument) = (exercise.name(), exercise.argument());
    ensure!(place.has(&name), "you have not begun it: `cargo x exercise {argument}` does");
    let hints = match exercise {
        Exercise::Step { before, step } => of_step(before, step)?,
        Exercise::Small(small) => small.hints()?,
    };
    let mut state = place.state(&name);
    // After the last one, the last one again.
    let shown = state.hints.min(hints.len().saturating_sub(1));
    if let Some(hint) = hints.get(shown) {
        println!("Hint {} of {}. {}\n\n{}", shown + 1, hints.len(), hint.title, hint.text.trim());
    }
    state.hints = shown + 1;
    place.set_state(&name, &state)
}

/// The hints for making one step of another: files, functions, the README's explanation, and the difference.
///
/// # Errors
///
/// If a step cannot be read.
pub fn of_step(before: &Step, step: &Step) -> Result<Vec<Hint>> {
    let (old, new) = (code::of(before)?, code::of(step)?);
    let differences = between(&old, &new);
    let readme = step::readme(step)?;
    let why = step::section(&readme, "What changed and why").unwrap_or_default();
    Ok(vec![
        Hint::new("Which files", list(&differences, |it| format!("about {} lines", it.changed()))),
        Hint::new("Which functions", list(&differences, |it| touched(it).join(", "))),
        Hint::new("What changes, and why", why),
        Hint::new("The difference", diff::show(before, step, &differences, &Colours::default())),
    ])
}

fn list(differences: &[Difference], what: impl Fn(&Difference) -> String) -> String {
    let line = |it: &Difference| {
        let new = if it.old.is_empty() { ", which is new" } else { "" };
        format!("- `{}`{new}: {}\n", it.file, what(it))
    };
    differences.iter().map(line).collect()
}

/// The functions and types in which something is added or removed.
fn touched(difference: &Difference) -> Vec<String> {
    let mut touched = Vec::new();
    let mut add = |lines: &[Line], number: usize| {
        let Some(line) = lines.get(number) else { return };
        // An import, or the end of something.
        let is_named = !line.text.starts_with("use ") && line.text.contains(char::is_alphanumeric);
        let Some(item) = item(&line.text).or_else(|| enclosing_item(lines, number)) else { return };
        let item = format!("`{}`", item.trim_end_matches([';', ' ', '{']));
        if is_named && !touched.contains(&item) {
            touched.push(item);
        }
    };
    for op in &difference.ops {
        if matches!(op, similar::DiffOp::Equal { .. }) {
            continue;
        }
        op.new_range().for_each(|number| add(difference.new, number));
        if op.new_range().is_empty() {
            op.old_range().for_each(|number| add(difference.old, number));
        }
    }
    touched
}

/// The item that begins in this line.
fn item(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let bare = line.trim_start_matches("pub ").trim_start_matches("async ");
    let kinds = ["fn ", "struct ", "enum ", "type ", "const ", "impl ", "trait "];
    let begins = kinds.iter().any(|kind| bare.starts_with(kind));
    begins.then(|| bare.split(['(', '{', '=', ':']).next().unwrap_or(bare).trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps;

    fn hints(number: usize) -> Vec<Hint> {
        let steps = steps::all().unwrap();
        of_step(&steps[number - 2], &steps[number - 1]).unwrap()
    }

    #[test]
    fn each_hint_says_more_than_the_one_before_it() {
        let hints = hints(3);
        assert_eq!(hints[0].text, "- `producer.rs`: about 3 lines\n- `server.rs`: about 6 lines\n");
        assert_eq!(
            hints[1].text,
            "- `producer.rs`: `fn enqueue`\n- `server.rs`: `fn server_loop`\n"
        );
        assert!(
            hints[2].text.contains("now there is\n  `enqueue`")
                || hints[2].text.contains("enqueue")
        );
        assert!(hints[3].text.contains("+    SqsProducer::enqueue(&producer, events);"));
    }

    #[test]
    fn the_functions_are_those_that_change() {
        let hints = hints(5);
        assert!(
            hints[1].text.contains("`struct Server`, `type Loop`, `fn pull`, `fn server_loop`"),
            "{}",
            hints[1].text
        );
    }

    #[test]
    fn every_step_has_hints() {
        for number in 2..=9 {
            for hint in hints(number) {
                assert!(!hint.text.trim().is_empty(), "step {number}: {}", hint.title);
                assert!(!hint.text.contains(": \n"), "step {number}: {}", hint.text);
            }
        }
    }
}
