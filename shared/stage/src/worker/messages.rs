//! The change that each message makes, and the call of the stage that it needs.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::task;

use super::{Call, MessageTo, Phase, Worker};
use crate::kind::Stage;
use crate::mailbox::{Message, ToAny};
use crate::message::{Cancelled, Exit, FromConsumer, FromProducer, NewConsumer, SubscriptionId};
use crate::subscription::Subscription;
use crate::topology::StageNow;

impl<S: Stage> Worker<S> {
    /// Makes the change. Returns the call of the stage that this message needs.
    #[inline]
    pub(super) fn handle(&mut self, message: MessageTo<S>) -> Option<Call<S>> {
        match message {
            Message::FromConsumer(FromConsumer::Ask { id, count }) => return self.ask(id, count),
            Message::FromProducer(FromProducer::Events { id, events }) => {
                self.subscriptions.receive(id, events);
            }
            Message::FromProducer(FromProducer::Mark(mark)) => {
                if let Some(mark) = self.subscriptions.keep(mark) {
                    self.stage.mark(mark);
                }
            }
            Message::Cast(message) => return Some(Call::Cast(Box::new(message))),
            Message::FromConsumer(FromConsumer::Subscribe(consumer)) => {
                self.dispatcher.subscribe(*consumer);
            }
            Message::FromConsumer(FromConsumer::Cancel { id }) => {
                self.dispatcher.cancel(id);
            }
            Message::FromProducer(FromProducer::Cancelled(it)) => {
                return self.subscription_ended(it);
            }
            Message::Subscribe(subscription) if self.stopping.is_some() => {
                subscription.warn_that_it_cannot_be(&self.name, &self.name);
            }
            Message::Subscribe(subscription) => return self.subscribe(*subscription),
            Message::Ask(id, count) => {
                let may_ask = self.may_ask();
                if let Some(subscription) = self.subscriptions.get(id).filter(|_| may_ask) {
                    subscription.ask_for(count, &self.name);
                }
            }
            Message::Cancel(id) => self.cancel(id),
            Message::Handled(id) => {
                self.stage.handled();
                self.handled(id, 1);
            }
            Message::IsSubscribed(id, reply) => {
                if let Some(subscription) = self.subscriptions.get(id) {
                    subscription.producer.post(FromConsumer::IsSubscribed { id, reply });
                }
            }
            Message::FromConsumer(FromConsumer::IsSubscribed { id, reply }) => {
                let _ = reply.send(self.dispatcher.consumers().iter().any(|(it, _)| *it == id));
            }
            Message::ForwardDemand => self.accumulates = false,
            Message::CountBuffered(reply) => drop(reply.send(self.dispatcher.buffered())),
            Message::Mark(mark) => self.marks.push(mark),
            Message::ToAny(ToAny::Describe(reply)) => drop(reply.send(self.now())),
            Message::ToAny(ToAny::Stop) => self.stop(Exit::Normal),
            Message::Drained => self.phase = Phase::Drained,
        }
        None
    }

    /// One of this stage's consumers asks for `count` more events.
    #[inline]
    fn ask(&mut self, id: SubscriptionId, count: usize) -> Option<Call<S>> {
        if self.accumulates {
            self.asks.push_back((id, count));
            return None;
        }
        let missing = self.dispatcher.ask(id, count);
        // A producer-consumer has asked its own producers when it subscribed to them.
        let is_demand = !S::WAITS_FOR_DEMAND && missing > 0 && self.stopping.is_none();
        is_demand.then_some(Call::Demand(missing))
    }

    /// Answers the asks that have waited until the demand is forwarded, up to the next call that one needs.
    pub(super) fn ask_what_has_waited(&mut self) -> Option<Call<S>> {
        while !self.accumulates
            && let Some((id, count)) = self.asks.pop_front()
        {
            if let Some(call) = self.ask(id, count) {
                return Some(call);
            }
        }
        None
    }

    /// Counts events of this subscription as handled. That makes room for others.
    #[inline]
    pub(super) fn handled(&mut self, id: SubscriptionId, count: usize) {
        let may_ask = self.may_ask();
        if let Some(subscription) = self.subscriptions.get(id) {
            subscription.handled(count);
            if may_ask {
                subscription.ask(&self.name);
            }
        }
    }

    #[inline]
    fn may_ask(&self) -> bool {
        self.stopping.is_none() && self.unheard.load(Relaxed) == 0
    }

    fn subscribe(&mut self, mut subscription: Subscription<S::In>) -> Option<Call<S>> {
        let id = subscription.id;
        let me = NewConsumer {
            id,
            name: self.name.clone(),
            address: Arc::new(self.me.clone()),
            selector: subscription.selector.take(),
            partition: subscription.partition,
        };
        let is_there = subscription.producer.post(FromConsumer::Subscribe(Box::new(me)));
        if !is_there {
            subscription.warn_that_it_cannot_be(&self.name, &subscription.name);
        }
        self.subscriptions.all.push(subscription);
        if is_there {
            self.handled(id, 0);
            return None;
        }
        self.subscription_ended(Box::new(Cancelled { id, exit: Exit::NoStage }))
    }

    fn cancel(&mut self, id: SubscriptionId) {
        self.unheard.fetch_sub(1, Relaxed);
        if let Some(subscription) = self.subscriptions.get(id) {
            subscription.cancel();
        }
        // The others may have had to wait with their asks for this.
        if self.may_ask() {
            self.subscriptions.all.iter_mut().for_each(|it| it.ask(&self.name));
        }
    }

    fn subscription_ended(&mut self, cancelled: Box<Cancelled>) -> Option<Call<S>> {
        let subscription = self.subscriptions.remove(cancelled.id)?;
        if subscription.ends_consumer(&cancelled.exit) {
            self.stop(cancelled.exit.clone());
        }
        Some(Call::Cancelled(cancelled))
    }

    fn stop(&mut self, exit: Exit) {
        if self.stopping.is_none() {
            self.stopping = Some(exit);
            self.phase = Phase::Stopping;
            // The demand may never be forwarded now, and the last events have to be delivered.
            self.accumulates = false;
            // Each producer confirms this, after the events that it sends before it hears of it.
            self.subscriptions.all.iter_mut().for_each(Subscription::cancel);
        }
    }

    fn now(&self) -> StageNow {
        StageNow {
            name: self.name.clone(),
            kind: S::KIND,
            buffered: self.dispatcher.buffered(),
            subscriptions: self.subscriptions.all.iter().map(Subscription::now).collect(),
            task: task::id(),
        }
    }
}
