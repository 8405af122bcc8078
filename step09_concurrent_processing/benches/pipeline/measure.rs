//! Runs programs in turn, and measures them from outside.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use shared::Error;
use tempfile::TempDir;

use super::by_hand::ByHand;
use super::fill::Files;
use super::place::Place;

/// Programs that process the same files.
pub struct Contest<'a> {
    pub place: &'a Place,
    pub scratch: &'a Path,
    pub programs: &'a [Program],
    pub rounds: u8,
}

/// A program, with its settings.
#[derive(Clone, Copy)]
pub enum Program {
    /// Step 9 as it is started.
    Step,
    /// Step 9 with `--pipelines` and `--max-demand`.
    StepWith { pipelines: u16, max_demand: u16 },
    /// A loop written by hand, with this many workers.
    ByHand { which: ByHand, workers: u16 },
}

/// One run of each program, in their order.
pub type Round = Vec<Run>;

/// The measurements of a run.
pub struct Run {
    /// From the start of the process until the last result had its name in the folder. It excludes the
    /// time after that, in which the program deletes the last messages and finds the queue empty.
    pub seconds: f64,
    /// The program's usage, if the system reports it.
    pub usage: Option<Usage>,
    /// The processor time that serving SQS and S3 took, if they are embedded, in seconds.
    pub serving: Option<f64>,
    /// Requests to SQS until the program's end, if SQS is embedded.
    pub requests: Option<BTreeMap<String, u64>>,
}

/// The resources that a process has used so far.
#[derive(Clone, Copy)]
pub struct Usage {
    /// The peak of its memory, in bytes.
    pub memory: u64,
    /// User and system time, in seconds.
    pub processor: f64,
}

impl Contest<'_> {
    /// Calls `fill` before each run, to fill the queue.
    pub fn run(
        &self,
        files: &Files,
        fill: impl Fn() -> Result<(), Error>,
    ) -> Result<Vec<Round>, Error> {
        let mut rounds = Vec::new();
        for round in 0..self.rounds {
            let mut runs = Vec::new();
            // The programs take turns, so that other load on the machine and the effects of going first
            // hit all of them.
            let mut order: Vec<_> = self.programs.iter().enumerate().collect();
            order.rotate_left(usize::from(round) % self.programs.len());
            for (position, program) in order {
                fill()?;
                let run = self.measure(program.command()?, files)?;
                println!("{program}: {}", run.line(files));
                runs.push((position, run));
            }
            runs.sort_by_key(|(position, _)| *position);
            rounds.push(runs.into_iter().map(|(_, run)| run).collect());
        }
        Ok(rounds)
    }

    /// Runs a program with an output folder of its own. It must process all files.
    fn measure(&self, mut program: Command, files: &Files) -> Result<Run, Error> {
        // Keeps the folder until everything is measured, because ext4 creates files slowly for some
        // minutes after it has deleted some.
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
        // Naming a result is the last change in the folder.
        let last = fs::metadata(&output)?.modified()?;
        Ok(Run {
            seconds: last.duration_since(started)?.as_secs_f64(),
            usage,
            serving: serving.map(|(before, after)| after.processor - before.processor),
            requests: requests.map(|(before, after)| difference(&before, after)),
        })
    }
}

impl Program {
    fn command(self) -> io::Result<Command> {
        let mut step = Command::new(env!("CARGO_BIN_EXE_step09_concurrent_processing"));
        step.args(["--until-idle", "--wait", "1"]);
        match self {
            Self::Step => {}
            Self::StepWith { pipelines, max_demand } => {
                let (pipelines, max_demand) = (pipelines.to_string(), max_demand.to_string());
                step.args(["--pipelines", &pipelines, "--max-demand", &max_demand]);
            }
            Self::ByHand { which, workers } => {
                let mut this = Command::new(std::env::current_exe()?);
                this.args([which.flag(), "--workers", &workers.to_string()]);
                return Ok(this);
            }
        }
        Ok(step)
    }
}

impl Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step => f.write_str("step 9"),
            Self::StepWith { pipelines, max_demand } => {
                write!(f, "step 9, {pipelines}/{max_demand}")
            }
            Self::ByHand { which: ByHand::Ceiling, .. } => f.write_str("ceiling"),
            Self::ByHand { which: ByHand::Floor, .. } => f.write_str("floor"),
        }
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

/// Waits for a process to end, polling its usage, because the usage is gone once it has ended. The last
/// moment is missed, but a process only waits by then.
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

/// Reads Linux's `/proc`. The maximum that `wait4` returns would be that of this process, if this one is
/// larger.
fn usage(process: &str) -> Option<Usage> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = peak.trim().trim_end_matches(" kB").parse().ok()?;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The numbers follow the name, which can have any character. The 12th and 13th are hundredths of
    // seconds.
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

/// Checks the results, because a program that loses files is fast too.
fn must_have_all(output: &Path, files: &Files) -> Result<(), Error> {
    let (mut count, mut lines) = (0, 0);
    for file in fs::read_dir(output)? {
        let result: Value = serde_json::from_slice(&fs::read(file?.path())?)?;
        count += 1;
        lines += result["line_count"].as_u64().unwrap_or_default();
    }
    let expected = (files.count, files.lines());
    if (count, lines) != expected {
        let found = format!("{count} results with {lines} lines, instead of {expected:?}");
        return Err(io::Error::other(found).into());
    }
    Ok(())
}
