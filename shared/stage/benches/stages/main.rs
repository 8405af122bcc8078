//! Measures how many events per second go through stages, and through the same shapes written by
//! hand with tokio's channels, which are the ceiling: `cargo bench -p stage`. It prints the table
//! that is in the README.
//!
//! Two shapes, each with the demands (max, min) of (10, 0), (1000, 500) and (1, 0), on one thread and
//! on two:
//!
//! - single: a producer and a consumer
//! - chain: a producer, a producer-consumer, and three consumers

mod by_hand;
mod stages;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// A subscription's demand.
#[derive(Clone, Copy)]
pub struct Demand {
    /// The most events that are asked for and not handled.
    pub max: usize,
    /// The consumer asks for more when this many are left.
    pub min: usize,
}

/// Counts the events that arrive, and sends a signal when all have arrived.
pub struct Arrivals {
    missing: AtomicUsize,
    all: std::sync::Mutex<Option<oneshot::Sender<()>>>,
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.max, self.min)
    }
}

impl Arrivals {
    fn of(events: usize) -> (Arc<Self>, oneshot::Receiver<()>) {
        let (all, receiver) = oneshot::channel();
        let arrivals = Self { missing: events.into(), all: Some(all).into() };
        (Arc::new(arrivals), receiver)
    }

    /// Counts these events as arrived. Returns whether more are to come.
    pub fn add(&self, events: &[u64]) -> bool {
        // This is as little work as possible, but some for each event.
        std::hint::black_box(events.iter().fold(0, |sum: u64, event| sum.wrapping_add(*event)));
        let missing = self.missing.load(Ordering::Relaxed);
        let before = self.missing.fetch_sub(events.len().min(missing), Ordering::Relaxed);
        if before <= events.len() {
            if let Ok(Some(all)) = self.all.lock().map(|mut all| all.take()) {
                let _ = all.send(());
            }
            return false;
        }
        true
    }
}

/// The demands, each with the number of events to send, so that a run takes some milliseconds.
const DEMANDS: [(Demand, u32); 3] = [
    (Demand { max: 10, min: 0 }, 200_000),
    (Demand { max: 1000, min: 500 }, 4_000_000),
    (Demand { max: 1, min: 0 }, 40_000),
];
/// Builds a runtime.
type MakeRuntime = fn() -> io::Result<Runtime>;
const THREADS: [(&str, MakeRuntime); 2] = [
    ("one", || Builder::new_current_thread().build()),
    ("two", || Builder::new_multi_thread().worker_threads(2).build()),
];

type Shape = fn(Demand, &Arc<Arrivals>);
/// The measured shapes, each with its counterpart written by hand.
const SHAPES: [(&str, Shape, Shape); 2] =
    [("single", stages::single, by_hand::single), ("chain", stages::chain, by_hand::chain)];

/// How many times each shape runs for a row of the table, after one run that does not count.
const RUNS: u32 = 20;

fn main() {
    // `cargo test` only checks that the benchmark still runs.
    let is_test = !std::env::args().any(|argument| argument == "--bench");
    println!("| Shape | (max, min) | Threads | Stages | By hand | Ratio |");
    println!("|---|---|---|---:|---:|---:|");
    for (name, stages, by_hand) in SHAPES {
        for (threads, runtime) in THREADS {
            let runtime = runtime().expect("a runtime can be built");
            for (demand, events) in DEMANDS {
                if std::env::var("ONLY").is_ok_and(|it| it != format!("{name} {demand} {threads}"))
                {
                    continue;
                }
                let (events, runs) = if is_test { (100, 1) } else { (events, RUNS) };
                if let Ok(side) = std::env::var("SIDE") {
                    let f = if side == "stages" { stages } else { by_hand };
                    let n: u32 = std::env::var("N").unwrap().parse().unwrap();
                    until_arrived(&runtime, n, |all| f(demand, all));
                    continue;
                }
                let (mut hand, mut made, mut ratios) = (vec![], vec![], vec![]);
                for _ in 0..=runs {
                    let by_hand = events_per_second(&runtime, events, |all| by_hand(demand, all));
                    let stages = events_per_second(&runtime, events, |all| stages(demand, all));
                    hand.push(by_hand);
                    made.push(stages);
                    ratios.push(stages / by_hand);
                }
                let (stages, by_hand) = (median(made), median(hand));
                println!(
                    "| {name} | {demand} | {threads} | {:.1} M/s | {:.1} M/s | {:.2} |",
                    stages / 1e6,
                    by_hand / 1e6,
                    median(ratios),
                );
            }
        }
    }
}

fn events_per_second(runtime: &Runtime, events: u32, run: impl Fn(&Arc<Arrivals>)) -> f64 {
    let began = Instant::now();
    until_arrived(runtime, events, &run);
    f64::from(events) / began.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn until_arrived(runtime: &Runtime, events: u32, run: impl FnOnce(&Arc<Arrivals>)) {
    runtime.block_on(async {
        let (arrivals, all) = Arrivals::of(events as usize);
        run(&arrivals);
        all.await.expect("all events arrive");
    });
}
