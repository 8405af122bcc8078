//! Each event goes to all consumers.

use std::sync::Arc;

use tracing::trace;

use super::{Consumers, OtherDispatch};
use crate::buffer::Buffer;
use crate::message::{
    Address, Exit, FromConsumer, FromProducer, NewConsumer, Selector, SubscriptionId,
};

/// GenStage's *broadcast dispatcher*. The slowest consumer sets the pace: an event is sent when all have asked
/// for one, and the producer is asked for as many as all of them want.
pub struct ToAll<T> {
    name: Arc<str>,
    consumers: Vec<Subscriber<T>>,
    buffer: Buffer<T>,
    /// How many events the producer was asked for and has not emitted.
    asked_for: usize,
    /// The stage itself, which is sent the asks of consumers that have room for more and will not say so.
    stage: Address<FromConsumer<T>>,
}

struct Subscriber<T> {
    id: SubscriptionId,
    name: Arc<str>,
    /// The number of events asked for and not sent yet.
    pending: usize,
    address: Address<FromProducer<T>>,
    selector: Option<Selector<T>>,
}

impl<T: Clone> ToAll<T> {
    pub(super) fn new(name: Arc<str>, stage: Address<FromConsumer<T>>, buffer: Buffer<T>) -> Self {
        Self { name, stage, consumers: Vec::new(), buffer, asked_for: 0 }
    }

    /// How many events all consumers have asked for.
    fn wanted(&self) -> usize {
        self.consumers.iter().map(|consumer| consumer.pending).min().unwrap_or(0)
    }

    /// Sends as many buffered events as all want.
    fn send(&mut self) {
        let count = self.wanted().min(self.buffer.len());
        if count == 0 {
            return;
        }
        let events = self.buffer.take(count);
        for consumer in &mut self.consumers {
            let mut events = events.clone();
            if let Some(selector) = &consumer.selector {
                events.retain(|event| selector(event));
            }
            consumer.pending -= count;
            // The consumer has no use for these, so it is still to get as many others.
            let skipped = count - events.len();
            if skipped > 0 {
                self.stage.post(FromConsumer::Ask { id: consumer.id, count: skipped });
            }
            if events.is_empty() {
                continue;
            }
            trace!(
                stage = &*self.name,
                consumer = &*consumer.name,
                subscription = consumer.id.number(),
                count = events.len(),
                "dispatch"
            );
            consumer.address.post(FromProducer::Events { id: consumer.id, events });
        }
    }
}

impl<T: Clone + Send> OtherDispatch<T> for ToAll<T> {
    fn buffered(&self) -> usize {
        self.buffer.len()
    }

    fn is_wanted(&self) -> bool {
        self.wanted() > 0
    }

    fn may_want_more(&self) -> bool {
        !self.consumers.is_empty()
    }

    fn can_deliver(&self) -> bool {
        !self.consumers.is_empty()
    }

    fn consumers(&self) -> Consumers<T> {
        self.consumers.iter().map(|consumer| (consumer.id, consumer.address.clone())).collect()
    }

    fn subscribe(&mut self, consumer: NewConsumer<T>) {
        let NewConsumer { id, name, address, selector, .. } = consumer;
        self.consumers.push(Subscriber { id, name, pending: 0, address, selector });
    }

    fn cancel(&mut self, id: SubscriptionId) {
        if let Some(index) = self.consumers.iter().position(|consumer| consumer.id == id) {
            let gone = self.consumers.remove(index);
            gone.address.post(FromProducer::cancelled(id, Exit::Normal));
            // It may have been the slowest one, and the others need not wait for it any more.
            if let Some(other) = self.consumers.first() {
                self.stage.post(FromConsumer::Ask { id: other.id, count: 0 });
            }
        }
    }

    fn ask(&mut self, id: SubscriptionId, count: usize) -> usize {
        let Some(consumer) = self.consumers.iter_mut().find(|consumer| consumer.id == id) else {
            return 0;
        };
        consumer.pending = consumer.pending.saturating_add(count);
        self.send();
        let missing = self.wanted().saturating_sub(self.asked_for);
        self.asked_for += missing;
        missing
    }

    fn dispatch(&mut self, events: Vec<T>) -> Vec<T> {
        self.asked_for = self.asked_for.saturating_sub(events.len());
        // They are sent first and stored then, so that the buffer discards none that a consumer wants.
        let wanted = self.wanted().saturating_sub(self.buffer.len());
        let mut events = events.into_iter();
        self.buffer.store_unlimited(events.by_ref().take(wanted));
        self.send();
        let discarded = self.buffer.store(events);
        if self.buffer.len() > 0 {
            trace!(stage = &*self.name, count = self.buffer.len(), "buffer");
        }
        discarded
    }

    fn end(&mut self, exit: &Exit) {
        for Subscriber { id, address, .. } in self.consumers.drain(..) {
            address.post(FromProducer::cancelled(id, exit.clone()));
        }
    }
}
