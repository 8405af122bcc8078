//! A stage's mailbox, and every message that can be in it. Each stage has one.

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::message::{FromConsumer, FromProducer, Mark, Post, SubscriptionId};
use super::subscription::Subscription;
use super::topology::StageNow;

/// A message to a stage that receives `In`, emits `Out`, and accepts casts of type `Cast`.
pub(super) enum Message<In, Out, Cast> {
    FromProducer(FromProducer<In>),
    FromConsumer(FromConsumer<Out>),
    Cast(Cast),
    /// Subscribe to a producer. Boxed, to keep the frequent messages small.
    Subscribe(Box<Subscription<In>>),
    /// Ask for more events on this subscription.
    Ask(SubscriptionId, usize),
    /// Cancel this subscription.
    Cancel(SubscriptionId),
    /// An event of this subscription has been handled, by a task and not by the stage itself.
    Handled(SubscriptionId),
    IsSubscribed(SubscriptionId, oneshot::Sender<bool>),
    /// Answer the asks that have waited.
    ForwardDemand,
    CountBuffered(oneshot::Sender<usize>),
    /// A caller waits until all events that this stage has emitted are handled.
    Mark(Mark),
    ToAny(ToAny),
    /// A stopping stage sends this to itself. When it arrives, the stage has handled everything
    /// that was in the mailbox before.
    Drained,
}

/// A message whose sender need not know the types of the stage's events.
pub(super) enum ToAny {
    Stop,
    Describe(oneshot::Sender<StageNow>),
}

// The mailbox is unbounded, like that of an Erlang process. Demand bounds the messages between
// stages, because a stage never sends more than it was asked for. Only casts from outside can go
// beyond that.
impl<In, Out, Cast> Post<FromProducer<In>> for UnboundedSender<Message<In, Out, Cast>>
where
    In: Send,
    Out: Send,
    Cast: Send,
{
    fn post(&self, letter: FromProducer<In>) -> bool {
        self.send(Message::FromProducer(letter)).is_ok()
    }
}

impl<In, Out, Cast> Post<FromConsumer<Out>> for UnboundedSender<Message<In, Out, Cast>>
where
    In: Send,
    Out: Send,
    Cast: Send,
{
    fn post(&self, letter: FromConsumer<Out>) -> bool {
        self.send(Message::FromConsumer(letter)).is_ok()
    }
}
