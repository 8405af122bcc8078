//! Rules 5 to 8, checked against a model: after any events, the dispatcher does the same as a
//! simple model of it.

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::buffer::Buffer;
use crate::dispatcher::Sealed;
use crate::mailbox::Message;
use crate::message::{FromProducer, NewConsumer};

/// One thing that can happen to a dispatcher. The number of a seat names the consumer that sits
/// there at the time.
#[derive(Clone, Debug)]
enum Step {
    /// The consumer in this seat leaves. If the seat is empty, a new consumer subscribes.
    ComeOrGo(usize),
    /// The consumer asks, even after leaving, because an ask can cross the end of its subscription.
    Ask(usize, usize),
    Emit(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..4_usize).prop_map(Step::ComeOrGo),
        3 => (0..4_usize, 1..9_usize).prop_map(|(seat, count)| Step::Ask(seat, count)),
        3 => (0..20_usize).prop_map(Step::Emit),
    ]
}

/// The messages to each subscription: events, or `None` when it is over.
type Sent = Vec<(SubscriptionId, Option<Vec<u32>>)>;

/// The rules in their plainest form, without regard to speed.
struct Model {
    /// Each with the number of events that it has asked for and not been sent. They stand in a queue:
    /// the next to be served is the first.
    consumers: Vec<(SubscriptionId, usize)>,
    buffer: Vec<u32>,
    size: usize,
    keep: Keep,
    /// The number of events that the producer was asked for and has not emitted.
    owes: usize,
}

impl Model {
    fn wanted(&self) -> usize {
        self.consumers.iter().map(|(_, pending)| pending).sum()
    }

    /// Returns how much the producer is asked for: the demand beyond the events that it owes
    /// already.
    fn ask(&mut self, id: SubscriptionId, count: usize) -> (usize, Sent) {
        let Some(at) = self.consumers.iter().position(|(other, _)| *other == id) else {
            return (0, vec![]);
        };
        let (_, pending) = self.consumers.remove(at);
        self.queue(id, pending + count);
        let sent = self.send();
        let demand = self.wanted().saturating_sub(self.owes);
        self.owes += demand;
        (demand, sent)
    }

    /// Returns how many events are discarded.
    fn emit(&mut self, events: &[u32]) -> (usize, Sent) {
        self.owes = self.owes.saturating_sub(events.len());
        self.buffer.extend(events);
        let sent = self.send();
        let discarded = self.buffer.len().saturating_sub(self.size);
        match self.keep {
            Keep::First => self.buffer.truncate(self.size),
            Keep::Last => self.buffer = self.buffer.split_off(discarded),
        }
        (discarded, sent)
    }

    /// Puts a consumer behind those that want more, and behind its equals.
    fn queue(&mut self, id: SubscriptionId, pending: usize) {
        let before = self.consumers.iter().filter(|(_, other)| *other >= pending).count();
        self.consumers.insert(before, (id, pending));
    }

    /// Meets the largest demand first, and in full.
    fn send(&mut self) -> Sent {
        let mut sent = Vec::new();
        while !self.buffer.is_empty() && self.wanted() > 0 {
            let (id, pending) = self.consumers.remove(0);
            let count = self.buffer.len().min(pending);
            sent.push((id, Some(self.buffer.drain(..count).collect())));
            self.queue(id, pending - count);
        }
        sent
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn rules_05_to_08_hold_whatever_happens(
        size in 0..30_usize,
        keep in prop::sample::select(&[Keep::First, Keep::Last]),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        // All consumers share one mailbox, so that it also shows which one is served first.
        let (to_all, mut mailbox) = unbounded_channel::<Message<u32, Infallible, Infallible>>();
        let to_all = Arc::new(to_all);
        let (stage, _) = unbounded_channel::<Message<Infallible, u32, Infallible>>();
        let mut dispatcher = Demand.make("A".into(), Arc::new(stage), Buffer::new(size, keep));
        let mut model = Model { consumers: vec![], buffer: vec![], size, keep, owes: 0 };
        let mut seats = [(); 4].map(|()| SubscriptionId::new());
        let mut numbers = 0_u32..;
        for step in steps {
            let (real, (count, sent)) = match step {
                Step::ComeOrGo(seat) => {
                    let before = model.consumers.len();
                    model.consumers.retain(|(id, _)| *id != seats[seat]);
                    if model.consumers.len() < before {
                        dispatcher.cancel(seats[seat]);
                        (0, (0, vec![(seats[seat], None)]))
                    } else {
                        seats[seat] = SubscriptionId::new();
                        model.queue(seats[seat], 0);
                        let (id, address) = (seats[seat], to_all.clone());
                        dispatcher.subscribe(NewConsumer { id, name: "C".into(), address, selector: None, partition: 0 });
                        (0, (0, vec![]))
                    }
                }
                Step::Ask(seat, count) => {
                    (dispatcher.ask(seats[seat], count), model.ask(seats[seat], count))
                }
                Step::Emit(count) => {
                    let events: Vec<_> = numbers.by_ref().take(count).collect();
                    (dispatcher.dispatch(events.clone()).len(), model.emit(&events))
                }
            };
            prop_assert_eq!(real, count, "asked for, or discarded");
            let letters = std::iter::from_fn(|| mailbox.try_recv().ok());
            let really_sent: Sent = letters.filter_map(|letter| match letter {
                Message::FromProducer(FromProducer::Events { id, events }) => Some((id, Some(events))),
                Message::FromProducer(FromProducer::Cancelled(it)) => Some((it.id, None)),
                _ => None,
            }).collect();
            prop_assert_eq!(really_sent, sent);
            prop_assert_eq!(dispatcher.buffered(), model.buffer.len());
            prop_assert_eq!(dispatcher.is_wanted(), model.wanted() > 0);
            prop_assert_eq!(dispatcher.can_deliver(), !model.consumers.is_empty());
        }
    }
}
