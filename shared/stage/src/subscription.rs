//! A consumer's side of a subscription: how much to ask for, and when.

use std::sync::Arc;

use tokio::task;
use tracing::{trace, warn};

use super::message::{Address, Exit, FromConsumer, Selector, SubscriptionId};
use super::topology::SubscriptionNow;

/// How a consumer subscribes to a producer.
///
/// ```
/// use stage::SubscribeOptions;
///
/// // Ask for 10; when all 10 are handled, ask for the next 10.
/// let ten_by_ten = SubscribeOptions::default().min_demand(0).max_demand(10);
/// // Ask for 1000; when 500 are handled, ask for 500 more, while the other 500 are on their way.
/// let default = SubscribeOptions::default();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    min_demand: Option<usize>,
    max_demand: usize,
    manual: bool,
    cancel: CancelMode,
    partition: usize,
}

/// Decides whether a consumer goes on when its subscription ends.
///
/// # Several producers
///
/// A permanent consumer stops with the *first* of its producers. It cancels its other subscriptions
/// then, and the events that those producers still have are lost. So where several producers meet,
/// the consumer is [transient](CancelMode::Transient), or [temporary](CancelMode::Temporary), and is
/// stopped last:
///
/// ```
/// # use std::convert::Infallible;
/// # use std::ops::Range;
/// use stage::{CancelMode, Consumer, Producer, SubscribeOptions};
/// # struct Numbers(Range<u32>);
/// # impl Producer for Numbers {
/// #     type Event = u32;
/// #     type Cast = Infallible;
/// #     async fn handle_demand(&mut self, demand: usize) -> Vec<u32> {
/// #         self.0.by_ref().take(demand).collect()
/// #     }
/// #     async fn prepare_for_draining(&mut self) -> Vec<u32> {
/// #         self.0.by_ref().collect()
/// #     }
/// # }
/// # struct Sum;
/// # impl Consumer for Sum {
/// #     type Event = u32;
/// #     async fn handle_events(&mut self, _numbers: Vec<u32>) {
/// #         tokio::task::yield_now().await;
/// #     }
/// # }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let one = stage::named("One").start_producer(|_| Numbers(0..0));
/// # let two = stage::named("Two").start_producer(|_| Numbers(0..5000));
/// # let consumer = stage::named("Sum").start_consumer(Sum);
/// let options = SubscribeOptions::default().cancel(CancelMode::Transient);
/// consumer.subscribe(&one, options)?;
/// consumer.subscribe(&two, options)?;
/// # consumer.buffered().await;
///
/// // A producer ends when the consumer has taken everything that it had.
/// one.stop();
/// two.stop();
/// one.stopped().await.ok()?;
/// two.stopped().await.ok()?;
/// consumer.stop();
/// consumer.stopped().await.ok()?;
/// assert_eq!((one.stage().lost(), two.stage().lost()), (0, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelMode {
    /// The consumer stops too, for the same reason.
    #[default]
    Permanent,
    /// The consumer stops if the producer ended abnormally.
    Transient,
    /// The consumer goes on.
    Temporary,
}

/// A subscription's `min_demand` and `max_demand` make no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidDemand {
    /// A consumer that may hold no event would never be sent one.
    #[error("max_demand is 0: ask for at least 1 event")]
    NoMaximum,
    /// The consumer would never ask for more.
    #[error("min_demand is {min}, max_demand is {max}: min_demand must be less than max_demand")]
    MinimumNotBelowMaximum {
        /// The given `min_demand`.
        min: usize,
        /// The given `max_demand`, or the default of 1000.
        max: usize,
    },
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self {
            min_demand: None,
            max_demand: 1000,
            manual: false,
            cancel: CancelMode::default(),
            partition: 0,
        }
    }
}

impl SubscribeOptions {
    /// Sets the most events that the consumer has asked for and not handled yet. The default is
    /// 1000.
    #[must_use]
    pub fn max_demand(self, events: usize) -> Self {
        Self { max_demand: events, ..self }
    }

    /// Sets when the consumer asks for more: while this many events are outstanding, or fewer. The default is half of
    /// `max_demand`.
    #[must_use]
    pub fn min_demand(self, events: usize) -> Self {
        Self { min_demand: Some(events), ..self }
    }

    /// The stage asks for nothing by itself: [`Handle::ask`](super::Handle::ask) does, GenStage's `ask/3`.
    /// It is handed all events of a message at once.
    #[must_use]
    pub fn manual(self) -> Self {
        Self { min_demand: Some(0), max_demand: usize::MAX, manual: true, ..self }
    }

    /// Sets the partition whose events the consumer wants, if the producer has
    /// [partitions](super::Options::partition). The default is 0. To subscribe to one that there is not ends the
    /// subscription at once, with a warning.
    #[must_use]
    pub fn partition(self, partition: usize) -> Self {
        Self { partition, ..self }
    }

    /// Sets whether the consumer goes on when the subscription ends. By default, it stops.
    #[must_use]
    pub fn cancel(self, mode: CancelMode) -> Self {
        Self { cancel: mode, ..self }
    }
}

/// One subscription, as its consumer keeps track of it.
pub(super) struct Subscription<T> {
    pub(super) id: SubscriptionId,
    /// The producer's name.
    pub(super) name: Arc<str>,
    pub(super) producer: Address<FromConsumer<T>>,
    /// The producer's task, which has no other with it.
    task: task::Id,
    min: usize,
    max: usize,
    /// Whether the program asks, and not the stage.
    manual: bool,
    /// The number of events asked for and not handled yet.
    outstanding: usize,
    /// Whether the consumer has cancelled it. The producer has yet to confirm that.
    cancelled: bool,
    cancel: CancelMode,
    pub(super) partition: usize,
    /// Until the producer has it.
    pub(super) selector: Option<Selector<T>>,
}

impl<T> Subscription<T> {
    pub(super) fn new(
        (name, task): (Arc<str>, task::Id),
        producer: Address<FromConsumer<T>>,
        options: SubscribeOptions,
    ) -> Result<Self, InvalidDemand> {
        let SubscribeOptions { min_demand, max_demand: max, manual, cancel, partition } = options;
        let min = min_demand.unwrap_or(max / 2);
        if max == 0 {
            return Err(InvalidDemand::NoMaximum);
        }
        if min >= max {
            return Err(InvalidDemand::MinimumNotBelowMaximum { min, max });
        }
        let (id, outstanding, cancelled) = (SubscriptionId::new(), 0, false);
        Ok(Self {
            id,
            name,
            producer,
            task,
            min,
            max,
            manual,
            outstanding,
            cancelled,
            cancel,
            partition,
            selector: None,
        })
    }

    /// The most events that the consumer is handed at once: with (max 1000, min 500), that is 500.
    #[inline]
    pub(super) fn chunk(&self) -> usize {
        self.max - self.min
    }

    /// How many of these events the consumer never asked for.
    #[inline]
    pub(super) fn excess(&self, events: usize) -> usize {
        events.saturating_sub(self.outstanding)
    }

    /// Counts `events` more as handled.
    #[inline]
    pub(super) fn handled(&mut self, events: usize) {
        self.outstanding = self.outstanding.saturating_sub(events);
    }

    /// If no more than `min` events are outstanding, asks for enough to make it `max` again. `stage` is
    /// the consumer's name.
    #[inline]
    pub(super) fn ask(&mut self, stage: &str) {
        if self.outstanding <= self.min && !self.manual {
            self.ask_for(self.max - self.outstanding, stage);
        }
    }

    /// Asks for `count` more events, unless it is cancelled.
    #[inline]
    pub(super) fn ask_for(&mut self, count: usize, stage: &str) {
        if count > 0 && !self.cancelled {
            let (subscription, producer_task) = (self.id.number(), self.task);
            trace!(stage, producer = &*self.name, %producer_task, subscription, count, "ask");
            self.outstanding = self.outstanding.saturating_add(count);
            // If the producer is gone, it has said so, or subscribing finds that out.
            self.producer.post(FromConsumer::Ask { id: self.id, count });
        }
    }

    /// Asks for nothing more, and tells the producer, which confirms it with `Cancelled`. Events that
    /// the producer sends before it hears of this are still handled.
    pub(super) fn cancel(&mut self) {
        self.cancelled = true;
        self.producer.post(FromConsumer::Cancel { id: self.id });
    }

    pub(super) fn now(&self) -> SubscriptionNow {
        SubscriptionNow {
            id: self.id,
            producer: self.name.clone(),
            max_demand: self.max,
            outstanding: self.outstanding,
            task: self.task,
        }
    }

    /// Tells that `consumer` cannot subscribe, because the stage `gone` has stopped.
    pub(super) fn warn_that_it_cannot_be(&self, consumer: &str, gone: &str) {
        let producer = &self.name;
        warn!(stage = %consumer, %producer, "{consumer} cannot subscribe to {producer}: {gone} has stopped");
    }

    /// Whether the consumer ends with its producer.
    pub(super) fn ends_consumer(&self, exit: &Exit) -> bool {
        match self.cancel {
            CancelMode::Permanent => true,
            CancelMode::Transient => !exit.is_normal(),
            CancelMode::Temporary => false,
        }
    }
}
