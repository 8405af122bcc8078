//! A producer's side of its subscriptions: how much each consumer has asked for, and which one gets an event.
//!
//! | File | Contents |
//! |---|---|
//! | `demand` | each event goes to one consumer: the one with the largest pending demand |
//! | `broadcast` | each event goes to all consumers |
//! | `partition` | each event goes to a consumer of its partition |

use std::sync::Arc;

use crate::buffer::Buffer;
use crate::message::{Address, Exit, FromConsumer, FromProducer, NewConsumer, SubscriptionId};

mod broadcast;
mod demand;
mod partition;

use broadcast::ToAll;
use demand::ByDemand;
use partition::ByPartition;

/// How a stage hands out its events: GenStage's dispatchers. [`Options`](super::Options) choose one.
pub trait Dispatcher<T>: sealed::Sealed<T> {}

impl<T, D: sealed::Sealed<T>> Dispatcher<T> for D {}

/// Each event goes to one consumer: the one with the largest pending demand. The default.
#[derive(Clone, Copy, Debug)]
pub struct Demand;

/// Each event goes to all consumers: see [`Options::broadcast`](super::Options::broadcast).
#[derive(Clone, Copy, Debug)]
pub struct Broadcast;

/// Each event goes to a consumer of its partition: see [`Options::partition`](super::Options::partition).
#[derive(Clone, Copy, Debug)]
pub struct Partition<F> {
    pub(super) count: usize,
    pub(super) of: F,
}

mod sealed {
    use super::{Address, Arc, Buffer, Dispatch, FromConsumer};

    pub trait Sealed<T> {
        /// Makes the dispatcher of the stage with this name and address.
        fn make(
            self,
            name: Arc<str>,
            stage: Address<FromConsumer<T>>,
            buffer: Buffer<T>,
        ) -> Dispatch<T>;
    }
}

pub(super) use sealed::Sealed;

impl<T> Sealed<T> for Demand {
    fn make(
        self,
        name: Arc<str>,
        _stage: Address<FromConsumer<T>>,
        buffer: Buffer<T>,
    ) -> Dispatch<T> {
        Dispatch::ByDemand(ByDemand::new(name, buffer))
    }
}

impl<T: Clone + Send + 'static> Sealed<T> for Broadcast {
    fn make(
        self,
        name: Arc<str>,
        stage: Address<FromConsumer<T>>,
        buffer: Buffer<T>,
    ) -> Dispatch<T> {
        Dispatch::Other(Box::new(ToAll::new(name, stage, buffer)))
    }
}

impl<T, F> Sealed<T> for Partition<F>
where
    T: Send + 'static,
    F: Fn(&T) -> u64 + Send + 'static,
{
    fn make(
        self,
        name: Arc<str>,
        _stage: Address<FromConsumer<T>>,
        buffer: Buffer<T>,
    ) -> Dispatch<T> {
        Dispatch::Other(Box::new(ByPartition::new(self, &name, &buffer)))
    }
}

/// A dispatcher at work.
pub enum Dispatch<T> {
    ByDemand(ByDemand<T>),
    Other(Box<dyn OtherDispatch<T>>),
}

/// A dispatcher that few stages have.
pub trait OtherDispatch<T>: Send {
    fn buffered(&self) -> usize;
    fn is_wanted(&self) -> bool;
    fn may_want_more(&self) -> bool;
    fn can_deliver(&self) -> bool;
    fn consumers(&self) -> Consumers<T>;
    fn subscribe(&mut self, consumer: NewConsumer<T>);
    fn cancel(&mut self, id: SubscriptionId);
    fn ask(&mut self, id: SubscriptionId, count: usize) -> usize;
    fn dispatch(&mut self, events: Vec<T>) -> Vec<T>;
    fn end(&mut self, exit: &Exit);
}

/// The subscriptions, and their consumers.
pub type Consumers<T> = Vec<(SubscriptionId, Address<FromProducer<T>>)>;

impl<T> Dispatch<T> {
    /// How many events wait for a consumer to ask for them.
    pub(super) fn buffered(&self) -> usize {
        match self {
            Self::ByDemand(it) => it.buffered(),
            Self::Other(it) => it.buffered(),
        }
    }

    /// Whether an event that is emitted now would be sent to a consumer.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        match self {
            Self::ByDemand(it) => it.is_wanted(),
            Self::Other(it) => it.is_wanted(),
        }
    }

    /// Whether an event is wanted, or may be later by the consumers that there are.
    pub(super) fn may_want_more(&self) -> bool {
        match self {
            Self::ByDemand(it) => it.has_consumers(),
            Self::Other(it) => it.may_want_more(),
        }
    }

    /// Whether some consumer may take an event that is buffered.
    pub(super) fn can_deliver(&self) -> bool {
        match self {
            Self::ByDemand(it) => it.has_consumers(),
            Self::Other(it) => it.can_deliver(),
        }
    }

    pub(super) fn consumers(&self) -> Consumers<T> {
        match self {
            Self::ByDemand(it) => it.consumers(),
            Self::Other(it) => it.consumers(),
        }
    }

    pub(super) fn subscribe(&mut self, consumer: NewConsumer<T>) {
        match self {
            Self::ByDemand(it) => it.subscribe(consumer),
            Self::Other(it) => it.subscribe(consumer),
        }
    }

    /// Ends a subscription, and tells the consumer.
    pub(super) fn cancel(&mut self, id: SubscriptionId) {
        match self {
            Self::ByDemand(it) => it.cancel(id),
            Self::Other(it) => it.cancel(id),
        }
    }

    /// A consumer asks for `count` more events. Sends it the buffered events, the oldest first. Returns how
    /// many the producer must be asked for.
    #[inline]
    pub(super) fn ask(&mut self, id: SubscriptionId, count: usize) -> usize {
        match self {
            Self::ByDemand(it) => it.ask(id, count),
            Self::Other(it) => it.ask(id, count),
        }
    }

    /// Sends events to consumers, and buffers those that no consumer has asked for. Returns the events that the buffer
    /// had to discard.
    #[inline]
    pub(super) fn dispatch(&mut self, events: Vec<T>) -> Vec<T> {
        match self {
            Self::ByDemand(it) => it.dispatch(events),
            Self::Other(it) => it.dispatch(events),
        }
    }

    /// Ends all subscriptions, because the producer ends.
    pub(super) fn end(&mut self, exit: &Exit) {
        match self {
            Self::ByDemand(it) => it.end(exit),
            Self::Other(it) => it.end(exit),
        }
    }
}
