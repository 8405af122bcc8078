//! The proposals of the READMEs for several terminals.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use ignore::gitignore::Gitignore;

use super::{Programs, lessons};
use crate::steps::root;

/// Longer than any program stays silent, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// The number of the talk's files.
const FILES: usize = 12;

/// A program in a terminal of its own.
struct Terminal {
    child: Child,
    lines: Receiver<String>,
    /// All lines so far.
    log: Vec<String>,
}

impl Terminal {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout: Lines<BufReader<ChildStdout>> =
            BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, lines) = channel();
        thread::spawn(move || stdout.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines, log: Vec::new() }
    }

    /// Reads until the log is as it should be.
    fn until(&mut self, is_enough: impl Fn(&[String]) -> bool) {
        while !is_enough(&self.log) {
            self.log.push(self.lines.recv_timeout(PATIENCE).expect("it prints more"));
        }
    }

    fn until_line(&mut self, wanted: &str) {
        self.until(|log| log.iter().any(|line| line.contains(wanted)));
    }

    /// Presses Ctrl-C, and reads to the end.
    fn interrupt(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.log.push(line);
        }
        assert!(self.child.wait().unwrap().success());
    }

    /// The files that the consumers have shown or processed.
    fn files(&self) -> Vec<&str> {
        files(&self.log)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn files(log: &[String]) -> Vec<&str> {
    let lines = log.iter().filter_map(|line| {
        line.split_once("Consumed by ").or_else(|| line.split_once("Consumer processed "))
    });
    let words = lines.flat_map(|(_, files)| files.split([' ', ',', '/']));
    // The talk's files are named after days.
    words.filter(|word| word.starts_with("201607")).collect()
}

/// `local_aws` in a terminal, and the programs that use it.
struct Desk {
    programs: Programs,
    _queue: Terminal,
    exported: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let programs = Programs::build().unwrap();
        let mut queue =
            Terminal::start(Command::new(programs.named("local_aws").unwrap()).arg("--samples"));
        queue.until_line("export SQS_QUEUE_URL");
        let exports = queue.log.iter().filter_map(|line| line.strip_prefix("export "));
        let settings = exports.flat_map(|line| line.split(' ')).filter_map(|it| it.split_once('='));
        let exported = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { programs, _queue: queue, exported, folder: tempfile::tempdir().unwrap() }
    }

    /// Runs a step in another terminal.
    fn run(&self, step: &str, arguments: &[&str]) -> Terminal {
        let mut command = Command::new(self.programs.named(step).unwrap());
        let settings = self.exported.iter().map(|(name, value)| (name, value));
        command.args(arguments).envs(settings).env_remove("PALLETO_CLOCK");
        Terminal::start(command.current_dir(self.folder.path()))
    }
}

#[test]
fn two_programs_on_one_queue_share_its_files() {
    for step in ["step06_process_messages", "step09_concurrent_processing"] {
        let desk = Desk::new();
        let run = || desk.run(step, &["--visibility-timeout", "1000", "--wait", "1"]);
        let mut terminals = [run(), run()];
        let deadline = Instant::now() + PATIENCE;
        while terminals.iter().map(|terminal| terminal.files().len()).sum::<usize>() < FILES {
            assert!(Instant::now() < deadline, "{step}: not all files are shown");
            for terminal in &mut terminals {
                let more = terminal.lines.recv_timeout(Duration::from_millis(20));
                terminal.log.extend(more);
            }
        }
        terminals.iter_mut().for_each(Terminal::interrupt);
        let shown: Vec<_> = terminals.iter().flat_map(Terminal::files).collect();
        assert_eq!(shown.len(), FILES, "{step}: {shown:?}");
        assert_eq!(BTreeSet::from_iter(shown).len(), FILES, "{step}");
    }
}

#[test]
fn what_step_7_has_shown_is_gone_and_what_step_6_has_shown_comes_back() {
    for (step, comes_back) in
        [("step07_release_messages", false), ("step06_process_messages", true)]
    {
        let desk = Desk::new();
        let run = || desk.run(step, &["--visibility-timeout", "2", "--wait", "1"]);
        let mut first = run();
        first.until(|log| BTreeSet::from_iter(files(log)).len() == FILES);
        first.interrupt();

        let mut second = run();
        if comes_back {
            second.until(|log| !files(log).is_empty());
        } else {
            // Each of these runs of the loop waits for messages, longer than any stays hidden.
            second.until_line("Run 4. Looking for 10 events");
            assert_eq!(second.files(), [""; 0]);
        }
    }
}

#[test]
fn what_a_killed_program_has_received_comes_back() {
    let desk = Desk::new();
    let run = || desk.run("step07_release_messages", &["--visibility-timeout", "2"]);
    let mut killed = run();
    killed.until_line("Casting events to producer");
    killed.child.kill().unwrap();
    while let Ok(line) = killed.lines.recv_timeout(PATIENCE) {
        killed.log.push(line);
    }

    let before = BTreeSet::from_iter(killed.files());
    run().until(|log| before.union(&BTreeSet::from_iter(files(log))).count() == FILES);
}

/// The READMEs' lines with a command: the README, and the line.
fn commands() -> Vec<(String, String)> {
    let lessons = lessons().unwrap().into_iter().map(|lesson| lesson.readme);
    let readmes: BTreeSet<_> = lessons.chain(["README.md".to_owned()]).collect();
    let lines = readmes.into_iter().flat_map(|readme| {
        let text = fs::read_to_string(root().join(&readme)).unwrap();
        let is_command = |line: &&str| line.trim().starts_with("$ ") || line.contains("`cargo run");
        let commands: Vec<_> = text.lines().filter(is_command).map(str::to_owned).collect();
        commands.into_iter().map(move |line| (readme.clone(), line))
    });
    lines.collect()
}

/// The words that follow one of these in a command.
fn after<'a>(command: &'a str, before: &[&str]) -> Vec<&'a str> {
    let words: Vec<_> = command.split_whitespace().collect();
    let pairs = words.windows(2).filter(|pair| before.contains(&pair[0]));
    pairs.map(|pair| pair[1].trim_end_matches([';', '`', ',', '.'])).collect()
}

#[test]
fn what_the_readmes_have_one_make_is_ignored_by_git() {
    let (ignored, error) = Gitignore::new(root().join(".gitignore"));
    assert!(error.is_none(), "{error:?}");
    let mut found = 0;
    for (readme, command) in commands() {
        let made = after(&command, &["--output", ">", "mkdir"]);
        for made in made.into_iter().filter(|made| !made.starts_with('/')) {
            let ignored = ignored.matched_path_or_any_parents(made, false);
            assert!(ignored.is_ignore(), "{readme}: {made}");
            found += 1;
        }
    }
    assert!(found > 8, "{found}");
}

/// A file that has its result in a folder is skipped, and then there is nothing to see.
#[test]
fn each_run_with_the_talks_files_has_a_folder_of_its_own() {
    for step in ["step08_download_and_process", "step09_concurrent_processing"] {
        let mut folders = BTreeSet::new();
        for (readme, command) in commands() {
            let has_files = ["FILES", ".log", ".gz", "/*"].iter().any(|it| command.contains(it));
            let runs = command.contains(&format!("cargo run -p {step}"));
            if readme.starts_with(step) && runs && !has_files {
                let folder = after(&command, &["--output"]).first().map_or("output", |it| it);
                assert!(folders.insert(folder.to_owned()), "{readme}: {command}");
            }
        }
        assert!(folders.len() > 1, "{step}");
    }
}
