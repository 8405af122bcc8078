//! A consumer's side of a subscription: how much to ask for, and when.

use std::sync::Arc;

use tracing::trace;

use super::message::{Address, Exit, FromConsumer, SubscriptionId};

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
#[derive(Clone, Copy, Debug)]
pub struct SubscribeOptions {
    min_demand: Option<usize>,
    max_demand: usize,
    cancel: CancelMode,
}

/// What becomes of a consumer when its subscription ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CancelMode {
    /// It stops too, and for the same reason.
    #[default]
    Permanent,
    /// It stops if the producer ended abnormally.
    Transient,
    /// It goes on.
    Temporary,
}

/// A subscription's demand makes no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidDemand {
    /// A consumer that may hold no event would never be sent one.
    #[error("max_demand is 0: ask for at least 1 event")]
    NoMaximum,
    /// More would never be asked for.
    #[error("min_demand is {min}, max_demand is {max}: min_demand must be less than max_demand")]
    MinimumNotBelowMaximum {
        /// The `min_demand` that was given.
        min: usize,
        /// The `max_demand` that was given, or the default of 1000.
        max: usize,
    },
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { min_demand: None, max_demand: 1000, cancel: CancelMode::default() }
    }
}

impl SubscribeOptions {
    /// The most events that the consumer has asked for and not handled. 1000 by default.
    #[must_use]
    pub fn max_demand(self, events: usize) -> Self {
        Self { max_demand: events, ..self }
    }

    /// Ask for more when no more than this many are outstanding. Half of `max_demand` by default.
    #[must_use]
    pub fn min_demand(self, events: usize) -> Self {
        Self { min_demand: Some(events), ..self }
    }

    /// What becomes of the consumer when the subscription ends. It stops, by default.
    #[must_use]
    pub fn cancel(self, mode: CancelMode) -> Self {
        Self { cancel: mode, ..self }
    }
}

/// One subscription, as its consumer keeps it.
pub(super) struct Subscription<T> {
    pub(super) id: SubscriptionId,
    /// The producer's name.
    pub(super) name: Arc<str>,
    pub(super) producer: Address<FromConsumer<T>>,
    min: usize,
    max: usize,
    /// Asked for, and not handled yet.
    outstanding: usize,
    cancel: CancelMode,
}

impl<T> Subscription<T> {
    pub(super) fn new(
        name: Arc<str>,
        producer: Address<FromConsumer<T>>,
        options: SubscribeOptions,
    ) -> Result<Self, InvalidDemand> {
        let SubscribeOptions { min_demand, max_demand: max, cancel } = options;
        let min = min_demand.unwrap_or(max / 2);
        if max == 0 {
            return Err(InvalidDemand::NoMaximum);
        }
        if min >= max {
            return Err(InvalidDemand::MinimumNotBelowMaximum { min, max });
        }
        Ok(Self { id: SubscriptionId::new(), name, producer, min, max, outstanding: 0, cancel })
    }

    /// The most events that the consumer is handed at once: with (max 1000, min 500), 500.
    #[inline]
    pub(super) fn chunk(&self) -> usize {
        self.max - self.min
    }

    /// How many of these events were never asked for.
    #[inline]
    pub(super) fn excess(&self, events: usize) -> usize {
        events.saturating_sub(self.outstanding)
    }

    /// `events` more are handled, or, on subscribing, none is. If no more than `min` are on their
    /// way now, asks for as many as make it `max` again. `stage` is the consumer's name.
    #[inline]
    pub(super) fn handled(&mut self, events: usize, stage: &str) {
        self.outstanding = self.outstanding.saturating_sub(events);
        if self.outstanding <= self.min {
            let count = self.max - self.outstanding;
            let subscription = self.id.number();
            trace!(stage, producer = &*self.name, subscription, count, "ask");
            self.outstanding = self.max;
            // A producer that is gone has said so, or its end is found out on subscribing.
            self.producer.post(FromConsumer::Ask { id: self.id, count });
        }
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
