//! One trait for all kinds of stage, so that one type of worker can run them.

use std::convert::Infallible;
use std::future::Future;

use futures_util::FutureExt;

use super::message::{Exit, Mark, SubscriptionId};
use super::topology::Kind;
use super::{Consumer, Producer, ProducerConsumer};

/// Any kind of stage. A producer never receives events and a consumer never emits any, so the type
/// of those events is [`Infallible`].
pub(super) trait Stage: Send + 'static {
    type In: Send + 'static;
    type Out: Send + 'static;
    type Cast: Send + 'static;

    const KIND: Kind;

    /// Whether events wait until a consumer wants the events that will be made from them.
    const WAITS_FOR_DEMAND: bool = matches!(Self::KIND, Kind::ProducerConsumer);

    fn demanded(&mut self, _count: usize) -> impl Future<Output = Vec<Self::Out>> + Send {
        async { Vec::new() }
    }

    /// Whether an event is handled only when [`Message::Handled`](super::mailbox::Message::Handled)
    /// says so, and not already when `events` returns.
    const TELLS_WHEN_HANDLED: bool = false;

    fn events(
        &mut self,
        _from: SubscriptionId,
        _events: Vec<Self::In>,
    ) -> impl Future<Output = Vec<Self::Out>> + Send {
        async { Vec::new() }
    }

    /// Called when [`Message::Handled`](super::mailbox::Message::Handled) arrives.
    fn handled(&mut self) {}

    /// Keeps this until all events are handled that the stage has been handed.
    fn mark(&mut self, mark: Mark) {
        drop(mark);
    }

    /// These events had no room in the buffer.
    fn discarded(&mut self, events: Vec<Self::Out>) {
        drop(events);
    }

    fn cast(&mut self, _message: Self::Cast) -> impl Future<Output = Vec<Self::Out>> + Send {
        async { Vec::new() }
    }

    fn draining(&mut self) -> impl Future<Output = Vec<Self::Out>> + Send {
        async { Vec::new() }
    }

    /// A subscription has ended.
    fn cancelled(&mut self, _id: SubscriptionId, _exit: &Exit) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Everything is handled at an orderly end. Waits for work that is still under way, and returns the last events.
    fn finish(&mut self) -> impl Future<Output = Vec<Self::Out>> + Send {
        async { Vec::new() }
    }
}

pub(super) struct AProducer<P>(pub P);

impl<P: Producer> Stage for AProducer<P> {
    type In = Infallible;
    type Out = P::Event;
    type Cast = P::Cast;

    const KIND: Kind = Kind::Producer;

    fn demanded(&mut self, count: usize) -> impl Future<Output = Vec<P::Event>> + Send {
        self.0.handle_demand(count)
    }

    fn cast(&mut self, message: P::Cast) -> impl Future<Output = Vec<P::Event>> + Send {
        self.0.handle_cast(message)
    }

    fn draining(&mut self) -> impl Future<Output = Vec<P::Event>> + Send {
        self.0.prepare_for_draining()
    }

    fn discarded(&mut self, events: Vec<P::Event>) {
        self.0.handle_discarded(events);
    }
}

pub(super) struct AProducerConsumer<B>(pub B);

impl<B: ProducerConsumer> Stage for AProducerConsumer<B> {
    type In = B::Input;
    type Out = B::Event;
    type Cast = Infallible;

    const KIND: Kind = Kind::ProducerConsumer;

    fn events(
        &mut self,
        from: SubscriptionId,
        events: Vec<B::Input>,
    ) -> impl Future<Output = Vec<B::Event>> + Send {
        self.0.handle_events_from(from, events)
    }

    fn discarded(&mut self, events: Vec<B::Event>) {
        self.0.handle_discarded(events);
    }

    fn cancelled(&mut self, id: SubscriptionId, exit: &Exit) -> impl Future<Output = ()> + Send {
        self.0.handle_cancel(id, exit)
    }

    fn finish(&mut self) -> impl Future<Output = Vec<B::Event>> + Send {
        self.0.finish()
    }
}

pub(super) struct AConsumer<C>(pub C);

impl<C: Consumer> Stage for AConsumer<C> {
    type In = C::Event;
    type Out = Infallible;
    type Cast = Infallible;

    const KIND: Kind = Kind::Consumer;

    async fn events(&mut self, from: SubscriptionId, events: Vec<C::Event>) -> Vec<Infallible> {
        self.0.handle_events_from(from, events).await;
        Vec::new()
    }

    fn cancelled(&mut self, id: SubscriptionId, exit: &Exit) -> impl Future<Output = ()> + Send {
        self.0.handle_cancel(id, exit)
    }

    fn finish(&mut self) -> impl Future<Output = Vec<Infallible>> + Send {
        self.0.finish().map(|()| Vec::new())
    }
}
