//! A producer's side of its subscriptions: who has asked for how much, and who is served next.

use std::sync::Arc;

use tracing::trace;

use super::buffer::Buffer;
use super::message::{Address, Exit, FromProducer, NewConsumer, SubscriptionId};

/// Sends each event to one consumer: to the one that has asked for the most.
///
/// The *demand dispatcher* of GenStage. It is greedy, not round-robin: the consumer with the largest
/// pending demand gets all it asked for before the next one gets any. Ties are served in the order
/// of subscription.
pub(super) struct Dispatcher<T> {
    name: Arc<str>,
    /// In the order of subscription.
    consumers: Vec<Subscriber<T>>,
    buffer: Buffer<T>,
    /// The producer was asked for this much by consumers that have gone since. It still owes it,
    /// so the next asks are first taken off this, and only the rest is a new demand.
    ///
    /// GenStage keeps the same number but lowers it only by asks, so that events which arrive while
    /// nobody is subscribed wait in the buffer for longer than they need to. Here an event that goes
    /// to the buffer pays the debt too.
    owed_to_gone: usize,
}

struct Subscriber<T> {
    id: SubscriptionId,
    name: Arc<str>,
    /// Asked for, and not sent yet.
    pending: usize,
    address: Address<FromProducer<T>>,
}

impl<T> Dispatcher<T> {
    /// For the stage of this name.
    pub(super) fn new(name: Arc<str>, buffer: Buffer<T>) -> Self {
        Self { name, consumers: Vec::new(), buffer, owed_to_gone: 0 }
    }

    pub(super) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Whether anybody wants an event.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.consumers.iter().any(|consumer| consumer.pending > 0)
    }

    pub(super) fn has_consumers(&self) -> bool {
        !self.consumers.is_empty()
    }

    pub(super) fn subscribe(&mut self, NewConsumer { id, name, address }: NewConsumer<T>) {
        self.consumers.push(Subscriber { id, name, pending: 0, address });
    }

    /// Ends a subscription, and says so to the consumer.
    pub(super) fn cancel(&mut self, id: SubscriptionId) {
        if let Some(index) = self.consumers.iter().position(|consumer| consumer.id == id) {
            let gone = self.consumers.remove(index);
            self.owed_to_gone += gone.pending;
            gone.address.post(FromProducer::Cancelled { id, exit: Exit::Normal });
        }
    }

    /// A consumer asks for `count` more. What is buffered is sent at once, the oldest first; returns
    /// how many the producer must be asked for.
    ///
    /// With 3 in the buffer and 2 owed to a consumer that has gone, an ask for 10 is met by the 3,
    /// then by the 2 on their way: the producer is asked for 5.
    #[inline]
    pub(super) fn ask(&mut self, id: SubscriptionId, count: usize) -> usize {
        let Some(consumer) = self.consumers.iter_mut().find(|consumer| consumer.id == id) else {
            return 0;
        };
        consumer.pending += count;
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

    /// Sends events to those who asked for some, and buffers the rest. Returns how many the buffer
    /// had to discard.
    #[inline]
    pub(super) fn dispatch(&mut self, events: Vec<T>) -> usize {
        let rest = self.send(events);
        if rest.is_empty() {
            return 0;
        }
        self.owed_to_gone = self.owed_to_gone.saturating_sub(rest.len());
        let discarded = self.buffer.store(rest);
        self.trace_buffer();
        discarded
    }

    fn trace_buffer(&self) {
        trace!(stage = &*self.name, count = self.buffer.len(), "buffer");
    }

    /// Sends events to those who asked for some; returns the events that nobody asked for.
    #[inline]
    fn send(&mut self, mut events: Vec<T>) -> Vec<T> {
        while !events.is_empty() {
            let Some(consumer) = hungriest(&mut self.consumers) else { break };
            // Nearly always, one consumer takes them all.
            let rest = if consumer.pending < events.len() {
                events.split_off(consumer.pending)
            } else {
                Vec::new()
            };
            consumer.pending -= events.len();
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

    /// The producer ends: so do all subscriptions.
    pub(super) fn end(&mut self, exit: &Exit) {
        for Subscriber { id, address, .. } in self.consumers.drain(..) {
            address.post(FromProducer::Cancelled { id, exit: exit.clone() });
        }
    }
}

/// The consumer with the largest pending demand, the first of them if there are several.
#[inline]
fn hungriest<T>(consumers: &mut [Subscriber<T>]) -> Option<&mut Subscriber<T>> {
    // `max_by_key` returns the last of equals, so look from the end.
    let hungriest = consumers.iter_mut().rev().max_by_key(|consumer| consumer.pending);
    hungriest.filter(|consumer| consumer.pending > 0)
}
