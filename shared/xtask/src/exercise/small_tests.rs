//! The tests of a small exercise, which end even if the learner's code does not.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use wait_timeout::ChildExt;

use super::check::DOES_NOT_COMPILE;
use super::place::Place;

/// Longer than the tests of any exercise take, even on a busy machine, because their clock is paused.
pub const LIMIT: Duration = Duration::from_secs(20);

/// The program of an exercise's tests. It runs without cargo, because to end cargo would not end the tests.
pub struct Tests(PathBuf);

impl Tests {
    /// Builds them.
    ///
    /// # Errors
    ///
    /// If they do not compile.
    pub fn build(place: &Place, name: &str) -> Result<Self> {
        let mut cargo = place.cargo()?;
        cargo.args(["test", "--no-run", "--quiet", "--lib", "--package", name]);
        cargo.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
        let output = cargo.output().context("cannot run cargo")?;
        ensure!(output.status.success(), DOES_NOT_COMPILE);
        let built = String::from_utf8_lossy(&output.stdout);
        let mut built = built.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let program = built.find_map(|it| it["executable"].as_str().map(PathBuf::from));
        Ok(Self(program.context("cargo has built no tests")?))
    }

    /// Runs them, and returns the first fault. `tests` is their file.
    ///
    /// # Errors
    ///
    /// If they cannot be run.
    pub fn wrong(&self, tests: &str, limit: Duration) -> Result<Option<String>> {
        let printed = tempfile::NamedTempFile::new()?;
        let mut child = Command::new(&self.0)
            .env("RUST_BACKTRACE", "0")
            .stdout(printed.reopen()?)
            .stderr(Stdio::null())
            .spawn()?;
        let status = child.wait_timeout(limit)?;
        if status.is_none() {
            child.kill()?;
            child.wait()?;
        }
        let output = String::from_utf8_lossy(&fs::read(printed.path())?).into_owned();
        Ok(match status {
            Some(status) if status.success() => None,
            Some(_) => Some(first_failure(&output, tests)),
            None => {
                let listed = Command::new(&self.0).args(["--list", "--format=terse"]).output()?;
                let listed = String::from_utf8_lossy(&listed.stdout);
                Some(first_without_end(&output, &listed, tests, limit))
            }
        })
    }
}

/// The place of a test in its file, whose order is that of the task.
fn place(tests: &str, name: &str) -> Option<usize> {
    tests.find(&format!("fn {name}("))
}

/// Tells the first test that is listed and has not ended.
fn first_without_end(output: &str, listed: &str, tests: &str, limit: Duration) -> String {
    let has_ended = |test: &str| {
        let line = format!("test {test} ... ");
        output.lines().filter_map(|it| it.strip_prefix(&line)).any(|result| !result.is_empty())
    };
    let listed = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    let names = listed.filter(|test| !has_ended(test)).filter_map(|test| test.rsplit("::").next());
    let first = names.min_by_key(|name| place(tests, name)).unwrap_or("the tests");
    format!(
        "This did not end within {} s: {}\n    an endless loop, or a wait for something that never comes",
        limit.as_secs(),
        first.replace('_', " ")
    )
}

/// Tells the name and the message of the first test that failed.
fn first_failure(output: &str, tests: &str) -> String {
    let failed = output.split("\n---- ").skip(1).filter_map(|it| it.split_once(" stdout ----\n"));
    let failed = failed.map(|(name, rest)| (name.rsplit("::").next().unwrap_or(name), rest));
    let first = failed.min_by_key(|(name, _)| place(tests, name));
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
    use super::*;

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

    #[test]
    fn a_test_that_does_not_end_is_told_and_not_waited_for() {
        let folder = crate::programs::folder().unwrap().join("exercises-of-the-test-without-end");
        let place = Place::at(folder);
        let small = super::super::small::all().into_iter().find(|it| it.name == "fan_out").unwrap();
        let mut files = small.files().unwrap();
        let code = files["src/lib.rs"].replace("        lines\n", "        loop {}\n");
        files.insert("src/lib.rs".to_owned(), code.replace(", lines:", ", _lines:"));
        place.write("fan_out", &files).unwrap();

        let program = Tests::build(&place, "fan_out").unwrap();
        let wrong = program.wrong(&files["src/tests.rs"], Duration::from_secs(1)).unwrap();
        assert_eq!(
            wrong.as_deref(),
            Some(
                "This did not end within 1 s: the words of all lines come in their order\n    \
                 an endless loop, or a wait for something that never comes"
            )
        );
    }

    #[test]
    fn a_test_that_has_ended_is_not_the_one_without_end() {
        let output =
            "running 3 tests\ntest tests::a ... ok\ntest tests::b ... FAILED\ntest tests::c ... ";
        let listed = "tests::c: test\ntests::b: test\ntests::a: test\n";
        let told = first_without_end(output, listed, "fn a() {} fn b() {} fn c() {}", LIMIT);
        assert!(told.starts_with("This did not end within 20 s: c\n"), "{told}");
    }
}
