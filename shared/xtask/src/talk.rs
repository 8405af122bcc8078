//! `cargo x talk`: the day before the talk, makes everything ready that its notes need, and says what is missing.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::deck::{Kind, Part, notes};
use crate::programs::cargo;
use crate::steps::root;
use crate::{book, deck};

/// The least size of the terminal in which `--watch` shows its cards.
const TERMINAL: (usize, usize) = (80, 24);
/// The signs of `--watch`, by their numbers in Unicode: ▲ ▼ ■ ▁ █ │.
const SIGNS: &str = ":charset=25b2 25bc 25a0 2581 2588 2502:spacing=mono";

/// Builds each program that the notes run, makes the book and the deck, and removes old results.
///
/// # Errors
///
/// If something cannot be built, or if anything is missing.
pub fn prepare() -> Result<()> {
    let parts = notes()?;
    let packages = packages(&parts);
    for package in &packages {
        println!("Building {package}");
        build(package)?;
    }
    book::build_book()?;
    deck::write()?;
    for folder in ["output", "output9"] {
        let path = root().join(folder);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("cannot remove {folder}"))?;
            println!("Removed {folder}, which had results");
        }
    }
    let mut missing = Vec::new();
    for package in &packages {
        // Each program has been built on its own, and all of them together must still be there.
        let compiled = build(package)?;
        if !compiled.is_empty() {
            missing.push(format!("cargo run -p {package} compiles {} again", compiled.join(", ")));
        }
    }
    missing.extend(settings(|name| env::var_os(name).is_some_and(|value| !value.is_empty())));
    missing.extend(terminal(output("sh", ["-c", "stty size </dev/tty"]).as_deref()));
    missing.extend(fonts(output("fc-list", [SIGNS, "family"]).as_deref()));
    if missing.is_empty() {
        println!("Ready.");
        return Ok(());
    }
    bail!("not ready:\n{}", missing.join("\n"))
}

/// The packages that the notes run with `cargo run -p`.
fn packages(parts: &[Part]) -> BTreeSet<String> {
    let items = parts.iter().flat_map(|part| &part.items);
    let commands = items.flat_map(|item| match &item.kind {
        Kind::Type(lines) => &lines[..],
        _ => &[],
    });
    let after = commands.filter_map(|line| line.split_once("cargo run -p "));
    after.filter_map(|(_, run)| run.split(' ').next().map(str::to_owned)).collect()
}

/// Builds a package as `cargo run -p` does. Returns the crates that were compiled.
fn build(package: &str) -> Result<Vec<String>> {
    let mut cargo = cargo();
    cargo.args(["build", "--quiet", "--message-format", "json", "-p", package]);
    let built = cargo.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    ensure!(built.status.success(), "{package} cannot be built");
    compiled(&String::from_utf8_lossy(&built.stdout))
}

/// The crates that cargo's messages name as compiled.
fn compiled(messages: &str) -> Result<Vec<String>> {
    let mut crates = Vec::new();
    for message in messages.lines() {
        let message: Value = serde_json::from_str(message)?;
        if message["reason"] == "compiler-artifact" && message["fresh"] == false {
            crates.push(message["target"]["name"].as_str().unwrap_or_default().to_owned());
        }
    }
    Ok(crates)
}

/// Settings that would lead steps 6 to 9 to another SQS than the built-in one.
fn settings(is_set: impl Fn(&str) -> bool) -> Option<String> {
    let names = ["SQS_QUEUE_URL", "SQS_QUEUE_NAME", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"];
    let set: Vec<_> = names.into_iter().filter(|name| is_set(name)).collect();
    (!set.is_empty()).then(|| format!("these are set in this terminal; unset {}", set.join(" ")))
}

/// `size` is what `stty` says: lines and columns.
fn terminal(size: Option<&str>) -> Option<String> {
    let Some((lines, columns)) = size.and_then(|size| size.trim().split_once(' ')) else {
        return Some(
            "the size of the terminal is not known: run this in the terminal of the talk"
                .to_owned(),
        );
    };
    let number = |text: &str| text.parse().unwrap_or(0);
    let fits = number(columns) >= TERMINAL.0 && number(lines) >= TERMINAL.1;
    let (least_columns, least_lines) = TERMINAL;
    (!fits).then(|| {
        format!(
            "the terminal has {columns} columns and {lines} lines, and --watch wants {least_columns} and \
             {least_lines}: choose a smaller font"
        )
    })
}

/// `families` is what `fc-list` says, or nothing where there is none: then the terminal brings its own fonts.
fn fonts(families: Option<&str>) -> Option<String> {
    let has_none = families.is_some_and(|families| families.trim().is_empty());
    has_none.then(|| {
        "no font of fixed width has ▲ ▼ ■ ▁: install one, such as DejaVu Sans Mono".to_owned()
    })
}

/// What a program prints, if it is there and succeeds.
fn output(program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Option<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps;

    #[test]
    fn every_program_that_the_notes_run_is_built() {
        let packages = packages(&notes().unwrap());
        let steps: Vec<_> = steps::all().unwrap().into_iter().map(|step| step.name).collect();
        // Step 3 is only told.
        assert_eq!(packages.len(), steps.len() - 1);
        assert!(packages.iter().all(|package| steps.contains(package)), "{packages:?}");
    }

    #[test]
    fn what_is_compiled_again_is_named() {
        let artifact = |name: &str, fresh| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"name":"{name}"}},"fresh":{fresh}}}"#
            )
        };
        let messages = [
            artifact("serde", true),
            artifact("shared", false),
            r#"{"reason":"build-finished"}"#.to_owned(),
        ];
        assert_eq!(compiled(&messages.join("\n")).unwrap(), ["shared"]);
    }

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(settings(|_| false), None);
        assert!(
            settings(|name| name == "AWS_ENDPOINT_URL")
                .unwrap()
                .ends_with("unset AWS_ENDPOINT_URL")
        );
        let size = |size| terminal(Some(size));
        assert_eq!(size("24 80\n"), None);
        for small in ["24 79", "23 80", "nonsense"] {
            assert!(size(small).is_some(), "{small}");
        }
        assert!(terminal(None).is_some());
        assert!(fonts(Some("\n")).is_some());
        assert_eq!(fonts(Some("DejaVu Sans Mono\n")), None);
        assert_eq!(fonts(None), None);
    }
}
