//! An exercise made of two steps: the code of the first, and the second as its task.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};

use super::criteria;
use super::hints;
use super::place::Files;
use crate::steps::Step;

/// The files of a new exercise: the code of `before`, with a README that says how to make it `step`.
///
/// # Errors
///
/// If a step cannot be read.
pub fn files(before: &Step, step: &Step) -> Result<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(before.folder().join("src"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut code = fs::read_to_string(&path)?;
        if name == "main.rs" {
            code = without_its_changes(&code, before, step);
        }
        files.insert(format!("src/{name}"), code);
    }
    let manifest = fs::read_to_string(step.folder().join("Cargo.toml"))?;
    files.insert("Cargo.toml".to_owned(), of_the_exercise(&manifest, step));
    files.insert("README.md".to_owned(), task(before, step)?);
    Ok(files)
}

/// The package of the exercise for a step: `step05`.
pub fn package(step: &Step) -> String {
    format!("step{:02}", step.number)
}

/// Returns a command or a text of the step's README without the package that cargo runs, because the exercise's folder
/// has only one.
pub fn in_its_folder(step: &Step, text: &str) -> String {
    text.replace(&format!(" -p {}", step.name), "")
}

/// A step's README, without the comments, which only our tools read.
///
/// # Errors
///
/// If it cannot be read.
pub fn readme(step: &Step) -> Result<String> {
    let path = step.folder().join("README.md");
    let readme = fs::read_to_string(&path);
    Ok(without_comments(&readme.with_context(|| format!("cannot read {}", path.display()))?))
}

fn without_comments(readme: &str) -> String {
    let mut parts = readme.split("<!--");
    let mut rest = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let after = part.split_once("-->").map_or("", |(_, after)| after);
        // Of the blanks before and after it, one is enough.
        rest += if rest.ends_with([' ', '\n']) { after.trim_start_matches(' ') } else { after };
    }
    rest
}

/// The text below a heading, up to the next one of the same level.
pub fn section<'a>(readme: &'a str, heading: &str) -> Option<&'a str> {
    let (_, rest) = readme.split_once(&format!("\n## {heading}\n"))?;
    Some(rest.split("\n## ").next().unwrap_or(rest).trim())
}

/// In the exercise, the comment at the top of `main.rs` lists the changes of `before`, and those are not the task.
fn without_its_changes(main: &str, before: &Step, step: &Step) -> String {
    let number = before.number;
    let main = in_its_folder(before, main);
    let code = main.find("\n\nmod ").unwrap_or(main.len());
    let changes = main[..code].find("\n//! # Changed since").unwrap_or(code);
    let comment = main[..changes].trim_end_matches("\n//!");
    let next = step.number;
    format!(
        "{comment}\n//!\n//! Step {number}, for you to make step {next} of: README.md says how.{}",
        &main[code..]
    )
}

/// The step's manifest, because the exercise needs the step's dependencies. It has no tests of its own.
fn of_the_exercise(manifest: &str, step: &Step) -> String {
    let sections = manifest.replace(&step.name, &package(step));
    let (package, rest) = sections.split_once("\n[dependencies]").unwrap_or((&sections, ""));
    // Features can name the crates of tests.
    let package = package.split("\n[features]").next().unwrap_or(package);
    let dependencies = rest.split("\n\n[").next().unwrap_or(rest).trim_end();
    format!("{package}\n[dependencies]{dependencies}\n\n[lints]\nworkspace = true\n")
}

fn task(before: &Step, step: &Step) -> Result<String> {
    let readme = readme(step)?;
    let title = readme.lines().next().unwrap_or_default().trim_start_matches("# Step ");
    let (_, rest) = readme.split_once("\n\n").unwrap_or_default();
    let sentence = rest.split("\n\n## ").next().unwrap_or_default();
    let part = |heading| {
        section(&readme, heading)
            .with_context(|| format!("the README of {} has no {heading}", step.name))
    };
    let (number, name) = (step.number, &step.name);
    let mut task = format!(
        "# Exercise {title}\n\n\
         The code in `src` is step {}. Make it step {number}, and look at `../../{name}` only afterwards.\n\n\
         {sentence}\n\n## What to think of\n\n{}\n\n## What it should print\n\nThe commands are for this folder.\n\n{}\n\n",
        before.number,
        part("Before you run it")?,
        part("Run it")?
    );
    task += "The numbers of tasks may be others: they depend on how many you start.\n\n";
    if let Some(criterion) = criteria::of(step) {
        let _ = write!(task, "## And besides\n\n{}\n\n", criterion.task);
    }
    let without_waits = match number {
        ..6 => ", and `PALLETO_CLOCK=paused cargo run | head -100` without its waits",
        _ => "",
    };
    let _ = write!(
        task,
        "## How to work\n\n\
         In this folder, `cargo run` runs it{without_waits}. There, and at the top of the repository,\n\n\
         ```console\n$ cargo x exercise {number} --check\n$ cargo x exercise {number} --hint\n```\n\n\
         run it and show the first line that is not as above, and show a hint. The hints are here, too:\n"
    );
    let mut hints = hints::of_step(before, step)?;
    hints.pop(); // The difference.
    for hint in hints {
        let _ = write!(
            task,
            "\n<details>\n<summary>{}</summary>\n\n{}\n\n</details>\n",
            hint.title,
            hint.text.trim()
        );
    }
    // The README of a step is one folder higher.
    Ok(in_its_folder(step, &task.replace("](../", "](../../")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps;

    #[test]
    fn the_copy_does_not_tell_what_the_step_before_has_changed() {
        let steps = steps::all().unwrap();
        for pair in steps.windows(2) {
            let files = files(&pair[0], &pair[1]).unwrap();
            let main = &files["src/main.rs"];
            assert!(!main.contains("Changed since"), "{main}");
            assert!(main.starts_with("//! ```text\n//! cargo run"), "{main}");
            assert!(main.contains("\n//!\n//! Step "), "{main}");
            assert!(main.contains("README.md says how.\n\nmod consumer;"), "{main}");
            assert!(!main.contains(&pair[0].name), "{main}");
        }
    }

    #[test]
    fn the_manifest_has_what_the_step_depends_on_and_no_tests() {
        let steps = steps::all().unwrap();
        let files = files(&steps[7], &steps[8]).unwrap();
        let manifest = &files["Cargo.toml"];
        assert!(manifest.starts_with("[package]\nname = \"step09\"\n"), "{manifest}");
        assert!(manifest.contains("\naws-sdk-s3.workspace = true\n"), "{manifest}");
        assert!(manifest.ends_with("\ntracing.workspace = true\n\n[lints]\nworkspace = true\n"));
        assert!(!manifest.contains("bench") && !manifest.contains("features]"), "{manifest}");
    }

    #[test]
    fn the_task_has_the_transcript_and_the_questions_and_hides_the_solution() {
        let steps = steps::all().unwrap();
        for pair in steps.windows(2) {
            let files = files(&pair[0], &pair[1]).unwrap();
            let task = &files["README.md"];
            assert!(task.starts_with(&format!("# Exercise {}: ", pair[1].number)), "{task}");
            assert!(task.contains("\n**In a sentence:** "), "{task}");
            assert!(
                task.contains("\n$ cargo run\n") || task.contains("\n$ cargo run -- "),
                "{task}"
            );
            assert!(!task.contains("run -p step") && !task.contains("<!--"), "{task}");
            assert!(task.contains("<summary>Which functions</summary>"), "{task}");
            assert!(!task.contains("```diff"), "{task}");
            assert_eq!(task.matches("<details>").count(), task.matches("</details>").count());
        }
    }
}
