//! Stages seen from outside, as a program that uses them sees them.
//!
//! | Folder | Contents |
//! |---|---|
//! | `conformance` | the behaviour that GenStage's own tests expect |
//! | `nasty` | crashes, kills, races, large numbers, and runtimes that end |
//!
//! The stages around them are the probes of [`stage::testing`].

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::future::Future;
use std::iter;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use stage::testing::{self, MOMENT, Middle, Order, Probe, Sink, Source, end_of, settle};
use stage::{Consumer, Exit, Producer, ProducerConsumer, ProducerHandle, SubscribeOptions, named};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

mod conformance;
mod nasty;

/// A limit for events that must happen on a clock that runs. Nothing is asserted about the time it
/// takes.
const LONG: Duration = Duration::from_mins(2);

/// Starts a producer. With an empty `supply`, it emits events only on command.
fn source(supply: Range<u32>) -> Source<u32> {
    testing::source(named("A"), supply)
}

fn sink(name: &str) -> Sink<u32> {
    testing::sink(named(name))
}

/// Starts a consumer that is held in the middle of each batch, after recording it.
fn held_sink(name: &str) -> (Sink<u32>, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    (testing::held_sink(named(name), gate.clone()), gate)
}

/// Starts a producer-consumer that makes several events of each.
fn middle(copies: usize) -> Middle<u32, u32> {
    testing::middle(named("B"), move |event| copies_of([event], copies))
}

const OPEN: usize = 1_000_000;

fn copies_of(events: impl IntoIterator<Item = u32>, copies: usize) -> Vec<u32> {
    events.into_iter().flat_map(|event| iter::repeat_n(event, copies)).collect()
}

fn demand(min: usize, max: usize) -> SubscribeOptions {
    SubscribeOptions::default().min_demand(min).max_demand(max)
}

/// Awaits an event that must happen.
async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(LONG, event).await.expect("it happens")
}

fn crashed(stage: &str, message: &str) -> Exit {
    Exit::Crashed { stage: stage.into(), message: message.into() }
}

fn lengths(batches: &[Vec<u32>]) -> Vec<usize> {
    batches.iter().map(Vec::len).collect()
}
