//! Runs programs in turn, and measures them from outside.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use shared::Error;
use tempfile::TempDir;

use super::ceiling;
use super::fill::Files;
use super::place::Place;

/// Step 9 and the ceiling, at the same files.
pub struct Contest<'a> {
    pub place: &'a Place,
    pub scratch: &'a Path,
    pub pipelines: u16,
    pub max_demand: u16,
    pub workers: u16,
    pub rounds: u8,
}

/// One run of each, one after the other.
pub struct Round {
    pub step: Run,
    pub ceiling: Run,
}

/// What a run took.
pub struct Run {
    /// From the start of the process until the last result had its name in the folder. What follows is
    /// not counted: to find that the queue is empty, and the last deletions.
    pub seconds: f64,
    /// Of the program, where the system tells.
    pub usage: Option<Usage>,
    /// The processor time that serving SQS and S3 took, if they are embedded, in seconds.
    pub serving: Option<f64>,
    /// Requests to SQS until the program's end, if it is embedded.
    pub requests: Option<BTreeMap<String, u64>>,
}

/// What a process has used so far.
#[derive(Clone, Copy)]
pub struct Usage {
    /// The most memory that it had at a time, in bytes.
    pub memory: u64,
    /// User's and system's time in seconds.
    pub processor: f64,
}

impl Contest<'_> {
    /// Before each run, `fill` is to fill the queue.
    pub fn run(
        &self,
        files: &Files,
        fill: impl Fn() -> Result<(), Error>,
    ) -> Result<Vec<Round>, Error> {
        let mut rounds = Vec::new();
        for round in 0..self.rounds {
            let run = |name, program: Command| {
                fill()?;
                let run = self.measure(program, files)?;
                println!("{name}: {}", run.line(files));
                Ok::<_, Error>(run)
            };
            let step = || run("step 9 ", self.step());
            let ceiling = || run("ceiling", self.ceiling()?);
            // What else the machine does in the meantime hits both; and so does being the first.
            let first = if round % 2 == 1 { Some(ceiling()?) } else { None };
            rounds.push(Round { step: step()?, ceiling: first.map_or_else(ceiling, Ok)? });
        }
        Ok(rounds)
    }

    fn step(&self) -> Command {
        let mut step = Command::new(env!("CARGO_BIN_EXE_step09_concurrent_processing"));
        let (pipelines, max_demand) = (self.pipelines.to_string(), self.max_demand.to_string());
        step.args(["--until-idle", "--wait", "1"]);
        step.args(["--pipelines", &pipelines, "--max-demand", &max_demand]);
        step
    }

    fn ceiling(&self) -> io::Result<Command> {
        let mut this = Command::new(std::env::current_exe()?);
        this.args([ceiling::FLAG, "--workers", &self.workers.to_string()]);
        Ok(this)
    }

    /// Runs a program, which must process all files, with an output folder of its own.
    fn measure(&self, mut program: Command, files: &Files) -> Result<Run, Error> {
        // Nothing is deleted before all is measured: for some minutes, ext4 is slow at making files where
        // some were deleted.
        let folder = TempDir::new_in(self.scratch)?.keep();
        let (output, log) = (folder.join("output"), folder.join("log"));
        self.place.tell(&mut program);
        program.arg("--output").arg(&output).stdout(File::create(&log)?);

        let (requests, served) = (self.place.requests(), usage("self"));
        let started = SystemTime::now();
        let (ended, usage) = wait(&mut program.spawn()?)?;
        let serving = requests.as_ref().and(served).zip(self::usage("self"));
        let requests = requests.zip(self.place.requests());

        if !ended.success() {
            let log = fs::read_to_string(log)?;
            let last = log.lines().last().unwrap_or_default();
            return Err(io::Error::other(format!("it ended with {ended}: {last}")).into());
        }
        must_have_all(&output, files)?;
        // The last thing that happens in the folder is that a result gets its name.
        let last = fs::metadata(&output)?.modified()?;
        Ok(Run {
            seconds: last.duration_since(started)?.as_secs_f64(),
            usage,
            serving: serving.map(|(before, after)| after.processor - before.processor),
            requests: requests.map(|(before, after)| difference(&before, after)),
        })
    }
}

impl Run {
    fn line(&self, files: &Files) -> String {
        let mut facts = vec![format!("{:.2} s", self.seconds)];
        facts.push(format!("{:.0} files/s", f64::from(files.count) / self.seconds));
        if let Some(Usage { memory, processor }) = self.usage {
            facts.push(format!("{} MB", memory / 1_000_000));
            facts.push(format!("{processor:.2} s of processor time"));
        }
        facts.extend(self.serving.map(|serving| format!("{serving:.2} s to serve it")));
        let requests = self.requests.iter().flatten();
        facts.extend(requests.map(|(operation, count)| format!("{count} {operation}")));
        facts.join(", ")
    }
}

/// Waits for the end of a process, and looks again and again at what it has used: when it has ended,
/// it is too late for that. What it uses in the last moment is missed, but then it only waits.
fn wait(child: &mut Child) -> io::Result<(ExitStatus, Option<Usage>)> {
    let process = child.id().to_string();
    let mut last = None;
    loop {
        last = usage(&process).or(last);
        if let Some(ended) = child.try_wait()? {
            return Ok((ended, last));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// As Linux tells it in `/proc`. The maximum that `wait4` returns would be that of this process, if it
/// is larger.
fn usage(process: &str) -> Option<Usage> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = peak.trim().trim_end_matches(" kB").parse().ok()?;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name, which can have any character: the 12th and 13th are hundredths of seconds.
    let (_, numbers) = stat.rsplit_once(')')?;
    let ticks = numbers.split_whitespace().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Some(Usage { memory: kibibytes * 1024, processor: ticks / 100. })
}

fn difference(
    before: &BTreeMap<String, u64>,
    mut after: BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    for (operation, count) in &mut after {
        *count -= before.get(operation).unwrap_or(&0);
    }
    after.retain(|_, count| *count > 0);
    after
}

/// Who loses files is fast, too.
fn must_have_all(output: &Path, files: &Files) -> Result<(), Error> {
    let (mut count, mut lines) = (0, 0);
    for file in fs::read_dir(output)? {
        let result: Value = serde_json::from_slice(&fs::read(file?.path())?)?;
        count += 1;
        lines += result["line_count"].as_u64().unwrap_or_default();
    }
    let expected = (files.count, u64::from(files.count) * u64::from(files.lines));
    if (count, lines) != expected {
        let found = format!("{count} results with {lines} lines, instead of {expected:?}");
        return Err(io::Error::other(found).into());
    }
    Ok(())
}
