//! Each event goes to a consumer of its partition.

use std::iter;
use std::sync::Arc;

use tracing::warn;

use super::demand::ByDemand;
use super::{Consumers, OtherDispatch, Partition};
use crate::buffer::Buffer;
use crate::message::{Exit, FromProducer, NewConsumer, SubscriptionId};

/// GenStage's *partition dispatcher*. Several consumers of one partition share its events by demand.
///
/// GenStage asks the producer for as many events as its consumers ask for, so the events of a slow partition pile up
/// while the others go on. Here the producer is asked for fewer events while some wait for a slow partition. So no more
/// wait than all consumers have asked for, and a partition that stands still stops the others in the end.
pub struct ByPartition<T, F> {
    name: Arc<str>,
    partitions: Vec<ByDemand<T>>,
    of: F,
    /// How many events the producer was asked for and has not emitted.
    asked_for: usize,
}

impl<T, F: Fn(&T) -> u64> ByPartition<T, F> {
    pub(super) fn new(
        Partition { count, of }: Partition<F>,
        name: &Arc<str>,
        buffer: &Buffer<T>,
    ) -> Self {
        let partition = || ByDemand::new(name.clone(), buffer.another());
        let partitions = iter::repeat_with(partition).take(count).collect();
        Self { name: name.clone(), partitions, of, asked_for: 0 }
    }

    /// How many events wait for a consumer of their partition.
    fn waiting(&self) -> usize {
        self.partitions.iter().map(ByDemand::buffered).sum()
    }

    /// How many events the consumers want, beyond those that wait.
    fn wanted(&self) -> usize {
        let pending = self.partitions.iter().map(ByDemand::pending);
        pending.fold(0, usize::saturating_add).saturating_sub(self.waiting())
    }
}

impl<T: Send, F: Fn(&T) -> u64 + Send> OtherDispatch<T> for ByPartition<T, F> {
    fn buffered(&self) -> usize {
        self.waiting()
    }

    fn is_wanted(&self) -> bool {
        self.wanted() > 0
    }

    fn may_want_more(&self) -> bool {
        let mut with_consumers = self.partitions.iter().filter(|it| it.has_consumers());
        // A consumer that has been sent all it asked for is at work, and will ask again.
        self.is_wanted() || with_consumers.any(|it| it.buffered() > 0 || it.pending() == 0)
    }

    fn can_deliver(&self) -> bool {
        self.partitions.iter().any(|it| it.buffered() > 0 && it.has_consumers())
    }

    fn consumers(&self) -> Consumers<T> {
        self.partitions.iter().flat_map(ByDemand::consumers).collect()
    }

    fn subscribe(&mut self, consumer: NewConsumer<T>) {
        let count = self.partitions.len();
        if let Some(partition) = self.partitions.get_mut(consumer.partition) {
            return partition.subscribe(consumer);
        }
        let NewConsumer { id, name, address, partition, .. } = consumer;
        warn!(
            stage = %name, producer = %self.name,
            "{name} cannot subscribe to {}: there is no partition {partition}, they are 0 to {}",
            self.name, count - 1
        );
        address.post(FromProducer::cancelled(id, Exit::NoStage));
    }

    fn cancel(&mut self, id: SubscriptionId) {
        self.partitions.iter_mut().for_each(|partition| partition.cancel(id));
    }

    fn ask(&mut self, id: SubscriptionId, count: usize) -> usize {
        let Some(partition) = self.partitions.iter_mut().find(|partition| partition.has(id)) else {
            return 0;
        };
        partition.ask(id, count);
        let missing = self.wanted().saturating_sub(self.asked_for);
        self.asked_for += missing;
        missing
    }

    fn dispatch(&mut self, events: Vec<T>) -> Vec<T> {
        self.asked_for = self.asked_for.saturating_sub(events.len());
        let count = self.partitions.len();
        let mut parts: Vec<Vec<T>> = iter::repeat_with(Vec::new).take(count).collect();
        for event in events {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "less than the number of partitions"
            )]
            let partition = ((self.of)(&event) % count as u64) as usize;
            parts[partition].push(event);
        }
        let parts = self.partitions.iter_mut().zip(parts).filter(|(_, part)| !part.is_empty());
        parts.flat_map(|(partition, part)| partition.dispatch(part)).collect()
    }

    fn end(&mut self, exit: &Exit) {
        self.partitions.iter_mut().for_each(|partition| partition.end(exit));
    }
}
