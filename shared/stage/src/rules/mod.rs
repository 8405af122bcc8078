//! The rules of demand. Each test is named after the rule that it checks.
//!
//! The tests play the world around a stage. A [`producer`] emits events on command, and records
//! each demand. A [`consumer`] records each batch, and can be held in the middle of it. All tests
//! run on the paused clock: [`settle`] returns when no stage has anything left to do. By then a
//! record is complete, so a test also sees that something did *not* happen.

use std::convert::Infallible;
use std::iter;
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::*;
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

/// Any time will do, because on the paused clock it passes only when all stages wait.
const MOMENT: Duration = Duration::from_millis(10);

/// The last event of a [`producer`], emitted when it is told to stop.
const LAST: u32 = 99;

/// A stage, and the record of its work: each demand of a producer, each batch of the others.
struct Probe<H, T> {
    handle: H,
    record: UnboundedReceiver<T>,
}

type ProducerProbe = Probe<ProducerHandle<Source>, usize>;
type ProducerConsumerProbe = Probe<ProducerConsumerHandle<Recorder>, Vec<u32>>;
type ConsumerProbe = Probe<ConsumerHandle<Recorder>, Vec<u32>>;

impl<H, T> Probe<H, T> {
    /// Returns the records since the last call.
    async fn record(&mut self) -> Vec<T> {
        settle().await;
        iter::from_fn(|| self.record.try_recv().ok()).collect()
    }
}

impl<H, T> Deref for Probe<H, T> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.handle
    }
}

impl ProducerProbe {
    async fn emit(&self, events: Range<u32>) {
        self.cast(Order::Emit(events));
        settle().await;
    }
}

/// A producer that meets demand out of `supply` until that is used up, and emits events on command.
struct Source {
    demands: UnboundedSender<usize>,
    supply: Range<u32>,
}

enum Order {
    Emit(Range<u32>),
    /// Takes half a [`MOMENT`] first, so that others can write to the stage.
    Panic,
}

impl Producer for Source {
    type Event = u32;
    type Cast = Order;

    async fn handle_demand(&mut self, demand: usize) -> Vec<u32> {
        let _ = self.demands.send(demand);
        self.supply.by_ref().take(demand).collect()
    }

    async fn handle_cast(&mut self, order: Order) -> Vec<u32> {
        match order {
            Order::Emit(events) => events.collect(),
            Order::Panic => {
                sleep(MOMENT / 2).await;
                panic!("out of order")
            }
        }
    }

    async fn prepare_for_draining(&mut self) -> Vec<u32> {
        vec![LAST]
    }
}

/// A consumer, or a producer-consumer that emits the events that it is handed.
struct Recorder {
    batches: UnboundedSender<Vec<u32>>,
    gate: Gate,
}

/// Lets one batch through per permit. Closing it makes a stage that is held there panic.
type Gate = Arc<Semaphore>;

impl Recorder {
    async fn handle(&self, events: &[u32]) {
        let _ = self.batches.send(events.to_vec());
        let Ok(permit) = self.gate.acquire().await else { panic!("choked on {events:?}") };
        permit.forget();
    }
}

impl Consumer for Recorder {
    type Event = u32;

    async fn handle_events(&mut self, events: Vec<u32>) {
        self.handle(&events).await;
    }
}

impl ProducerConsumer for Recorder {
    type Input = u32;
    type Event = u32;

    async fn handle_events(&mut self, events: Vec<u32>) -> Vec<u32> {
        self.handle(&events).await;
        events
    }
}

/// Starts the producer `A`. With an empty `supply`, it emits events only on command.
fn producer(supply: Range<u32>) -> ProducerProbe {
    producer_with(named("A"), supply)
}

fn producer_with<D: Dispatcher<u32>>(options: Options<D>, supply: Range<u32>) -> ProducerProbe {
    let (demands, record) = unbounded_channel();
    Probe { handle: options.start_producer(|_| Source { demands, supply }), record }
}

/// Starts the producer-consumer `B`.
fn producer_consumer(options: Options) -> ProducerConsumerProbe {
    let (recorder, record, _) = recorder(1000);
    Probe { handle: options.start_producer_consumer(recorder), record }
}

/// Starts a consumer.
fn consumer(name: &str) -> ConsumerProbe {
    let (recorder, record, _) = recorder(1000);
    Probe { handle: named(name).start_consumer(recorder), record }
}

/// Starts a consumer that is held in the middle of each batch, after recording it.
fn held_consumer(name: &str) -> (ConsumerProbe, Gate) {
    let (recorder, record, gate) = recorder(0);
    (Probe { handle: named(name).start_consumer(recorder), record }, gate)
}

fn recorder(permits: usize) -> (Recorder, UnboundedReceiver<Vec<u32>>, Gate) {
    let (batches, record) = unbounded_channel();
    let gate = Arc::new(Semaphore::new(permits));
    (Recorder { batches, gate: gate.clone() }, record, gate)
}

fn demand(min: usize, max: usize) -> SubscribeOptions {
    SubscribeOptions::default().min_demand(min).max_demand(max)
}

/// Waits until no stage has anything left to do.
async fn settle() {
    sleep(MOMENT).await;
}

/// Returns why the stage ended, or `None` if it still runs when all is quiet.
async fn end_of(stage: StageRef) -> Option<Exit> {
    timeout(MOMENT, stage.stopped()).await.ok()
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
