//! `cargo x talk`: the day before the talk, makes everything ready that its notes need, and names the missing things.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fmt::{self, Display, Formatter};
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
    let runs = runs(&notes()?)?;
    for run in &runs {
        println!("Building for {run}");
        run.build(&mut cargo())?;
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
    for run in &runs {
        // Each program has been built on its own, and all of them together must still be there. On stage, there may be no network.
        let compiled = run.build(cargo().env("CARGO_NET_OFFLINE", "true"))?;
        if !compiled.is_empty() {
            missing.push(format!("{run} compiles {} again", compiled.join(", ")));
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

/// A `cargo run` of the notes: the parts that matter for the build.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    /// The variables that the line sets before the command, such as `RUSTFLAGS`.
    settings: Vec<(String, String)>,
    /// The arguments for cargo, not those for the program.
    arguments: Vec<String>,
}

impl Run {
    /// Reads a line of the notes. `None` if it does not call cargo.
    ///
    /// # Errors
    ///
    /// If it calls cargo in any other way than `cargo run`.
    fn of(line: &str) -> Result<Option<Self>> {
        let (command, _) = line.split_once(" | ").unwrap_or((line, ""));
        let (command, _) = command.split_once(" -- ").unwrap_or((command, ""));
        let mut words = command.split_whitespace().peekable();
        let mut settings = Vec::new();
        while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
            // A clock is for the program.
            if name != "PALLETO_CLOCK" {
                settings.push((name.to_owned(), value.to_owned()));
            }
            words.next();
        }
        if words.next() == Some("cargo") && words.next() == Some("run") {
            let arguments = words.map(str::to_owned).collect();
            return Ok(Some(Self { settings, arguments }));
        }
        ensure!(!line.contains("cargo"), "this compiles unknown programs: {line}");
        Ok(None)
    }

    /// Builds the command's program, as the command would. Returns the crates that were compiled.
    fn build(&self, cargo: &mut Command) -> Result<Vec<String>> {
        cargo.envs(self.settings.iter().map(|(name, value)| (name, value)));
        cargo.args(["build", "--quiet", "--locked", "--message-format", "json"]);
        let built = cargo.args(&self.arguments).stderr(Stdio::inherit()).output();
        let built = built.context("cannot run cargo")?;
        ensure!(built.status.success(), "{self} cannot be built");
        compiled(&String::from_utf8_lossy(&built.stdout))
    }
}

impl Display for Run {
    fn fmt(&self, to: &mut Formatter) -> fmt::Result {
        for (name, value) in &self.settings {
            write!(to, "{name}={value} ")?;
        }
        write!(to, "cargo run {}", self.arguments.join(" "))
    }
}

/// All that the notes run with cargo.
fn runs(parts: &[Part]) -> Result<BTreeSet<Run>> {
    let items = parts.iter().flat_map(|part| &part.items);
    let lines = items.flat_map(|item| match &item.kind {
        Kind::Type(lines) => &lines[..],
        _ => &[],
    });
    lines.filter_map(|line| Run::of(line).transpose()).collect()
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

/// `size` is the output of `stty`: lines and columns.
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

/// `families` is the output of `fc-list`, or nothing where there is none: then the terminal brings its own fonts.
fn fonts(families: Option<&str>) -> Option<String> {
    let has_none = families.is_some_and(|families| families.trim().is_empty());
    has_none.then(|| {
        "no font of fixed width has ▲ ▼ ■ ▁: install one, such as DejaVu Sans Mono".to_owned()
    })
}

/// The output of a program, if it is there and succeeds.
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
        let runs = runs(&notes().unwrap()).unwrap();
        let steps: Vec<_> = steps::all().unwrap().into_iter().map(|step| step.name).collect();
        let built: Vec<_> = runs.iter().map(|run| &run.arguments[..]).collect();
        // Step 3 is only told.
        let told = steps.iter().filter(|step| !step.starts_with("step03"));
        let expected: Vec<_> = told.map(|step| ["-p".to_owned(), step.clone()]).collect();
        assert_eq!(built, expected.iter().map(|it| &it[..]).collect::<Vec<_>>());
    }

    #[test]
    fn a_line_of_the_notes_is_built_as_it_runs() {
        let run = |line| Run::of(line).map(|run| run.map(|run| run.to_string()));
        for (line, expected) in [
            ("cargo run -p a -- --watch | grep -p", Some("cargo run -p a")),
            ("PALLETO_CLOCK=paused cargo run -p a | head -3", Some("cargo run -p a")),
            (
                "RUSTFLAGS=-g cargo run --release -p a",
                Some("RUSTFLAGS=-g cargo run --release -p a"),
            ),
            ("echo \"hello\" > hello.txt", None),
        ] {
            assert_eq!(run(line).unwrap().as_deref(), expected, "{line}");
        }
        for unknown in ["cargo x book", "cd shared && cargo run -p a"] {
            assert!(run(unknown).is_err(), "{unknown}");
        }
    }

    /// A crate with a build script that depends on a variable. Cargo sets it for this test, and for `cargo x`, but not for a terminal.
    #[test]
    fn what_a_terminal_would_compile_again_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).unwrap();
        write("Cargo.toml", "[package]\nname = \"hello\"\nedition = \"2024\"\n[workspace]\n");
        write("build.rs", "fn main() { println!(\"cargo::rerun-if-env-changed=CARGO_PKG_NAME\") }");
        fs::create_dir(folder.path().join("src")).unwrap();
        write("src/main.rs", "fn main() {}");
        write("Cargo.lock", "version = 4\n[[package]]\nname = \"hello\"\nversion = \"0.0.0\"\n");
        let run = Run::of("cargo run").unwrap().unwrap();
        let here = || {
            let mut cargo = cargo();
            cargo.current_dir(folder.path()).env("CARGO_TARGET_DIR", folder.path());
            cargo
        };
        let build = |cargo: &mut Command| run.build(cargo).unwrap();
        assert_eq!(build(&mut here()), ["build-script-build", "hello"]);
        assert_eq!(build(&mut here()), [""; 0]);
        // As a terminal has it.
        let kept = env::vars_os().filter(|(name, _)| {
            name.to_str().is_some_and(|name| {
                ["PATH", "HOME", "CARGO_HOME"].contains(&name) || name.starts_with("RUSTUP")
            })
        });
        let mut terminal = here();
        terminal.env_clear().envs(kept).env("CARGO_TARGET_DIR", folder.path());
        assert_eq!(build(&mut terminal), [""; 0]);
        // This test can tell: the script runs again, and so the program is compiled again.
        assert_eq!(build(here().env("CARGO_PKG_NAME", "xtask")), ["hello"]);
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
