//! How many events per second go through stages, and through the same shapes written by hand with
//! tokio's channels, which is the ceiling: `cargo bench -p shared --bench stages`.
//!
//! Two shapes, each with the demands (max, min) of (10, 0), (1000, 500) and (1, 0), on one thread and
//! on two:
//!
//! - single: a producer and a consumer
//! - chain: a producer, a producer-consumer, and three consumers

#![allow(missing_docs)] // Criterion's macros make a public function.

mod by_hand;
mod stages;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// A subscription's demand.
#[derive(Clone, Copy)]
pub struct Demand {
    pub max: usize,
    pub min: usize,
}

/// Counts the events that have arrived, and tells when it is all of them.
pub struct Arrivals {
    missing: AtomicUsize,
    all: std::sync::Mutex<Option<oneshot::Sender<()>>>,
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

fn benchmark(criterion: &mut Criterion) {
    let one = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let two =
        Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    for (threads, runtime) in [("one thread", &one), ("two threads", &two)] {
        for (max, min, events) in [(10, 0, 200_000), (1000, 500, 4_000_000), (1, 0, 40_000)] {
            let demand = Demand { max, min };
            let mut group = criterion.benchmark_group(format!("({max}, {min}), {threads}"));
            group.throughput(Throughput::Elements(events as u64));
            group.sample_size(20).measurement_time(Duration::from_secs(3));
            let mut measure = |name: &str, run: fn(Demand, &Arc<Arrivals>)| {
                group.bench_with_input(
                    BenchmarkId::from_parameter(name),
                    &events,
                    |bencher, &events| {
                        bencher.iter(|| {
                            until_arrived(runtime, events, |arrivals| run(demand, arrivals));
                        });
                    },
                );
            };
            // One after the other, so that both are measured in the same circumstances.
            measure("single, by hand", by_hand::single);
            measure("single, stages", stages::single);
            measure("chain, by hand", by_hand::chain);
            measure("chain, stages", stages::chain);
            group.finish();
        }
    }
}

fn until_arrived(runtime: &Runtime, events: usize, run: impl FnOnce(&Arc<Arrivals>)) {
    runtime.block_on(async {
        let (arrivals, all) = Arrivals::of(events);
        run(&arrivals);
        all.await.expect("all events arrive");
    });
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
