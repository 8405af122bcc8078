//! How many events per second go through stages, and through the same shapes written by hand with
//! tokio's channels, which is the ceiling: `cargo bench -p shared --bench stages`. It ends with the
//! table that is in the README.
//!
//! Two shapes, each with the demands (max, min) of (10, 0), (1000, 500) and (1, 0), on one thread and
//! on two:
//!
//! - single: a producer and a consumer
//! - chain: a producer, a producer-consumer, and three consumers

mod by_hand;
mod stages;

use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use criterion::{Criterion, Throughput};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// A subscription's demand.
#[derive(Clone, Copy)]
pub struct Demand {
    /// The most events that are asked for and not handled.
    pub max: usize,
    /// More is asked for when this many are left.
    pub min: usize,
}

/// Counts the events that have arrived, and tells when it is all of them.
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

    /// These have arrived. Returns whether more are to come.
    pub fn add(&self, events: &[u64]) -> bool {
        // As little work as can be, but for each event.
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

/// And how many events to send, so that it takes some milliseconds.
const DEMANDS: [(Demand, u32); 3] = [
    (Demand { max: 10, min: 0 }, 200_000),
    (Demand { max: 1000, min: 500 }, 4_000_000),
    (Demand { max: 1, min: 0 }, 40_000),
];
const THREADS: [(&str, usize); 2] = [("one thread", 0), ("two threads", 2)];

type Shape = fn(Demand, &Arc<Arrivals>);
/// What is measured, and what it is compared with.
const SHAPES: [(&str, Shape, Shape); 2] =
    [("single", stages::single, by_hand::single), ("chain", stages::chain, by_hand::chain)];

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    for (name, threads) in THREADS {
        let runtime = match threads {
            0 => Builder::new_current_thread().build(),
            threads => Builder::new_multi_thread().worker_threads(threads).build(),
        };
        let runtime = runtime.expect("a runtime can be built");
        for (demand, events) in DEMANDS {
            let mut group = criterion.benchmark_group(format!("{demand}, {name}"));
            group.throughput(Throughput::Elements(events.into()));
            let mut measure = |name: String, run: Shape| {
                group.bench_function(name, |bencher| {
                    bencher.iter(|| until_arrived(&runtime, events, |all| run(demand, all)));
                });
            };
            for (shape, stages, by_hand) in SHAPES {
                // One after the other, so that both are measured in the same circumstances.
                measure(format!("{shape}, by hand"), by_hand);
                measure(format!("{shape}, stages"), stages);
            }
        }
    }
    criterion.final_summary();
    print_table();
}

/// Millions of events per second as a Markdown table, from what criterion has written. Does nothing if
/// not all was measured.
fn print_table() {
    let mut table = String::from(
        "| Shape | (max, min) | Threads | Stages | By hand | Ratio |\n|---|---|---|---:|---:|---:|\n",
    );
    for (shape, ..) in SHAPES {
        for (threads, _) in THREADS {
            for (demand, events) in DEMANDS {
                let measured = |way| {
                    let seconds =
                        mean(&format!("{demand}, {threads}"), &format!("{shape}, {way}"))?;
                    Some(f64::from(events) / seconds / 1e6)
                };
                let (Some(stages), Some(by_hand)) = (measured("stages"), measured("by hand"))
                else {
                    return;
                };
                let ratio = stages / by_hand;
                let threads = threads.trim_end_matches('s').trim_end_matches(" thread");
                let _ = writeln!(
                    table,
                    "| {shape} | {demand} | {threads} | {stages:.1} M/s | {by_hand:.1} M/s | {ratio:.2} |"
                );
            }
        }
    }
    println!("\n{table}");
}

/// The mean time of an iteration in seconds.
fn mean(group: &str, name: &str) -> Option<f64> {
    let program = std::env::current_exe().ok()?;
    let target = program.ancestors().nth(3)?;
    let file = target.join("criterion").join(group).join(name).join("new/estimates.json");
    let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    Some(estimates["mean"]["point_estimate"].as_f64()? / 1e9)
}

fn until_arrived(runtime: &Runtime, events: u32, run: impl FnOnce(&Arc<Arrivals>)) {
    runtime.block_on(async {
        let (arrivals, all) = Arrivals::of(events as usize);
        run(&arrivals);
        all.await.expect("all events arrive");
    });
}
