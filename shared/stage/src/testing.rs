//! Probes for tests of stages: a source that the test feeds, and a sink that the test lets demand.
//!
//! A [`Probe`] is a stage together with the record of its work: a source records the demand that reached it, and a
//! sink the events that it was handed. On tokio's paused clock, a test asks for a record when all stages wait, so it also sees
//! that something did *not* happen. Nothing sleeps, and every run is the same.
//!
//! This tests a stage that stands between the two:
//!
//! ```
//! use stage::testing::{sink, source};
//! use stage::{ProducerConsumer, SubscribeOptions, named};
//!
//! /// Passes the even numbers.
//! struct Even;
//!
//! impl ProducerConsumer for Even {
//!     type Input = u32;
//!     type Event = u32;
//!
//!     async fn handle_events(&mut self, mut events: Vec<u32>) -> Vec<u32> {
//!         events.retain(|event| event % 2 == 0);
//!         events
//!     }
//! }
//!
//! // In a test: #[tokio::test(start_paused = true)]
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut source = source(named("Source"), []);
//! let even = named("Even").start_producer_consumer(Even);
//! let mut sink = sink(named("Sink"));
//! even.subscribe(&source, SubscribeOptions::default().min_demand(0).max_demand(4))?;
//! assert_eq!(source.record().await, [4]);
//!
//! // No demand has reached `even` yet.
//! let demand = sink.subscribe(&even, SubscribeOptions::default().manual())?;
//! source.emit([1, 2, 3, 4]).await;
//! assert!(sink.record().await.is_empty());
//!
//! sink.ask(demand, 1);
//! assert_eq!(sink.record().await, [[2]]);
//! assert_eq!(even.buffered().await, 1);
//! assert_eq!(source.record().await, [4], "all four are handled");
//! # Ok(())
//! # }
//! ```
//!
//! The paused clock is tokio's, so a crate that uses this needs tokio's feature `test-util` in its tests.

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, iter};

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep, timeout};

use super::dispatcher::Dispatcher;
use super::handle::Handle;
use super::message::Exit;
use super::options::Options;
use super::stage_ref::StageRef;
use super::{Consumer, Producer, ProducerConsumer};

/// How far [`settle`] moves the paused clock.
pub const MOMENT: Duration = Duration::from_millis(10);

/// Waits until no stage has anything left to do but to wait for time to pass. [`MOMENT`] passes on the paused
/// clock, which moves only when all tasks wait.
///
/// # Panics
///
/// If tokio's clock runs, because then stages can still be about to do something.
pub async fn settle() {
    let now = Instant::now();
    let is_paused = (0..1000).all(|_| Instant::now() == now);
    assert!(is_paused, "the clock must be paused, as with #[tokio::test(start_paused = true)]");
    sleep(MOMENT).await;
}

/// Returns how the stage has ended, or `None` if it still runs when no stage has anything left to do. Like
/// [`settle`], it is for the paused clock.
pub async fn end_of(stage: StageRef) -> Option<Exit> {
    timeout(MOMENT, stage.stopped()).await.ok()
}

/// A stage, and the record of its work. It can be used as the stage's [`Handle`].
pub struct Probe<H, R> {
    handle: H,
    record: UnboundedReceiver<R>,
}

/// A [`source`]. It records each demand.
pub type Source<T> = Probe<Handle<Infallible, T, Order<T>>, usize>;

/// A [`sink`]. It records each batch that it is handed.
pub type Sink<T> = Probe<Handle<T, Infallible, Infallible>, Vec<T>>;

/// A stage in the [`middle`]. It records each batch that it is handed.
pub type Middle<T, U> = Probe<Handle<T, U, Infallible>, Vec<T>>;

impl<H, R> Probe<H, R> {
    /// A probe of a stage of your own, which sends its record to the other end of `record`.
    pub fn new(handle: H, record: UnboundedReceiver<R>) -> Self {
        Self { handle, record }
    }

    /// [Settles](settle), and returns all records since the last call.
    ///
    /// # Panics
    ///
    /// If tokio's clock runs.
    pub async fn record(&mut self) -> Vec<R> {
        settle().await;
        iter::from_fn(|| self.record.try_recv().ok()).collect()
    }

    /// Waits for the next record, on a clock that runs too. Returns `None` if the stage has ended and there is
    /// none left.
    pub async fn next(&mut self) -> Option<R> {
        self.record.recv().await
    }
}

impl<H, R> Deref for Probe<H, R> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.handle
    }
}

impl<H: fmt::Debug, R> fmt::Debug for Probe<H, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Probe").field(&self.handle).finish()
    }
}

/// Starts a producer that meets demand out of `supply` until that is used up, and emits the events that it is told to emit.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn source<T, I, D>(options: Options<D>, supply: I) -> Source<T>
where
    T: Send + 'static,
    I: IntoIterator<Item = T, IntoIter: Send + 'static>,
    D: Dispatcher<T>,
{
    let (demands, record) = unbounded_channel();
    let events = Box::new(supply.into_iter());
    Probe::new(options.start_producer(|_| Supply { demands, events, last: Vec::new() }), record)
}

impl<T: Send + 'static> Source<T> {
    /// Emits these events, and [settles](settle).
    ///
    /// # Panics
    ///
    /// If tokio's clock runs. There, [cast](Handle::cast) an [`Order::Emit`].
    pub async fn emit(&self, events: impl IntoIterator<Item = T>) {
        self.cast(Order::Emit(events.into_iter().collect()));
        settle().await;
    }
}

/// The messages to a [`source`], for [`Handle::cast`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Order<T> {
    /// Emit these events now, with or without demand for them.
    Emit(Vec<T>),
    /// Emit these events when told to stop.
    EmitLast(Vec<T>),
    /// Handle no other message until this has a permit. If it is closed, panic.
    Wait(Arc<Semaphore>),
    /// Panic, with the message "out of order".
    Panic,
}

/// Starts a consumer.
///
/// To let it demand an exact number of events, subscribe it with
/// [`SubscribeOptions::manual`](super::SubscribeOptions::manual), and call [`Handle::ask`].
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn sink<T: Send + 'static>(options: Options) -> Sink<T> {
    held_sink(options, Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)))
}

/// Starts a consumer that is held in the middle of each batch, after recording it, until `gate` has a permit for
/// it. If the gate is closed, the consumer panics.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn held_sink<T: Send + 'static>(options: Options, gate: Arc<Semaphore>) -> Sink<T> {
    let (batches, record) = unbounded_channel();
    Probe::new(options.start_consumer(Recorder { batches, gate }), record)
}

/// Starts a producer-consumer that emits, for each event, those that `each` returns.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn middle<T, U, D, F>(options: Options<D>, each: F) -> Middle<T, U>
where
    T: Clone + Send + 'static,
    U: Send + 'static,
    D: Dispatcher<U>,
    F: FnMut(T) -> Vec<U> + Send + 'static,
{
    let (batches, record) = unbounded_channel();
    Probe::new(options.start_producer_consumer(Passage { batches, each }), record)
}

struct Supply<T> {
    demands: UnboundedSender<usize>,
    events: Box<dyn Iterator<Item = T> + Send>,
    last: Vec<T>,
}

impl<T: Send + 'static> Producer for Supply<T> {
    type Event = T;
    type Cast = Order<T>;

    async fn handle_demand(&mut self, demand: usize) -> Vec<T> {
        let _ = self.demands.send(demand);
        self.events.by_ref().take(demand).collect()
    }

    async fn handle_cast(&mut self, order: Order<T>) -> Vec<T> {
        match order {
            Order::Emit(events) => return events,
            Order::EmitLast(events) => self.last = events,
            Order::Wait(gate) => pass(&gate).await,
            Order::Panic => panic!("out of order"),
        }
        Vec::new()
    }

    async fn prepare_for_draining(&mut self) -> Vec<T> {
        std::mem::take(&mut self.last)
    }
}

/// Takes a permit.
async fn pass(gate: &Semaphore) {
    let Ok(permit) = gate.acquire().await else { panic!("its gate is closed") };
    permit.forget();
}

/// Records its events.
pub(super) struct Recorder<T> {
    pub batches: UnboundedSender<Vec<T>>,
    /// Lets one batch through per permit.
    pub gate: Arc<Semaphore>,
}

impl<T: Send + 'static> Consumer for Recorder<T> {
    type Event = T;

    async fn handle_events(&mut self, events: Vec<T>) {
        let _ = self.batches.send(events);
        pass(&self.gate).await;
    }
}

/// Records its events, and emits others for them.
struct Passage<T, F> {
    batches: UnboundedSender<Vec<T>>,
    each: F,
}

impl<T, U, F> ProducerConsumer for Passage<T, F>
where
    T: Clone + Send + 'static,
    U: Send + 'static,
    F: FnMut(T) -> Vec<U> + Send + 'static,
{
    type Input = T;
    type Event = U;

    async fn handle_events(&mut self, events: Vec<T>) -> Vec<U> {
        let _ = self.batches.send(events.clone());
        events.into_iter().flat_map(&mut self.each).collect()
    }
}
