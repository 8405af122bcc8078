//! Demand-driven stages: [GenStage]'s ideas as plain tokio tasks and channels.
//!
#![doc = include_str!("../README.md")]
//!
//! ## Tracing
//!
//! A [`tracing`] subscriber can see the work of the stages at level `TRACE`: the events `ask` (fields `stage`,
//! `producer`, `subscription`, `count`), `dispatch` (`stage`, `consumer`, `subscription`, `count`), `buffer`
//! (`stage`, `count`: how many events are in it now) and `stop` (`stage`, `exit`), and the spans `handle_demand`
//! and `handle_events` (`stage`, `count`). Several stages can have one name, but each subscription has its own
//! number. A stage emits all of this in its own task.
//!
//! ## Where it differs from GenStage on purpose
//!
//! - [`Handle::stop`] first delivers the remaining events, so that none is lost. `GenStage.stop/1` does not.
//! - [`Handle::spawn`] links a task to its stage in one direction, so a stage that ends does not end its tasks.
//! - [`Producer::Cast`] gives casts a type, so a message of another type does not compile.
//! - When a consumer leaves, the producer still owes the events that it was asked for. Here an event that
//!   goes to the buffer lowers that debt too. In GenStage only an ask does, so that events can wait in the
//!   buffer longer than they need to.
//!
//! [GenStage]: https://hexdocs.pm/gen_stage

// Each stage is one task with one mailbox. The events take this way through the files:
//
// message              the messages that stages send each other
// mailbox              a stage's mailbox, and every message that can be in it
// subscription         a consumer's side of a subscription: how much to ask for, and when
// dispatcher           a producer's side: how much each consumer has asked for, and which one is served next
// buffer               the events that a producer has emitted and that no consumer has asked for yet
// worker               the task: takes a message from the mailbox, calls the stage, sends the events it returns
// kind                 one trait for all kinds of stage, so that one type of worker can run them
// handle               starts a stage, and gives the rest of the program a handle to it
// stage_ref            awaits a stage's end, or ends it
// consumer_supervisor  a consumer that starts a task for each event
// supervisor           starts groups of stages again when they fail
// intensity            limits restarts

use std::future::Future;

mod buffer;
mod consumer_supervisor;
mod dispatcher;
mod handle;
mod intensity;
mod kind;
mod mailbox;
mod message;
mod stage_ref;
mod subscription;
mod supervisor;
mod worker;

pub use buffer::Keep;
pub use consumer_supervisor::Restart;
pub use handle::{
    ConsumerHandle, Handle, Options, ProducerConsumerHandle, ProducerHandle, all_stopped, named,
};
pub use message::{Exit, StageFailed, SubscriptionId};
pub use stage_ref::{STOP_LIMIT, StageRef};
pub use subscription::{CancelMode, InvalidDemand, SubscribeOptions};
pub use supervisor::{GroupStatus, Supervisor, TooManyRestarts};

/// A stage that has events: demand in, events out.
///
/// Start it with [`Options::start_producer`].
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
    fn handle_demand(&mut self, demand: usize) -> impl Future<Output = Vec<Self::Event>> + Send;

    /// Handles a `message` that was cast to this stage. Returns the events to emit.
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
}

/// A stage between two others: events in, other events out.
///
/// It asks its producer for events as soon as it has subscribed, and handles them only while its own
/// consumers want some. Start it with [`Options::start_producer_consumer`].
pub trait ProducerConsumer: Send + 'static {
    /// The type of the events that it receives.
    type Input: Send + 'static;

    /// The type of the events that it emits.
    type Event: Send + 'static;

    /// Turns events into the events to emit. It may return as many, fewer, or more.
    fn handle_events(
        &mut self,
        events: Vec<Self::Input>,
    ) -> impl Future<Output = Vec<Self::Event>> + Send;
}

/// A stage at the end: events in.
///
/// Start it with [`Options::start_consumer`].
pub trait Consumer: Send + 'static {
    /// The type of the events that it receives.
    type Event: Send + 'static;

    /// Handles at most `max_demand - min_demand` events. When it returns, the stage may
    /// ask for more.
    fn handle_events(&mut self, events: Vec<Self::Event>) -> impl Future<Output = ()> + Send;
}

#[cfg(test)]
mod rules;
