//! Runs the shapes, and measures their rates.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
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

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.max, self.min)
    }
}

/// The demands, each with the number of events to send, so that a run takes some milliseconds.
pub const DEMANDS: [(Demand, usize); 3] = [
    (Demand { max: 10, min: 0 }, 200_000),
    (Demand { max: 1000, min: 500 }, 4_000_000),
    (Demand { max: 1, min: 0 }, 40_000),
];

/// Counts the events that arrive, and sends a signal when all have arrived.
pub struct Arrivals {
    missing: AtomicUsize,
    all: Mutex<Option<oneshot::Sender<()>>>,
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
        let missing = self.missing.load(Relaxed);
        let before = self.missing.fetch_sub(events.len().min(missing), Relaxed);
        if before <= events.len() {
            if let Ok(Some(all)) = self.all.lock().map(|mut all| all.take()) {
                let _ = all.send(());
            }
            return false;
        }
        true
    }
}

/// Starts tasks that send events from one to another, until all have arrived.
pub type Way = fn(Demand, &Arc<Arrivals>);

/// A runtime with as many threads.
pub fn runtime(threads: usize) -> io::Result<Runtime> {
    match threads {
        1 => Builder::new_current_thread().build(),
        _ => Builder::new_multi_thread().worker_threads(threads).build(),
    }
}

/// How many times each way runs, after one run that does not count.
const ROUNDS: usize = 20;

/// Measures the events per second of each way. Each round runs all of them, one after the other, so that they meet the
/// same conditions. Returns for each way the median, and the median of its ratio to the first way in the same round.
pub fn rates(ways: &[Way], runtime: &Runtime, demand: Demand, events: usize) -> Vec<(f64, f64)> {
    // `cargo test` only checks that the benchmark still runs.
    let (events, rounds) = if cfg!(debug_assertions) { (100, 1) } else { (events, ROUNDS) };
    let mut of_ways = vec![(Vec::new(), Vec::new()); ways.len()];
    for round in 0..=rounds {
        let mut first = None;
        for (way, (rates, ratios)) in ways.iter().zip(&mut of_ways) {
            let rate = rate(*way, runtime, demand, events);
            let first = *first.get_or_insert(rate);
            if round > 0 {
                rates.push(rate);
                ratios.push(rate / first);
            }
        }
    }
    of_ways.into_iter().map(|(rates, ratios)| (median(rates), median(ratios))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a few million events")]
fn rate(way: Way, runtime: &Runtime, demand: Demand, events: usize) -> f64 {
    let began = Instant::now();
    runtime.block_on(async {
        let (arrivals, all) = Arrivals::of(events);
        way(demand, &arrivals);
        all.await.expect("all events arrive");
    });
    events as f64 / began.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
