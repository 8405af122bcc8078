//! Demand-driven stages: [GenStage]'s ideas as plain tokio tasks and channels.
//!
#![doc = include_str!("../README.md")]
//!
//! ## Tracing
//!
//! A [`tracing`] subscriber can see the work of the stages at level `TRACE`: the events `ask` (fields `stage`,
//! `producer`, `producer_task`, `subscription`, `count`), `dispatch` (`stage`, `consumer`, `subscription`, `count`),
//! `buffer` (`stage`, `count`: how many events are in it now) and `stop` (`stage`, `exit`), and the spans
//! `handle_demand` and `handle_events` (`stage`, `count`). Several stages can have one name, but each subscription has
//! its own number, and each stage its own task, in which it emits all of this.
//!
//! [GenStage]: https://hexdocs.pm/gen_stage

// Each stage is one task with one mailbox. To understand it, read the first five: the events take this way through them.
//
// message              the messages that stages send each other
// subscription         a consumer's side of a subscription: how much to ask for, and when
// dispatcher/demand    a producer's side: how much each consumer has asked for, and which one gets an event
// worker               the task: takes a message from the mailbox, calls the stage, sends the events it returns
// kind                 one trait for all kinds of stage, so that one type of worker can run them
//
// mailbox              a stage's mailbox, and every message that can be in it
// buffer               the events that a producer has emitted and that no consumer has asked for yet
// options              starts a stage
// handle               how the rest of the program uses a stage
// stage_ref            awaits a stage's end, or ends it; asks stages for their topology
//
// Each of these is a feature that nothing else depends on:
//
// casts                consumers and producer-consumers that messages can be cast to
// dispatcher           also: an event goes to all consumers, or to one of its partition
// bridges              from a stream, to a stream, into a sink
// feed                 events of callers that are no stages, with back-pressure for them
// batcher              batches of events, by number or by time
// consumer_supervisor  a consumer that starts a task for each event
// supervisor           starts groups of stages again when they fail
// intensity            limits restarts
// topology             the running stages, and the demand between them
// testing              probes, with which the rules of this crate are tested too

use std::future::Future;

mod batcher;
mod bridges;
mod buffer;
mod casts;
mod consumer_supervisor;
mod dispatcher;
mod feed;
mod handle;
mod intensity;
mod kind;
mod mailbox;
mod message;
mod options;
mod stage_ref;
mod subscription;
mod supervisor;
pub mod testing;
mod topology;
mod worker;

pub use batcher::TimeIsUp;
pub use bridges::{EventStream, Read, SinkConsumer, StreamProducer};
pub use buffer::Keep;
pub use casts::{CastConsumer, CastProducerConsumer};
pub use consumer_supervisor::Restart;
pub use dispatcher::{Broadcast, Demand, Dispatcher, Partition};
pub use feed::{Call, Feed, NotTaken};
pub use handle::{ConsumerHandle, Handle, ProducerConsumerHandle, ProducerHandle, all_stopped};
pub use message::{Exit, StageFailed, SubscriptionId};
pub use options::{Options, named};
pub use stage_ref::{STOP_LIMIT, StageRef, first_stopped, stop_in_order, topology};
pub use subscription::{CancelMode, InvalidDemand, SubscribeOptions};
pub use supervisor::{GroupStatus, Supervisor, TooManyRestarts};
pub use topology::{Kind, StageNow, SubscriptionNow, Topology};

/// A stage that has events: demand in, events out.
///
/// Start it with [`Options::start_producer`].
///
/// ```
/// use stage::{Consumer, Producer, SubscribeOptions};
/// use std::collections::VecDeque;
///
/// /// Emits orders as they come in, and never more than were asked for.
/// #[derive(Default)]
/// struct Orders {
///     waiting: VecDeque<String>,
///     owed: usize,
/// }
///
/// impl Orders {
///     fn emit(&mut self) -> Vec<String> {
///         let count = self.owed.min(self.waiting.len());
///         self.owed -= count;
///         self.waiting.drain(..count).collect()
///     }
/// }
///
/// impl Producer for Orders {
///     type Event = String;
///     type Cast = String;
///
///     async fn handle_demand(&mut self, demand: usize) -> Vec<String> {
///         self.owed = self.owed.saturating_add(demand);
///         self.emit()
///     }
///
///     async fn handle_cast(&mut self, order: String) -> Vec<String> {
///         self.waiting.push_back(order);
///         self.emit()
///     }
///
///     async fn prepare_for_draining(&mut self) -> Vec<String> {
///         self.waiting.drain(..).collect()
///     }
/// }
/// # struct Cook;
/// # impl Consumer for Cook {
/// #     type Event = String;
/// #     async fn handle_events(&mut self, orders: Vec<String>) {
/// #         assert_eq!(orders.len(), 1);
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
///
/// let orders = stage::named("Orders").start_producer(|_me| Orders::default());
/// let cook = stage::named("Cook").start_consumer(Cook);
/// let subscription = cook.subscribe(&orders, SubscribeOptions::default().max_demand(1))?;
/// assert!(cook.subscribed(subscription).await);
/// for order in ["soup", "fish", "cake"] {
///     orders.cast(order.to_owned());
/// }
/// orders.stop();
/// cook.stopped().await.ok()?;
/// assert_eq!(orders.stage().lost(), 0);
/// # Ok(())
/// # }
/// ```
///
/// A method that panics ends the stage: see [`Exit::Crashed`].
pub trait Producer: Send + 'static {
    /// The type of the events that it emits.
    type Event: Send + 'static;

    /// The type of the messages that [`Handle::cast`] sends to it. A producer that gets no messages has
    /// [`Infallible`](std::convert::Infallible) here, because no value of that type exists.
    type Cast: Send + 'static;

    /// Consumers ask for `demand` more events (never 0). Returns the events that it has now.
    ///
    /// A demand that cannot be met now is not repeated. The producer remembers it, and emits the
    /// missing events later, from [`handle_cast`](Producer::handle_cast). Events beyond the demand
    /// are buffered.
    ///
    /// This must not wait for events. While it waits, the stage hears nothing else: no cast, no
    /// [`stop`](Handle::stop), no [`cancel`](Handle::cancel). Even a consumer that stops waits then,
    /// because its producers confirm that. A producer whose events come from far away gets them by a
    /// [task](Handle::spawn) that casts them.
    ///
    /// The demand can be as large as a consumer's `max_demand`, which can be [`usize::MAX`]. So do not
    /// allocate that much. After a stop, no demand comes any more.
    fn handle_demand(&mut self, demand: usize) -> impl Future<Output = Vec<Self::Event>> + Send;

    /// Handles a `message` that was cast to this stage. Returns the events to emit. Like
    /// [`handle_demand`](Producer::handle_demand), it must not wait for long.
    ///
    /// The default logs an error, because a message without a handler is a mistake in the program.
    fn handle_cast(
        &mut self,
        message: Self::Cast,
    ) -> impl Future<Output = Vec<Self::Event>> + Send {
        drop(message);
        tracing::error!("a message was cast to a producer without handle_cast; it is lost");
        async { Vec::new() }
    }

    /// The stage was told to [stop](Handle::stop), so no more demand will come. Returns the last
    /// events. Messages that were cast before this returns are still handled.
    fn prepare_for_draining(&mut self) -> impl Future<Output = Vec<Self::Event>> + Send {
        async { Vec::new() }
    }

    /// These events had no room in the [buffer](Options::buffer_size), so no consumer will get them. The default drops
    /// them. A warning has their number in any case.
    fn handle_discarded(&mut self, events: Vec<Self::Event>) {
        drop(events);
    }
}

/// A stage between two others: events in, other events out.
///
/// It asks its producer for events as soon as it has subscribed, and handles them only while its own
/// consumers want some. Start it with [`Options::start_producer_consumer`].
///
/// ```
/// use stage::ProducerConsumer;
///
/// /// Makes words of lines.
/// struct Words;
///
/// impl ProducerConsumer for Words {
///     type Input = String;
///     type Event = String;
///
///     async fn handle_events(&mut self, lines: Vec<String>) -> Vec<String> {
///         lines.iter().flat_map(|line| line.split_whitespace()).map(str::to_owned).collect()
///     }
/// }
/// ```
pub trait ProducerConsumer: Send + 'static {
    /// The type of the events that it receives.
    type Input: Send + 'static;

    /// The type of the events that it emits.
    type Event: Send + 'static;

    /// Turns events into the events to emit. It may return as many, fewer, or more.
    ///
    /// The notes on [`Consumer::handle_events`] hold here too. An event that this keeps for later is emitted by a later
    /// call, or by [`finish`](ProducerConsumer::finish).
    fn handle_events(
        &mut self,
        events: Vec<Self::Input>,
    ) -> impl Future<Output = Vec<Self::Event>> + Send;

    /// Turns events into the events to emit, as [`handle_events`](ProducerConsumer::handle_events) does, and knows
    /// which subscription they came by: see [`Consumer::handle_events_from`].
    fn handle_events_from(
        &mut self,
        from: SubscriptionId,
        events: Vec<Self::Input>,
    ) -> impl Future<Output = Vec<Self::Event>> + Send {
        let _ = from;
        self.handle_events(events)
    }

    /// These events had no room in the buffer: see [`Producer::handle_discarded`].
    fn handle_discarded(&mut self, events: Vec<Self::Event>) {
        drop(events);
    }

    /// A subscription of this stage has ended: see [`Consumer::handle_cancel`].
    fn handle_cancel(
        &mut self,
        subscription: SubscriptionId,
        exit: &Exit,
    ) -> impl Future<Output = ()> + Send {
        let _ = (subscription, exit);
        async {}
    }

    /// The stage ends in an orderly way, and has handled everything that it received. Returns the last
    /// events, such as those that it has collected. They are delivered, or counted as
    /// [lost](StageRef::lost) if no consumer is left.
    ///
    /// A stage that is [killed](Handle::kill) or panics does not come to this.
    fn finish(&mut self) -> impl Future<Output = Vec<Self::Event>> + Send {
        async { Vec::new() }
    }
}

/// A stage at the end: events in.
///
/// Start it with [`Options::start_consumer`].
///
/// ```
/// use stage::Consumer;
///
/// struct Printer;
///
/// impl Consumer for Printer {
///     type Event = String;
///
///     async fn handle_events(&mut self, lines: Vec<String>) {
///         for line in lines {
///             println!("{line}");
///         }
///     }
/// }
/// ```
pub trait Consumer: Send + 'static {
    /// The type of the events that it receives.
    type Event: Send + 'static;

    /// Handles at least 1 and at most `max_demand - min_demand` events: 500 with the defaults. When it
    /// returns, the stage may ask for more.
    ///
    /// The events come from one message of one producer. Messages are never merged, so a producer that emits its events
    /// one by one is handled one by one, with any `max_demand`.
    ///
    /// A panic ends the stage, and the log has its message: see [`Exit::Crashed`]. If the stage is
    /// [killed](Handle::kill), this is dropped at its next `.await`.
    fn handle_events(&mut self, events: Vec<Self::Event>) -> impl Future<Output = ()> + Send;

    /// Handles events, as [`handle_events`](Consumer::handle_events) does, and knows which subscription they came
    /// by: the one that [`subscribe`](Handle::subscribe) returned. The stage calls this, and the default calls
    /// `handle_events`. A consumer of several producers implements this instead, if it treats them differently;
    /// its `handle_events` is not called then.
    fn handle_events_from(
        &mut self,
        from: SubscriptionId,
        events: Vec<Self::Event>,
    ) -> impl Future<Output = ()> + Send {
        let _ = from;
        self.handle_events(events)
    }

    /// A subscription of this stage has ended: it was cancelled, or its producer has ended in this way.
    /// No event of it follows. After that, the stage goes on or stops, as the
    /// [`CancelMode`] says.
    fn handle_cancel(
        &mut self,
        subscription: SubscriptionId,
        exit: &Exit,
    ) -> impl Future<Output = ()> + Send {
        let _ = (subscription, exit);
        async {}
    }

    /// The stage ends in an orderly way, and has handled everything that it received. It flushes or closes its files
    /// and connections. [`stopped`](Handle::stopped) waits for it.
    ///
    /// A stage that is [killed](Handle::kill) or panics does not come to this.
    fn finish(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

#[cfg(test)]
mod rules;
