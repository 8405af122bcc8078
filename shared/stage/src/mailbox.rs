//! A stage's mailbox: everything that can be in it. Each stage has one.

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::message::{FromConsumer, FromProducer, Post, SubscriptionId};
use super::subscription::Subscription;

/// A message to a stage that is sent `In`, emits `Out`, and is told `Cast`.
pub(super) enum Message<In, Out, Cast> {
    FromProducer(FromProducer<In>),
    FromConsumer(FromConsumer<Out>),
    Cast(Cast),
    /// Subscribe to a producer. In a box, to keep the frequent messages small.
    Subscribe(Box<Subscription<In>>),
    /// Cancel that subscription.
    Cancel(SubscriptionId),
    /// An event of that subscription has been handled, by somebody else than the stage itself.
    Handled(SubscriptionId),
    CountBuffered(oneshot::Sender<usize>),
    Stop,
    /// Sent by a stopping stage to itself: whatever was in the mailbox before is handled by now.
    Drained,
}

// The mailbox is unbounded, as an Erlang process's is. Demand bounds what stages put into it: there
// is never more than what was asked for. Only a cast from outside can go beyond.
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
