//! Demand-driven stages: [GenStage]'s ideas as plain tokio tasks and channels.
//!
//! Each stage is one task with one mailbox. The way of the data through the files:
//!
//! | file | what it does |
//! |---|---|
//! | [`message`] | what stages say to each other |
//! | [`mailbox`] | all that can be in a stage's mailbox |
//! | [`subscription`] | a consumer's side of a subscription: how much to ask for, and when |
//! | [`dispatcher`] | a producer's side: who has asked for how much, and who is served next |
//! | [`buffer`] | what a producer emitted and nobody has asked for yet |
//! | [`worker`] | the task: takes a message from the mailbox, calls the stage, sends what comes of it |
//! | [`kind`] | the kinds of stage as one, for the one worker there is |
//! | [`handle`] | starts a stage, and speaks to it from outside |
//! | [`consumer_supervisor`] | a consumer that starts a task for each event |
//! | [`supervisor`] | starts groups of stages again when they fail |
//! | [`intensity`] | how often something may be restarted |
//!
//! A [`tracing`] subscriber can see at level `TRACE` what they do: the events `ask` (fields `stage`,
//! `producer`, `subscription`, `count`), `dispatch` (`stage`, `consumer`, `subscription`, `count`), `buffer`
//! (`stage`, `count`: how many are in it now) and `stop` (`stage`, `exit`), and the spans `handle_demand` and
//! `handle_events` (`stage`, `count`). Several stages can have one name: a subscription's number is its own, and
//! a stage does all that in its own task.
//!
//! [GenStage]: https://hexdocs.pm/gen_stage
//!
#![doc = include_str!("../README.md")]

use std::future::Future;

mod buffer;
mod consumer_supervisor;
mod dispatcher;
mod handle;
mod intensity;
mod kind;
mod mailbox;
mod message;
mod subscription;
mod supervisor;
mod worker;

pub use buffer::Keep;
pub use consumer_supervisor::Restart;
pub use handle::{
    ConsumerHandle, Handle, Options, ProducerConsumerHandle, ProducerHandle, STOP_LIMIT, StageRef,
    all_stopped, named,
};
pub use message::{Exit, StageFailed, SubscriptionId};
pub use subscription::{CancelMode, InvalidDemand, SubscribeOptions};
pub use supervisor::{GroupStatus, Supervisor, TooManyRestarts};

/// A stage that has events: demand in, events out.
///
/// Start it with [`Options::start_producer`].
pub trait Producer: Send + 'static {
    /// What it emits.
    type Event: Send + 'static;

    /// What others tell it with [`Handle::cast`]. A producer that nobody talks to has
    /// [`Infallible`](std::convert::Infallible) here: there is no such message.
    type Cast: Send + 'static;

    /// Consumers ask for `demand` more events (never 0). Returns what there is at once.
    ///
    /// A demand that cannot be met now is not repeated: the producer remembers it, and emits the
    /// missing events later, from [`handle_cast`](Producer::handle_cast). Events beyond the demand
    /// are buffered.
    fn handle_demand(&mut self, demand: usize) -> impl Future<Output = Vec<Self::Event>> + Send;

    /// Somebody cast `message` to this stage. Returns the events to emit.
    ///
    /// The default logs an error: a message that nobody handles is a mistake in the program.
    fn handle_cast(
        &mut self,
        message: Self::Cast,
    ) -> impl Future<Output = Vec<Self::Event>> + Send {
        drop(message);
        tracing::error!("a message was cast to a producer without handle_cast; it is lost");
        async { Vec::new() }
    }

    /// The stage was told to [stop](Handle::stop): no demand will come any more. Returns the last
    /// events. What was cast before this returns is still handled.
    fn prepare_for_draining(&mut self) -> impl Future<Output = Vec<Self::Event>> + Send {
        async { Vec::new() }
    }
}

/// A stage between two others: events in, other events out.
///
/// It asks its producer for events as soon as it is subscribed, and handles them only while its own
/// consumers want some. Start it with [`Options::start_producer_consumer`].
pub trait ProducerConsumer: Send + 'static {
    /// What it is sent.
    type Input: Send + 'static;

    /// What it emits.
    type Event: Send + 'static;

    /// Turns events into the events to emit: as many, fewer, or more.
    fn handle_events(
        &mut self,
        events: Vec<Self::Input>,
    ) -> impl Future<Output = Vec<Self::Event>> + Send;
}

/// A stage at the end: events in.
///
/// Start it with [`Options::start_consumer`].
pub trait Consumer: Send + 'static {
    /// What it is sent.
    type Event: Send + 'static;

    /// Handles at most `max_demand - min_demand` events. When it returns, more may be asked for.
    fn handle_events(&mut self, events: Vec<Self::Event>) -> impl Future<Output = ()> + Send;
}

#[cfg(test)]
mod rules;
