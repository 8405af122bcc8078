//! Runs many worlds, each in a process of its own, and shrinks one that has failed.

use std::env;
use std::ffi::OsStr;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use parking_lot::Mutex;
use tracing::subscriber::set_global_default;

use wait_timeout::ChildExt;

use crate::history::History;
use crate::luck;
use crate::plan::{KINDS, Kind, Plan};
use crate::world;

/// Runs step 9 in simulated worlds, in which everything goes wrong that can.
#[derive(Clone, Debug, Parser)]
struct Worlds {
    /// How many worlds to run
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The seed of the first world
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// End after this many seconds, even if not all worlds have run
    #[arg(long)]
    seconds: Option<u64>,
    /// End after this many failures; after one, it is not shrunk
    #[arg(long, default_value_t = 10)]
    most_failures: usize,
    /// Only faults of these kinds: net, sqs, s3, disk, process, operator, or none
    #[arg(long, value_delimiter = ',')]
    faults: Option<Vec<String>>,
    /// Run the worlds that have failed once, from `once_failed.txt`
    #[arg(long)]
    once_failed: bool,
    /// Run one world, and print its history
    #[arg(long, value_name = "SEED")]
    replay: Option<u64>,
    /// Run one world, and print only its faults
    #[arg(long, hide = true)]
    world: Option<u64>,
    /// At most this many faults
    #[arg(long, hide = true)]
    most_faults: Option<u64>,
    /// At most this many files
    #[arg(long, hide = true)]
    files: Option<u64>,
    /// At most this many programs
    #[arg(long, hide = true)]
    machines: Option<u64>,
}

/// The parts of a failing world that can be made smaller.
#[derive(Clone, Debug)]
struct Smaller {
    seed: u64,
    kinds: Vec<Kind>,
    most_faults: u64,
    files: u64,
    machines: u64,
}

/// How long one world may take, in real time. Most take a tenth of a second.
const LONGEST: Duration = Duration::from_mins(1);

pub fn main() -> Result<()> {
    let args = Worlds::parse();
    if args.once_failed {
        return once_failed();
    }
    match (args.replay, args.world) {
        (Some(seed), _) => one(&args, seed, true),
        (None, Some(seed)) => one(&args, seed, false),
        (None, None) => many(&args),
    }
}

fn plan(args: &Worlds, seed: u64) -> Result<Plan> {
    let mut plan = Plan::of(seed);
    if let Some(names) = &args.faults {
        let names = names.iter().filter(|name| *name != "none");
        let kinds: Result<Vec<Kind>, _> = names.map(|name| name.parse()).collect();
        plan.kinds = kinds.map_err(|error| anyhow::anyhow!("--faults: {error}"))?;
    }
    plan.most_faults = args.most_faults.unwrap_or(plan.most_faults);
    plan.files = args.files.unwrap_or(plan.files).min(plan.files);
    plan.machines = args.machines.unwrap_or(plan.machines).min(plan.machines);
    Ok(plan)
}

/// Runs one world in this process.
fn one(args: &Worlds, seed: u64, tells: bool) -> Result<()> {
    let plan = plan(args, seed)?;
    luck::follow(seed);
    if tells {
        println!("{plan:#?}");
    }
    set_global_default(History::new(tells)).context("a history needs the log")?;
    let runtime = shared::runtime()?;
    let (violations, time) = runtime.block_on(world::run(plan, tells))?;
    // Dead programs never end.
    runtime.shutdown_background();
    if tells {
        println!("It took {time:?}.");
    }
    for violation in &violations {
        println!("{violation}");
    }
    std::process::exit(i32::from(!violations.is_empty()));
}

/// Runs many worlds in processes of their own, as many at a time as there are processors.
fn many(args: &Worlds) -> Result<()> {
    let started = Instant::now();
    let limit = args.seconds.map(Duration::from_secs);
    let (next, done) = (AtomicU64::new(args.from), AtomicU64::new(0));
    let failed: Mutex<Vec<(u64, String)>> = Mutex::default();
    let worker = || -> Result<()> {
        loop {
            let seed = next.fetch_add(1, Relaxed);
            let is_late = limit.is_some_and(|limit| started.elapsed() > limit);
            if seed >= args.from + args.seeds
                || is_late
                || failed.lock().len() >= args.most_failures
            {
                return Ok(());
            }
            let whole = plan(args, seed)?;
            if let Some(violations) = fails(&Smaller::of(&whole))? {
                failed.lock().push((seed, violations));
            }
            done.fetch_add(1, Relaxed);
        }
    };
    let processors = thread::available_parallelism()?.get();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|it| it.join().expect("a worker does not panic"))
    })?;
    let (count, minutes) = (done.load(Relaxed), started.elapsed().as_secs_f64() / 60.0);
    #[expect(clippy::cast_precision_loss, reason = "it is shown without fractions")]
    let rate = count as f64 / minutes;
    println!("{count} worlds from seed {}: {rate:.0} a minute", args.from);
    let mut failed = failed.into_inner();
    failed.sort_unstable();
    for (seed, violations) in &failed {
        println!("\nWorld {seed}:\n{violations}");
    }
    if let Some((seed, _)) = failed.first() {
        if args.most_failures == 1 {
            bail!("world {seed} failed");
        }
        let small = shrink(Smaller::of(&plan(args, *seed)?))?;
        println!("\nThe same goes wrong in a smaller world: cargo x worlds {}", small.replay());
        bail!("{} of {count} worlds failed", failed.len());
    }
    Ok(())
}

/// Runs the worlds of `once_failed.txt`, because each has found a fault that is mended now.
fn once_failed() -> Result<()> {
    let lines = include_str!("../once_failed.txt").lines();
    let worlds = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut failed = 0;
    for world in worlds {
        if let Some(violations) = violations(world.split_whitespace())? {
            println!("cargo x worlds --replay {world}\n{violations}");
            failed += 1;
        }
    }
    if failed > 0 {
        bail!("{failed} worlds fail again");
    }
    Ok(())
}

/// The violations in this world, if there are any.
fn fails(world: &Smaller) -> Result<Option<String>> {
    violations([world.seed.to_string()].iter().chain(&world.arguments()))
}

/// Runs a world with these arguments: a seed, and more. Returns its violations, if there are any.
fn violations(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Option<String>> {
    let mut child = Command::new(env::current_exe()?)
        .arg("--world")
        .args(arguments)
        .env_clear()
        .env("PALLETO_CLOCK", "paused")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Its output fits into a pipe. If it does not, the child never ends.
    let Some(status) = child.wait_timeout(LONGEST)? else {
        child.kill()?;
        child.wait()?;
        return Ok(Some(format!("it did not end within {LONGEST:?} of real time")));
    };
    let (mut says, mut complains) = (String::new(), String::new());
    child.stdout.take().map(|mut it| it.read_to_string(&mut says)).transpose()?;
    child.stderr.take().map(|mut it| it.read_to_string(&mut complains)).transpose()?;
    let is_fine = status.success() && complains.is_empty();
    Ok((!is_fine).then(|| format!("{says}{complains}")))
}

/// Leaves out everything that the failure does not need.
fn shrink(mut world: Smaller) -> Result<Smaller> {
    for kind in KINDS {
        let kinds = world.kinds.iter().copied().filter(|it| *it != kind).collect();
        world = if_it_fails(Smaller { kinds, ..world.clone() }, world)?;
    }
    for machines in 1..world.machines {
        world = if_it_fails(Smaller { machines, ..world.clone() }, world)?;
    }
    for files in [1, 2, 4, 8] {
        if files < world.files {
            world = if_it_fails(Smaller { files, ..world.clone() }, world)?;
        }
    }
    let mut most_faults = 1024;
    while most_faults > 0 {
        most_faults /= 2;
        world = if_it_fails(Smaller { most_faults, ..world.clone() }, world)?;
    }
    Ok(world)
}

fn if_it_fails(smaller: Smaller, world: Smaller) -> Result<Smaller> {
    Ok(if fails(&smaller)?.is_some() { smaller } else { world })
}

impl Smaller {
    fn of(plan: &Plan) -> Self {
        Self {
            seed: plan.seed,
            kinds: plan.kinds.clone(),
            most_faults: plan.most_faults,
            files: plan.files,
            machines: plan.machines,
        }
    }

    fn arguments(&self) -> [String; 4] {
        let names: Vec<_> = self.kinds.iter().map(|kind| kind.name()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(",") };
        [
            format!("--faults={names}"),
            format!("--most-faults={}", self.most_faults),
            format!("--files={}", self.files),
            format!("--machines={}", self.machines),
        ]
    }

    fn replay(&self) -> String {
        format!("--replay {} {}", self.seed, self.arguments().join(" "))
    }
}
