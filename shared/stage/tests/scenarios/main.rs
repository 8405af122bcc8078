//! Stages seen from outside, as a program that uses them sees them.
//!
//! | Folder | Contents |
//! |---|---|
//! | `conformance` | what GenStage's own tests expect |
//! | `nasty` | crashes, kills, races, large numbers, and runtimes that end |
//!
//! A [`Source`] emits events on demand and on command, and records each demand. A [`Sink`] records each
//! batch, and can be held in the middle of it. On the paused clock, [`settle`] returns when no stage has
//! anything left to do.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::future::Future;
use std::iter;
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::time::Duration;

use stage::{
    Consumer, ConsumerHandle, Exit, Options, Producer, ProducerConsumer, ProducerConsumerHandle,
    ProducerHandle, StageRef, SubscribeOptions, named,
};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

mod conformance;
mod nasty;

/// On the paused clock any time will do, because it passes only when all stages wait.
const MOMENT: Duration = Duration::from_millis(10);

/// A limit for what must happen on a clock that runs. Nothing is asserted about the time it takes.
const LONG: Duration = Duration::from_mins(2);

/// A stage, and the record of its work.
struct Probe<H, T> {
    handle: H,
    record: UnboundedReceiver<T>,
}

impl<H, T> Probe<H, T> {
    /// Returns the records since the last call, once no stage has anything left to do.
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

/// A producer that meets demand out of `supply` until that is used up.
struct Source {
    demands: UnboundedSender<usize>,
    supply: Range<u32>,
}

enum Order {
    Emit(Range<u32>),
    Panic,
    /// Waits in `handle_cast` until a permit is there.
    Wait(Arc<Semaphore>),
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
            Order::Panic => panic!("out of order"),
            Order::Wait(gate) => {
                gate.acquire().await.unwrap().forget();
                Vec::new()
            }
        }
    }
}

type SourceProbe = Probe<ProducerHandle<Source>, usize>;

/// Starts a producer. With an empty `supply`, it emits events only on command.
fn source(supply: Range<u32>) -> SourceProbe {
    source_with(named("A"), supply)
}

fn source_with(options: Options, supply: Range<u32>) -> SourceProbe {
    let (demands, record) = unbounded_channel();
    Probe { handle: options.start_producer(|_| Source { demands, supply }), record }
}

impl SourceProbe {
    async fn emit(&self, events: Range<u32>) {
        self.cast(Order::Emit(events));
        settle().await;
    }
}

/// A consumer, or a producer-consumer that emits copies of each event.
struct Sink {
    batches: UnboundedSender<Vec<u32>>,
    copies: usize,
    /// Lets one batch through per permit. Closing it makes a stage that is held there panic.
    gate: Arc<Semaphore>,
}

impl Sink {
    async fn handle(&self, events: &[u32]) {
        let _ = self.batches.send(events.to_vec());
        let Ok(permit) = self.gate.acquire().await else { panic!("choked on {events:?}") };
        permit.forget();
    }
}

impl Consumer for Sink {
    type Event = u32;

    async fn handle_events(&mut self, events: Vec<u32>) {
        self.handle(&events).await;
    }
}

impl ProducerConsumer for Sink {
    type Input = u32;
    type Event = u32;

    async fn handle_events(&mut self, events: Vec<u32>) -> Vec<u32> {
        self.handle(&events).await;
        copies_of(events, self.copies)
    }
}

type SinkProbe = Probe<ConsumerHandle<Sink>, Vec<u32>>;
type MiddleProbe = Probe<ProducerConsumerHandle<Sink>, Vec<u32>>;

const OPEN: usize = 1_000_000;

fn make_sink(copies: usize, permits: usize) -> (Sink, UnboundedReceiver<Vec<u32>>, Arc<Semaphore>) {
    let (batches, record) = unbounded_channel();
    let gate = Arc::new(Semaphore::new(permits));
    (Sink { batches, copies, gate: gate.clone() }, record, gate)
}

fn sink(name: &str) -> SinkProbe {
    let (sink, record, _) = make_sink(0, OPEN);
    Probe { handle: named(name).start_consumer(sink), record }
}

/// Starts a consumer that is held in the middle of each batch, after recording it.
fn held_sink(name: &str) -> (SinkProbe, Arc<Semaphore>) {
    let (sink, record, gate) = make_sink(0, 0);
    (Probe { handle: named(name).start_consumer(sink), record }, gate)
}

/// Starts a producer-consumer that makes so many events of each.
fn middle(copies: usize) -> MiddleProbe {
    let (sink, record, _) = make_sink(copies, OPEN);
    Probe { handle: named("B").start_producer_consumer(sink), record }
}

fn copies_of(events: impl IntoIterator<Item = u32>, copies: usize) -> Vec<u32> {
    events.into_iter().flat_map(|event| iter::repeat_n(event, copies)).collect()
}

fn demand(min: usize, max: usize) -> SubscribeOptions {
    SubscribeOptions::default().min_demand(min).max_demand(max)
}

/// Waits until no stage has anything left to do. Only on the paused clock.
async fn settle() {
    sleep(MOMENT).await;
}

/// Returns why the stage ended, or `None` if it still runs when all is quiet. Only on the paused clock.
async fn end_of(stage: StageRef) -> Option<Exit> {
    timeout(MOMENT, stage.stopped()).await.ok()
}

/// Awaits what must happen.
async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(LONG, event).await.expect("it happens")
}

fn crashed(stage: &str, message: &str) -> Exit {
    Exit::Crashed { stage: stage.into(), message: message.into() }
}

fn lengths(batches: &[Vec<u32>]) -> Vec<usize> {
    batches.iter().map(Vec::len).collect()
}
