//! The rules of demand. Each test is named after the rule that it checks.
//!
//! The tests play the world around a stage, with the probes of [`testing`].

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::*;
use crate::testing::{
    MOMENT, Middle, Order, Probe, Sink, Source, end_of, held_sink, middle, settle, sink, source,
};
use log::Log;

mod batcher;
mod bridges;
mod buffer;
mod consumer_supervisor;
mod demand;
mod dispatch;
mod dispatchers;
mod feed;
mod last_call;
mod lifetimes;
mod log;
mod manual;
mod model;
mod producer_consumer;
mod supervision;
mod telemetry;
mod testing;
mod told;

/// The last event of a [`producer`], emitted when it is told to stop.
const LAST: u32 = 99;

type ProducerProbe = Source<u32>;
type ProducerConsumerProbe = Middle<u32, u32>;
type ConsumerProbe = Sink<u32>;

/// Lets one batch through per permit. Closing it makes a stage that is held there panic.
type Gate = Arc<Semaphore>;

/// Starts the producer `A`. With an empty `supply`, it emits events only on command.
fn producer(supply: Range<u32>) -> ProducerProbe {
    producer_with(named("A"), supply)
}

fn producer_with<D: Dispatcher<u32>>(options: Options<D>, supply: Range<u32>) -> ProducerProbe {
    let producer = source(options, supply);
    producer.cast(Order::EmitLast(vec![LAST]));
    producer
}

/// Starts the producer-consumer `B`, which emits the events that it is handed.
fn producer_consumer(options: Options) -> ProducerConsumerProbe {
    middle(options, |event| vec![event])
}

/// Starts a consumer.
fn consumer(name: &str) -> ConsumerProbe {
    sink(named(name))
}

/// Starts a consumer that is held in the middle of each batch, after recording it.
fn held_consumer(name: &str) -> (ConsumerProbe, Gate) {
    let gate = Arc::new(Semaphore::new(0));
    (held_sink(named(name), gate.clone()), gate)
}

fn demand(min: usize, max: usize) -> SubscribeOptions {
    SubscribeOptions::default().min_demand(min).max_demand(max)
}

/// Lets a stage go on that is held at this gate, and never holds it again.
fn open(gate: &Gate) {
    gate.add_permits(1000);
}

fn lengths(batches: &[Vec<u32>]) -> Vec<usize> {
    batches.iter().map(Vec::len).collect()
}

fn crashed(stage: &str, message: &str) -> Exit {
    Exit::Crashed { stage: stage.into(), message: message.into() }
}
