//! Each event goes to one consumer: the one with the largest pending demand.

use std::cmp::Reverse;
use std::sync::Arc;

use tracing::trace;

use super::Consumers;
use crate::buffer::Buffer;
use crate::message::{Address, Exit, FromProducer, NewConsumer, SubscriptionId};

/// Sends each event to one consumer: the one with the largest pending demand.
///
/// This is GenStage's *demand dispatcher*. It is greedy, not round-robin: the consumer with the
/// largest pending demand gets everything it asked for before the next one gets anything. Among
/// equals, the one that has waited the longest is served first, so that consumers that want the same
/// take turns.
pub struct ByDemand<T> {
    name: Arc<str>,
    consumers: Vec<Subscriber<T>>,
    /// How many times a consumer has subscribed, asked, or been served. This is the dispatcher's clock.
    changes: u64,
    buffer: Buffer<T>,
    /// Consumers that have left had asked the producer for this many events, and it still owes
    /// them. The next asks are first taken off this debt, so that only the rest is new demand.
    ///
    /// GenStage keeps the same number but lowers it only by asks. So an event that arrives while no
    /// consumer is subscribed waits in its buffer longer than it needs to. Here an event that goes
    /// to the buffer pays the debt too.
    owed_to_gone: usize,
}

struct Subscriber<T> {
    id: SubscriptionId,
    name: Arc<str>,
    /// The number of events asked for and not sent yet.
    pending: usize,
    /// When `pending` changed the last time.
    since: u64,
    address: Address<FromProducer<T>>,
}

impl<T> ByDemand<T> {
    /// Creates the dispatcher of the stage with this name.
    pub(super) fn new(name: Arc<str>, buffer: Buffer<T>) -> Self {
        Self { name, consumers: Vec::new(), changes: 0, buffer, owed_to_gone: 0 }
    }

    pub(super) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether any consumer wants an event.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.consumers.iter().any(|consumer| consumer.pending > 0)
    }

    pub(super) fn has_consumers(&self) -> bool {
        !self.consumers.is_empty()
    }

    /// How many events its consumers have asked for and not been sent.
    pub(super) fn pending(&self) -> usize {
        let pending = self.consumers.iter().map(|consumer| consumer.pending);
        pending.fold(0, usize::saturating_add)
    }

    pub(super) fn consumers(&self) -> Consumers<T> {
        self.consumers.iter().map(|consumer| (consumer.id, consumer.address.clone())).collect()
    }

    pub(super) fn has(&self, id: SubscriptionId) -> bool {
        self.consumers.iter().any(|consumer| consumer.id == id)
    }

    pub(super) fn subscribe(&mut self, NewConsumer { id, name, address, .. }: NewConsumer<T>) {
        self.changes += 1;
        self.consumers.push(Subscriber { id, name, pending: 0, since: self.changes, address });
    }

    /// Ends a subscription, and tells the consumer.
    pub(super) fn cancel(&mut self, id: SubscriptionId) {
        if let Some(index) = self.consumers.iter().position(|consumer| consumer.id == id) {
            let gone = self.consumers.remove(index);
            self.owed_to_gone = self.owed_to_gone.saturating_add(gone.pending);
            gone.address.post(FromProducer::cancelled(id, Exit::Normal));
        }
    }

    /// A consumer asks for `count` more events. Sends it the buffered events at once, the oldest
    /// first. Returns how many the producer must be asked for.
    ///
    /// With 3 in the buffer and 2 owed to a consumer that has gone, an ask for 10 takes the 3 from
    /// the buffer and the 2 that are on their way, so the producer is asked for 5.
    #[inline]
    pub(super) fn ask(&mut self, id: SubscriptionId, count: usize) -> usize {
        let Some(consumer) = self.consumers.iter_mut().find(|consumer| consumer.id == id) else {
            return 0;
        };
        self.changes += 1;
        consumer.pending += count;
        consumer.since = self.changes;
        let buffered = count.min(self.buffer.len());
        if buffered > 0 {
            let events = self.buffer.take(buffered);
            self.trace_buffer();
            self.send(events);
        }
        let missing = count - buffered;
        let owed = missing.min(self.owed_to_gone);
        self.owed_to_gone -= owed;
        missing - owed
    }

    /// Sends events to the consumers that asked for them, and buffers the rest. Returns the
    /// events that the buffer had to discard.
    #[inline]
    pub(super) fn dispatch(&mut self, events: Vec<T>) -> Vec<T> {
        let rest = self.send(events);
        if rest.is_empty() {
            return rest;
        }
        self.owed_to_gone = self.owed_to_gone.saturating_sub(rest.len());
        let discarded = self.buffer.store(rest);
        self.trace_buffer();
        discarded
    }

    fn trace_buffer(&self) {
        trace!(stage = &*self.name, count = self.buffer.len(), "buffer");
    }

    /// Sends events to the consumers that asked for them. Returns the events that no consumer asked
    /// for.
    #[inline]
    fn send(&mut self, mut events: Vec<T>) -> Vec<T> {
        while !events.is_empty() {
            let Some(consumer) = hungriest(&mut self.consumers) else { break };
            // Nearly always, one consumer takes all the events.
            let rest = if consumer.pending < events.len() {
                events.split_off(consumer.pending)
            } else {
                Vec::new()
            };
            self.changes += 1;
            consumer.pending -= events.len();
            consumer.since = self.changes;
            trace!(
                stage = &*self.name,
                consumer = &*consumer.name,
                subscription = consumer.id.number(),
                count = events.len(),
                "dispatch"
            );
            consumer.address.post(FromProducer::Events { id: consumer.id, events });
            events = rest;
        }
        events
    }

    /// Ends all subscriptions, because the producer ends.
    pub(super) fn end(&mut self, exit: &Exit) {
        for Subscriber { id, address, .. } in self.consumers.drain(..) {
            address.post(FromProducer::cancelled(id, exit.clone()));
        }
    }
}

/// Returns the consumer with the largest pending demand, and the one that has waited the longest if
/// several are equal.
#[inline]
fn hungriest<T>(consumers: &mut [Subscriber<T>]) -> Option<&mut Subscriber<T>> {
    if let [consumer] = consumers {
        return Some(consumer).filter(|consumer| consumer.pending > 0);
    }
    let hungriest =
        consumers.iter_mut().max_by_key(|consumer| (consumer.pending, Reverse(consumer.since)));
    hungriest.filter(|consumer| consumer.pending > 0)
}
