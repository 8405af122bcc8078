//! Keeps a README true: runs the commands that it shows, and compares what it shows with what happens.
//!
//! A transcript is a `console` block of the README that has a `$ cargo run -p` of the step in it. Its
//! commands run one after the other in a new folder. A line `...` stands for any lines; if it is the
//! last one, the command goes on and is ended there.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use regex::Regex;

/// Longer than any step is silent, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Checks that the transcripts are what happens, to the letter, on the paused clock (see
/// [`init`](crate::init)), where every run is the same.
///
/// `program` is the step's executable.
///
/// # Panics
///
/// If it is not so.
pub fn check(program: &str, readme: &str) {
    run_all(program, readme, "paused", |shown, happens| compare(shown, happens, str::to_owned));
}

/// Checks that the transcripts are what happens, line by line, but for the numbers of tasks and ports,
/// and for seconds.
///
/// # Panics
///
/// If it is not so.
pub fn check_but_for_ids(program: &str, readme: &str) {
    run_all(program, readme, "", |shown, happens| {
        compare(shown, happens, |line| mask(line, IDS));
    });
}

/// Checks that the transcripts show all lines that happen, and none else, whatever their order: what is
/// done at the same time can end in any order, and how much is demanded when depends on that.
///
/// # Panics
///
/// If it is not so.
pub fn check_in_any_order(program: &str, readme: &str) {
    run_all(program, readme, "", |shown, happens| {
        let lines = |lines: Vec<String>| -> BTreeSet<String> {
            lines.iter().map(|line| mask(&mask(line, IDS), COUNTS)).collect()
        };
        let shown = lines(shown.to_vec());
        let mut happens = lines(happens.collect());
        if shown.contains(GAP) {
            happens.retain(|line| shown.contains(line));
            happens.insert(GAP.to_owned());
        }
        assert_eq!(shown, happens, "left: what the README shows; right: what happens");
    });
}

const GAP: &str = "...";
const IDS: &str = r"(?<before>#Task<|127\.0\.0\.1:)\d+|[\d.]+(?<after> seconds)";
const COUNTS: &str =
    r"(?<before>Pipeline|demand of |Asking for |currently |Run |Looking for |about )\d+";

fn mask(line: &str, pattern: &str) -> String {
    let pattern = Regex::new(pattern).expect("the pattern is right");
    pattern.replace_all(line, "${before}_${after}").into_owned()
}

/// Runs all commands of the README's transcripts. `check` gets what is shown of a command's output, and
/// its output as it comes.
fn run_all(
    program: &str,
    readme: &str,
    clock: &str,
    check: impl Fn(&[String], Box<dyn Iterator<Item = String>>),
) {
    let name = Path::new(program).file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let run = format!("cargo run -p {name}");
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let mut checked = 0;
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        if !block.contains(&format!("$ {run}")) {
            continue;
        }
        for part in format!("\n{block}").split("\n$ ").skip(1) {
            let mut lines = part.lines().map(str::to_owned);
            let command = lines.next().unwrap_or_default();
            let shown: Vec<String> = lines.collect();
            eprintln!("$ {command}");
            let script = match command.strip_prefix(&run) {
                Some(arguments) => {
                    format!("exec '{program}' {}", arguments.trim().trim_start_matches("-- "))
                }
                None => command,
            };
            let mut child = Ended(start(&script, clock, folder.path()));
            let happens = output(&mut child.0).inspect(|line| eprintln!("{line}"));
            check(&shown, Box::new(happens));
            if shown.last().is_none_or(|line| line != GAP) {
                let status = child.0.wait().expect("it can be waited for");
                assert!(status.success(), "{script}: {status}");
            }
            checked += 1;
        }
    }
    assert!(checked > 0, "the README shows no `$ {run}` in a console block");
}

fn start(script: &str, clock: &str, folder: &Path) -> Child {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).current_dir(folder).stdout(Stdio::piped());
    for name in ["SQS_QUEUE_URL", "SQS_QUEUE_NAME", "AWS_ENDPOINT_URL", "RUST_LOG", "LOG_FORMAT"] {
        command.env_remove(name);
    }
    command.env("PALLETO_CLOCK", clock).spawn().expect("there is a shell")
}

/// Ends a process that is still running when the test is done with it.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines that a process prints, as they come. Panics if none comes for too long.
fn output(child: &mut Child) -> impl Iterator<Item = String> + 'static {
    let stdout = child.stdout.take().expect("its output is piped");
    let (sender, lines) = mpsc::sync_channel(100);
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    std::iter::from_fn(move || match lines.recv_timeout(PATIENCE) {
        Ok(line) => Some(line),
        Err(mpsc::RecvTimeoutError::Disconnected) => None,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("nothing was printed for {PATIENCE:?}"),
    })
}

/// Compares line by line.
fn compare(
    shown: &[String],
    mut happens: impl Iterator<Item = String>,
    mask: impl Fn(&str) -> String,
) {
    let mut shown = shown.iter().peekable();
    while let Some(line) = shown.next() {
        if line == GAP {
            let Some(next) = shown.next() else { return };
            let found = happens.any(|happens| mask(&happens) == mask(next));
            assert!(found, "the README shows, but it does not happen:\n{next}");
        } else {
            let happens = happens.next();
            let happens = happens.as_deref().map(&mask);
            assert_eq!(
                Some(mask(line)),
                happens,
                "left: what the README shows; right: what happens"
            );
        }
    }
    assert_eq!(None, happens.next(), "this happens too, and the README does not show it");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(shown: &str, happens: &str) -> bool {
        let shown: Vec<_> = shown.lines().map(str::to_owned).collect();
        let happens: Vec<_> = happens.lines().map(str::to_owned).collect();
        thread::spawn(move || compare(&shown, happens.into_iter(), |line| mask(line, IDS)))
            .join()
            .is_ok()
    }

    #[test]
    fn every_line_must_be_the_same() {
        assert!(same("a\nb", "a\nb"));
        for (shown, happens) in [("a\nb", "a"), ("a", "a\nb"), ("a\nb", "b\na"), ("a", "A")] {
            assert!(!same(shown, happens), "{shown:?} {happens:?}");
        }
    }

    #[test]
    fn a_gap_stands_for_any_lines() {
        assert!(same("a\n...", "a\nb\nc"));
        assert!(same("...\nb\nc", "a\nb\nc"));
        assert!(!same("...\nb\nd", "a\nb\nc"));
        assert!(!same("a\n...\nd", "a\nb\nc"));
    }

    #[test]
    fn ids_may_differ_and_nothing_else() {
        assert!(same("Consumed by #Task<1>: 7", "Consumed by #Task<23>: 7"));
        assert!(!same("Consumed by #Task<1>: 7", "Consumed by #Task<1>: 8"));
        assert!(same("at http://127.0.0.1:1, 2.5 seconds", "at http://127.0.0.1:80, 3.0 seconds"));
    }
}
