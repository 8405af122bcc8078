//! The task of a stage: it takes a message from the mailbox, calls the stage, and sends the events
//! that the stage returns.
//!
//! | File | Contents |
//! |---|---|
//! | `start` | the start of the task |
//! | `messages` | the change that each message makes |
//! | `subscriptions` | the subscriptions of a stage that consumes, and the events that have come on them |
//! | `end` | the task's last messages to the others, when the stage has ended |

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Poll, ready};

use futures_util::FutureExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tokio::task::consume_budget;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, trace, trace_span, warn};

use crate::dispatcher::Dispatch;
use crate::kind::Stage;
use crate::mailbox::Message;
use crate::message::{Cancelled, End, Exit, FromProducer, Mark, SubscriptionId};

mod end;
mod messages;
mod start;
mod subscriptions;

pub(crate) use end::panic_message;
pub(crate) use start::start;
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
    /// Whether asks wait until the demand is forwarded.
    accumulates: bool,
    /// Asks that have waited, the oldest first.
    asks: VecDeque<(SubscriptionId, usize)>,
    /// Callers that wait until all emitted events are handled. Consumers hear of them when nothing is buffered.
    marks: Vec<Mark>,
    /// How many calls of `stop` and `cancel` this stage has not come to yet. While there are any, it
    /// asks for nothing: the messages that tell of them may wait behind a lot of work.
    unheard: Arc<AtomicUsize>,
    /// The reason to end. It is set when the stage is told to stop.
    stopping: Option<Exit>,
    phase: Phase,
    /// How the stage ended. It is `Killed` until `run` sets another reason, because a killed task
    /// cannot set one.
    end: End,
    /// Tells the tasks that await the stage's end how it ended. It has ended when this is dropped, so
    /// this is the last field: by then the stage has given back everything that it held, such as a
    /// port.
    told: watch::Sender<End>,
}

/// How far the stage has come on its way to an orderly end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// It is told to stop.
    Stopping,
    /// It has been asked for its last events. Messages from before may be in the mailbox.
    Draining,
    /// It has handled all messages from before.
    Drained,
    /// It has come to its last call.
    Finished,
}

/// A call of the stage's own code. The data of rare calls are boxed, to keep the frequent ones small.
enum Call<S: Stage> {
    Demand(usize),
    Events,
    Cast(Box<S::Cast>),
    Cancelled(Box<Cancelled>),
    Drain,
    Finish,
}

/// Awaits a future within a span, if a subscriber may listen. This is a macro because a function would
/// move the future, and with it the events, twice more.
macro_rules! within {
    ($span:expr, $future:expr) => {
        if LevelFilter::current() == LevelFilter::TRACE {
            let span = $span; // It tells of the events, before the future takes them.
            $future.instrument(span).await
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
            accumulates,
            asks: VecDeque::new(),
            marks: Vec::new(),
            unheard,
            stopping: None,
            phase: Phase::Running,
            end: End::default(),
            told,
        }
    }

    /// Waits for the stage, and runs it until it has stopped, or has panicked.
    pub(crate) async fn run(worker: oneshot::Receiver<Self>) {
        let Ok(mut worker) = worker.await else { return };
        // It is safe to catch a panic here: only the stage's own state can be half changed, and
        // that state ends here.
        let end = AssertUnwindSafe(worker.handle_messages()).catch_unwind().await;
        worker.end.exit = end.unwrap_or_else(|panic| Exit::Crashed {
            stage: worker.name.clone(),
            message: panic_message(&*panic),
        });
    }

    /// Every call of the stage's own code is in this function.
    async fn handle_messages(&mut self) -> Exit {
        loop {
            // The message is handled where it comes out of the mailbox, so that it is not moved through
            // futures.
            //
            // There is always a next message to wait for, because this worker holds a sender
            // itself.
            let mut first = poll_fn(|cx| {
                let message = ready!(self.mailbox.poll_recv(cx));
                Poll::Ready(message.and_then(|message| self.handle(message)))
            })
            .await;
            while let Some(call) = first.take().or_else(|| self.next_call()) {
                match call {
                    Call::Demand(count) => {
                        let made = within!(
                            trace_span!("handle_demand", stage = &*self.name, count),
                            self.stage.demanded(count)
                        );
                        self.emit(made);
                    }
                    Call::Events => {
                        let Some(Chunk { id, events, asked_for }) = self.subscriptions.next_chunk()
                        else {
                            continue;
                        };
                        let made = within!(
                            trace_span!(
                                "handle_events",
                                stage = &*self.name,
                                subscription = id.number(),
                                count = events.len()
                            ),
                            self.stage.events(id, events)
                        );
                        self.emit(made);
                        if !S::TELLS_WHEN_HANDLED {
                            self.handled(id, asked_for);
                        }
                        if !self.subscriptions.has_handed_out_all() {
                            consume_budget().await; // Other tasks get their turn.
                        }
                    }
                    Call::Cast(message) => {
                        let made = self.stage.cast(*message).await;
                        self.emit(made);
                    }
                    Call::Cancelled(it) => self.stage.cancelled(it.id, &it.exit).await,
                    Call::Drain => {
                        let last = self.stage.draining().await;
                        self.emit(last);
                        // This goes behind all messages that are in the mailbox now.
                        let _ = self.me.send(Message::Drained);
                    }
                    Call::Finish => {
                        let last = self.stage.finish().await;
                        self.emit(last);
                    }
                }
            }
            self.pass_on_marks();
            if let Some(exit) = self.ended() {
                return exit;
            }
        }
    }

    /// The next call that needs no other message to come first.
    #[inline]
    fn next_call(&mut self) -> Option<Call<S>> {
        if !self.asks.is_empty()
            && let Some(call) = self.ask_what_has_waited()
        {
            return Some(call);
        }
        // A consumer makes nothing that would have to be wanted.
        if !self.subscriptions.has_handed_out_all()
            && self.subscriptions.has_next(!S::WAITS_FOR_DEMAND || self.dispatcher.is_wanted())
        {
            return Some(Call::Events);
        }
        match self.phase {
            Phase::Running | Phase::Draining | Phase::Finished => None,
            Phase::Stopping => {
                self.phase = Phase::Draining;
                Some(Call::Drain)
            }
            Phase::Drained => self.has_handled_all().then(|| {
                self.phase = Phase::Finished;
                Call::Finish
            }),
        }
    }

    /// Passes the marks on behind the last events, once nothing is buffered.
    #[inline]
    fn pass_on_marks(&mut self) {
        if !self.marks.is_empty() && self.dispatcher.buffered() == 0 {
            for (_, consumer) in self.dispatcher.consumers() {
                for mark in &self.marks {
                    consumer.post(FromProducer::Mark(mark.clone()));
                }
            }
            self.marks.clear();
        }
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
    }

    /// Whether the stage has handled everything that it received, or has no consumer left to take the events that it
    /// would make.
    fn has_handled_all(&self) -> bool {
        self.subscriptions.all.is_empty()
            && (self.subscriptions.has_handed_out_all() || !self.dispatcher.may_want_more())
    }

    /// Returns the reason to end, once the stage has delivered everything that it has made, or has no consumer left to
    /// take them.
    #[inline]
    fn ended(&self) -> Option<Exit> {
        if self.phase != Phase::Finished {
            return None;
        }
        let delivered = self.dispatcher.buffered() == 0;
        let deliverable = self.dispatcher.can_deliver();
        self.stopping.clone().filter(|_| delivered || !deliverable)
    }
}
