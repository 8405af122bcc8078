//! Consumers and producer-consumers that messages can be cast to.

use std::convert::Infallible;
use std::future::Future;

use futures_util::FutureExt;

use super::kind::{AConsumer, AProducerConsumer, Stage};
use super::message::{Exit, SubscriptionId};
use super::topology::Kind;
use super::{Consumer, ProducerConsumer};

/// A consumer that messages can be cast to, such as the ticks of a timer.
///
/// Start it with [`Options::start_cast_consumer`](super::Options::start_cast_consumer). This one handles at most a
/// fixed number of events in each second: GenStage's example of a rate limiter. Its subscription is
/// [manual](super::SubscribeOptions::manual), so it asks when the clock says so.
///
/// ```
#[doc = include_str!("../examples/rate_limiter.rs")]
/// ```
pub trait CastConsumer: Consumer {
    /// The type of the messages that [`Handle::cast`](super::Handle::cast) sends to it.
    /// [`Infallible`] if it only needs its own handle.
    type Cast: Send + 'static;

    /// Handles a `message` that was cast to this stage, in its turn.
    ///
    /// The default logs an error, because a message without a handler is a mistake in the program.
    fn handle_cast(&mut self, message: Self::Cast) -> impl Future<Output = ()> + Send {
        drop(message);
        tracing::error!("a message was cast to a consumer without handle_cast; it is lost");
        async {}
    }
}

/// A producer-consumer that messages can be cast to, such as the ticks of a timer.
///
/// Start it with [`Options::start_cast_producer_consumer`](super::Options::start_cast_producer_consumer).
pub trait CastProducerConsumer: ProducerConsumer {
    /// The type of the messages that [`Handle::cast`](super::Handle::cast) sends to it.
    /// [`Infallible`] if it only needs its own handle.
    type Cast: Send + 'static;

    /// Handles a `message` that was cast to this stage, in its turn, even if no consumer wants anything.
    /// Returns the events to emit: those beyond the demand are buffered.
    ///
    /// The default logs an error, because a message without a handler is a mistake in the program.
    fn handle_cast(
        &mut self,
        message: Self::Cast,
    ) -> impl Future<Output = Vec<Self::Event>> + Send {
        drop(message);
        tracing::error!(
            "a message was cast to a producer-consumer without handle_cast; it is lost"
        );
        async { Vec::new() }
    }
}

pub(super) struct ACastConsumer<C>(pub AConsumer<C>);

impl<C: CastConsumer> Stage for ACastConsumer<C> {
    type In = C::Event;
    type Out = Infallible;
    type Cast = C::Cast;

    const KIND: Kind = Kind::Consumer;

    fn events(
        &mut self,
        from: SubscriptionId,
        events: Vec<C::Event>,
    ) -> impl Future<Output = Vec<Infallible>> + Send {
        self.0.events(from, events)
    }

    fn cast(&mut self, message: C::Cast) -> impl Future<Output = Vec<Infallible>> + Send {
        self.0.0.handle_cast(message).map(|()| Vec::new())
    }

    fn cancelled(&mut self, id: SubscriptionId, exit: &Exit) -> impl Future<Output = ()> + Send {
        self.0.cancelled(id, exit)
    }

    fn finish(&mut self) -> impl Future<Output = Vec<Infallible>> + Send {
        self.0.finish()
    }
}

pub(super) struct ACastProducerConsumer<B>(pub AProducerConsumer<B>);

impl<B: CastProducerConsumer> Stage for ACastProducerConsumer<B> {
    type In = B::Input;
    type Out = B::Event;
    type Cast = B::Cast;

    const KIND: Kind = Kind::ProducerConsumer;

    fn events(
        &mut self,
        from: SubscriptionId,
        events: Vec<B::Input>,
    ) -> impl Future<Output = Vec<B::Event>> + Send {
        self.0.events(from, events)
    }

    fn cast(&mut self, message: B::Cast) -> impl Future<Output = Vec<B::Event>> + Send {
        self.0.0.handle_cast(message)
    }

    fn discarded(&mut self, events: Vec<B::Event>) {
        self.0.discarded(events);
    }

    fn cancelled(&mut self, id: SubscriptionId, exit: &Exit) -> impl Future<Output = ()> + Send {
        self.0.cancelled(id, exit)
    }

    fn finish(&mut self) -> impl Future<Output = Vec<B::Event>> + Send {
        self.0.finish()
    }
}
