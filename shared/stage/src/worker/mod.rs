//! The task of a stage: it takes a message from the mailbox, calls the stage, and sends the events
//! that the stage returns.
//!
//! | File | Contents |
//! |---|---|
//! | `subscriptions` | the subscriptions of a stage that consumes, and the events that have come on them |
//! | `end` | what the task tells the others when the stage has ended |

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::FutureExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::task::{self, consume_budget};
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, trace, trace_span, warn};

use crate::dispatcher::Dispatch;
use crate::kind::Stage;
use crate::mailbox::{Message, ToAny};
use crate::message::{End, Exit, FromConsumer, FromProducer, Mark, NewConsumer, SubscriptionId};
use crate::subscription::Subscription;
use crate::topology::StageNow;

mod end;
mod subscriptions;

pub(crate) use end::panic_message;
use subscriptions::{Chunk, Subscriptions};

/// The messages in the mailbox of the stage `S`.
pub(crate) type MessageTo<S> = Message<<S as Stage>::In, <S as Stage>::Out, <S as Stage>::Cast>;

pub(crate) struct Worker<S: Stage> {
    name: Arc<str>,
    stage: S,
    mailbox: UnboundedReceiver<MessageTo<S>>,
    /// The other end of the mailbox.
    me: UnboundedSender<MessageTo<S>>,
    subscriptions: Subscriptions<S::In>,
    dispatcher: Dispatch<S::Out>,
    /// The asks that wait until the demand is forwarded; `None` if none has to.
    accumulated: Option<Vec<(SubscriptionId, usize)>>,
    /// Those who wait until all that was emitted is handled. They can be told of when nothing is buffered.
    marks: Vec<Mark>,
    /// How many calls of `stop` and `cancel` this stage has not come to yet. While there are any, it
    /// asks for nothing: the messages that tell of them may wait behind a lot of work.
    unheard: Arc<AtomicUsize>,
    /// The reason to end. It is set when the stage is told to stop.
    stopping: Option<Exit>,
    /// Whether the stage has handled everything that was in the mailbox when it was told to stop.
    drained: bool,
    /// Whether the stage has come to its last call.
    finished: bool,
    /// How the stage ended. It is `Killed` until `run` sets another reason, because a killed task
    /// cannot set one.
    end: End,
    /// Tells the tasks that await the stage's end how it ended. It has ended when this is dropped, so
    /// this is the last field: by then the stage has given back everything that it held, such as a
    /// port.
    told: watch::Sender<End>,
}

/// Awaits a future within a span, if a subscriber may listen. This is a macro because a function would
/// move the future, and with it the events, twice more.
macro_rules! within {
    ($span:expr, $future:expr) => {
        if LevelFilter::current() == LevelFilter::TRACE {
            $future.instrument($span).await
        } else {
            $future.await
        }
    };
}

impl<S: Stage> Worker<S> {
    pub(crate) fn new(
        name: Arc<str>,
        stage: S,
        (me, mailbox): (UnboundedSender<MessageTo<S>>, UnboundedReceiver<MessageTo<S>>),
        (dispatcher, accumulates): (Dispatch<S::Out>, bool),
        unheard: Arc<AtomicUsize>,
        told: watch::Sender<End>,
    ) -> Self {
        Self {
            subscriptions: Subscriptions::of(name.clone()),
            name,
            stage,
            mailbox,
            me,
            dispatcher,
            accumulated: accumulates.then(Vec::new),
            marks: Vec::new(),
            unheard,
            stopping: None,
            drained: false,
            finished: false,
            end: End::default(),
            told,
        }
    }

    /// Runs the stage until it has stopped, or has panicked.
    pub(crate) async fn run(mut self) {
        // It is safe to catch a panic here: only the stage's own state can be half changed, and
        // that state ends here.
        let end = AssertUnwindSafe(self.handle_messages()).catch_unwind().await;
        self.end.exit = end.unwrap_or_else(|panic| Exit::Crashed {
            stage: self.name.clone(),
            message: panic_message(&*panic),
        });
    }

    async fn handle_messages(&mut self) -> Exit {
        loop {
            // There is always a next message to wait for, because this worker holds a sender
            // itself.
            if let Some(message) = self.mailbox.recv().await {
                self.handle_message(message).await;
            }
            while let Some(Chunk { id, events, asked_for }) =
                self.subscriptions.next_chunk(!S::WAITS_FOR_DEMAND || self.dispatcher.is_wanted())
            {
                let span = trace_span!(
                    "handle_events",
                    stage = &*self.name,
                    subscription = id.number(),
                    count = events.len()
                );
                let made = within!(span, self.stage.events(id, events));
                self.emit(made);
                if !S::TELLS_WHEN_HANDLED {
                    self.handled(id, asked_for);
                }
                if !self.subscriptions.has_handed_out_all() {
                    consume_budget().await; // Other tasks get their turn.
                }
            }
            if !self.marks.is_empty() && self.dispatcher.buffered() == 0 {
                for (_, consumer) in self.dispatcher.consumers() {
                    for mark in &self.marks {
                        consumer.post(FromProducer::Mark(mark.clone()));
                    }
                }
                self.marks.clear();
            }
            if self.has_handled_all() && !self.finished {
                self.finished = true;
                let last = self.stage.finish().await;
                self.emit(last);
            }
            if let Some(exit) = self.ended() {
                return exit;
            }
        }
    }

    async fn handle_message(&mut self, message: MessageTo<S>) {
        match message {
            Message::FromConsumer(FromConsumer::Ask { id, count }) => self.ask(id, count).await,
            Message::FromProducer(FromProducer::Events { id, events }) => {
                self.subscriptions.receive(id, events);
            }
            Message::FromProducer(FromProducer::Mark(mark)) => {
                if let Some(mark) = self.subscriptions.keep(mark) {
                    self.stage.mark(mark);
                }
            }
            Message::Cast(message) => {
                let events = self.stage.cast(message).await;
                self.emit(events);
            }
            Message::FromConsumer(FromConsumer::Subscribe(consumer)) => {
                self.dispatcher.subscribe(*consumer);
            }
            Message::FromConsumer(FromConsumer::Cancel { id }) => {
                self.dispatcher.cancel(id);
                self.ask_again();
            }
            Message::FromProducer(FromProducer::Cancelled { id, exit }) => {
                self.subscription_ended(id, exit).await;
            }
            Message::Subscribe(subscription) if self.stopping.is_some() => {
                subscription.warn_that_it_cannot_be(&self.name, &self.name);
            }
            Message::Subscribe(subscription) => self.subscribe(*subscription).await,
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
            Message::ForwardDemand => {
                for (id, count) in self.accumulated.take().into_iter().flatten() {
                    self.ask(id, count).await;
                }
            }
            Message::CountBuffered(reply) => drop(reply.send(self.dispatcher.buffered())),
            Message::Mark(mark) => self.marks.push(mark),
            Message::ToAny(ToAny::Describe(reply)) => drop(reply.send(self.now())),
            Message::ToAny(ToAny::Stop) => self.stop(Exit::Normal).await,
            Message::Drained => self.drained = true,
        }
    }

    /// One of this stage's consumers asks for `count` more events.
    async fn ask(&mut self, id: SubscriptionId, count: usize) {
        if let Some(accumulated) = &mut self.accumulated {
            return accumulated.push((id, count));
        }
        let missing = self.dispatcher.ask(id, count);
        self.ask_again();
        // A producer-consumer has events that wait for this, or asked its own producers when it subscribed.
        if !S::WAITS_FOR_DEMAND && missing > 0 && self.stopping.is_none() {
            let span = trace_span!("handle_demand", stage = &*self.name, count = missing);
            let events = within!(span, self.stage.demanded(missing));
            self.emit(events);
        }
    }

    /// Counts events of this subscription as handled. That makes room for others.
    #[inline]
    fn handled(&mut self, id: SubscriptionId, count: usize) {
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

    #[inline]
    fn emit(&mut self, events: Vec<S::Out>) {
        if events.is_empty() {
            return;
        }
        trace!(stage = &*self.name, count = events.len(), "emit");
        let discarded = self.dispatcher.dispatch(events);
        if !discarded.is_empty() {
            let count = discarded.len();
            self.end.lost += count;
            warn!(
                stage = %self.name, discarded = count,
                "GenStage producer {} has discarded {count} events from buffer", self.name
            );
            self.stage.discarded(discarded);
        }
        self.ask_again();
    }

    #[inline]
    fn ask_again(&mut self) {
        for (id, count) in self.dispatcher.asks_again() {
            let _ = self.me.send(Message::FromConsumer(FromConsumer::Ask { id, count }));
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

    async fn subscribe(&mut self, mut subscription: Subscription<S::In>) {
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
        } else {
            self.subscription_ended(id, Exit::NoStage).await;
        }
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

    async fn subscription_ended(&mut self, id: SubscriptionId, exit: Exit) {
        if let Some(subscription) = self.subscriptions.remove(id) {
            self.stage.cancelled(id, &exit).await;
            if subscription.ends_consumer(&exit) {
                self.stop(exit).await;
            }
        }
    }

    async fn stop(&mut self, exit: Exit) {
        if self.stopping.is_none() {
            self.stopping = Some(exit);
            // The demand may never be forwarded now, and the last events have to be delivered.
            for (id, count) in self.accumulated.take().into_iter().flatten() {
                self.ask(id, count).await;
            }
            // Each producer confirms this, after the events that it sends before it hears of it.
            self.subscriptions.all.iter_mut().for_each(Subscription::cancel);
            let last = self.stage.draining().await;
            self.emit(last);
            // This goes behind all messages that are in the mailbox now.
            let _ = self.me.send(Message::Drained);
        }
    }

    /// Whether the stage stops, and has handled everything that it received, or has no consumer left
    /// to take what it would make of it.
    #[inline]
    fn has_handled_all(&self) -> bool {
        self.stopping.is_some()
            && self.drained
            && self.subscriptions.all.is_empty()
            && (self.subscriptions.has_handed_out_all() || !self.dispatcher.may_want_more())
    }

    /// Returns the reason to end, once the stage has delivered everything that it has made, or has no
    /// consumer left to take it.
    #[inline]
    fn ended(&self) -> Option<Exit> {
        let exit = self.stopping.as_ref().filter(|_| self.finished)?;
        let delivered = self.dispatcher.buffered() == 0;
        let deliverable = self.dispatcher.can_deliver();
        (delivered || !deliverable).then(|| exit.clone())
    }
}
