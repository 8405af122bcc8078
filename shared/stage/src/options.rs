//! Starts a stage.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::watch;

use super::buffer::{Buffer, Keep};
use super::casts::{ACastConsumer, ACastProducerConsumer, CastConsumer, CastProducerConsumer};
use super::consumer_supervisor::{Restart, TaskPerEvent};
use super::dispatcher::{Broadcast, Demand, Dispatcher, Partition};
use super::handle::{ConsumerHandle, Handle, ProducerConsumerHandle, ProducerHandle};
use super::kind::{AConsumer, AProducer, AProducerConsumer, Stage};
use super::message::End;
use super::{Consumer, Producer, ProducerConsumer, worker};

/// The options of a stage. [`named`] makes them, and starting the stage uses them up.
#[must_use = "a stage runs when it is started"]
#[derive(Clone, Debug)]
pub struct Options<D = Demand> {
    name: Arc<str>,
    buffer_size: Option<usize>,
    buffer_keep: Keep,
    accumulates: bool,
    dispatcher: D,
}

/// Returns the options of a stage with this name. Log lines about the stage contain the name, and
/// several stages can have the same.
///
/// ```
/// // A producer's options: a small buffer, which keeps the oldest events.
/// let options = stage::named("Orders").buffer_size(100).buffer_keep(stage::Keep::First);
/// ```
pub fn named(name: impl Into<Arc<str>>) -> Options {
    Options {
        name: name.into(),
        buffer_size: None,
        buffer_keep: Keep::default(),
        accumulates: false,
        dispatcher: Demand,
    }
}

impl Options {
    /// Each event goes to all consumers, so it must be [`Clone`]: GenStage's *broadcast dispatcher*. An event is
    /// sent when all consumers have asked for one, so the slowest sets the pace. A consumer gets the events that
    /// are emitted after it has asked, and with [`subscribe_selected`](Handle::subscribe_selected) only some of
    /// them. [`accumulate_demand`](Options::accumulate_demand) makes the first events wait until all are there.
    ///
    /// ```
    /// use futures_util::{StreamExt, stream};
    /// use stage::SubscribeOptions;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let numbers =
    ///     stage::named("Numbers").broadcast().accumulate_demand().start_stream(stream::iter(0..3));
    /// let one = numbers.stream(SubscribeOptions::default())?;
    /// let two = numbers.stream(SubscribeOptions::default())?;
    /// numbers.buffered().await; // Both have subscribed.
    /// numbers.forward_demand();
    /// let (one, two) = tokio::join!(one.collect::<Vec<_>>(), two.collect::<Vec<_>>());
    /// assert_eq!((one, two), (vec![0, 1, 2], vec![0, 1, 2]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn broadcast(self) -> Options<Broadcast> {
        self.dispatcher(Broadcast)
    }

    /// Each event goes to a consumer of its partition: GenStage's *partition dispatcher*. `of` returns its number,
    /// or any other that is the same modulo `count`, such as a hash. A consumer chooses its partition with
    /// [`SubscribeOptions::partition`](super::SubscribeOptions::partition). Several in one partition share its
    /// events.
    ///
    /// Events wait for a partition that is slow or has no consumer yet. The producer is asked for as many fewer,
    /// so that there are never more than all consumers have asked for. In the end the others wait, too.
    ///
    /// ```
    /// use futures_util::{StreamExt, stream};
    /// use stage::SubscribeOptions;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let by_remainder = |number: &u64| *number;
    /// let numbers = stage::named("Numbers").partition(2, by_remainder).start_stream(stream::iter(0..6));
    /// let even = numbers.stream(SubscribeOptions::default().partition(0))?;
    /// let odd = numbers.stream(SubscribeOptions::default().partition(1))?;
    /// let (even, odd) = tokio::join!(even.collect::<Vec<_>>(), odd.collect::<Vec<_>>());
    /// assert_eq!((even, odd), (vec![0, 2, 4], vec![1, 3, 5]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If `count` is 0.
    pub fn partition<F>(self, count: usize, of: F) -> Options<Partition<F>> {
        assert!(count > 0, "there must be at least one partition");
        self.dispatcher(Partition { count, of })
    }

    fn dispatcher<D>(self, dispatcher: D) -> Options<D> {
        let Self { name, buffer_size, buffer_keep, accumulates, .. } = self;
        Options { name, buffer_size, buffer_keep, accumulates, dispatcher }
    }

    /// Starts a consumer. [`Consumer`] has an example.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_consumer<C: Consumer>(self, stage: C) -> ConsumerHandle<C> {
        self.start(0, |_, _| AConsumer(stage))
    }

    /// Starts a consumer that can be cast to, or that needs its own handle: to ask, to cancel a
    /// subscription, or to stop itself. `init` makes it, and receives that handle. [`CastConsumer`] has an
    /// example.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_cast_consumer<C: CastConsumer>(
        self,
        init: impl FnOnce(&Handle<C::Event, Infallible, C::Cast>) -> C,
    ) -> Handle<C::Event, Infallible, C::Cast> {
        self.start(0, |me, _| ACastConsumer(AConsumer(init(me))))
    }

    /// Starts a consumer that starts a task for each event, by calling `start` with it. There are
    /// never more tasks than `max_demand` (of all its subscriptions together, if it has several), and
    /// the consumer asks for more events when tasks have ended.
    ///
    /// GenStage's name for this is *consumer supervisor*. Its tasks outlive their producer: if the
    /// producer ends, and the subscription is permanent, the consumer supervisor ends when its
    /// tasks are done. A consumer supervisor that is [stopped](Handle::stop) waits for its tasks too.
    /// One that is killed or gives up ends them at their next `.await`. In each case,
    /// [`stopped`](Handle::stopped) waits until they are gone.
    ///
    /// The tasks run in the [span](tracing::Span) in which the consumer supervisor is started.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use stage::{Producer, Restart, SubscribeOptions};
    /// # struct Urls;
    /// # impl Producer for Urls {
    /// #     type Event = String;
    /// #     type Cast = Infallible;
    /// #     async fn handle_demand(&mut self, demand: usize) -> Vec<String> {
    /// #         vec!["url".to_owned(); demand]
    /// #     }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let urls = stage::named("urls").start_producer(|_| Urls);
    /// // Five pages at a time, each in a task of its own.
    /// let scraper = stage::named("scraper")
    ///     .start_consumer_supervisor(Restart::Temporary, |url: String| async move {
    ///         println!("scraping {url}");
    ///     });
    /// scraper.subscribe(&urls, SubscribeOptions::default().max_demand(5).min_demand(4))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_consumer_supervisor<T, F, Task>(
        self,
        restart: Restart,
        start: F,
    ) -> Handle<T, Infallible, Infallible>
    where
        T: Clone + Send + Sync + 'static,
        F: Fn(T) -> Task + Send + Sync + 'static,
        Task: Future<Output = ()> + Send + 'static,
    {
        let name = self.name.clone();
        self.start(0, |me, told| {
            TaskPerEvent::new(name, me.mailbox.clone(), restart, start, told.clone())
        })
    }
}

impl<D> Options<D> {
    /// Sets the most events that the stage keeps while no consumer asks for them. The default is
    /// 10,000 for a producer, and no limit ([`usize::MAX`]) for a producer-consumer. The stage discards
    /// any events beyond that, with a warning. A consumer has no buffer.
    pub fn buffer_size(self, events: usize) -> Self {
        Self { buffer_size: Some(events), ..self }
    }

    /// Sets which events a full buffer keeps. The default is the last.
    pub fn buffer_keep(self, keep: Keep) -> Self {
        Self { buffer_keep: keep, ..self }
    }

    /// The stage answers no ask until [`forward_demand`](Handle::forward_demand), or until it stops: GenStage's
    /// `demand: :accumulate`. So all consumers can subscribe before the first event.
    pub fn accumulate_demand(self) -> Self {
        Self { accumulates: true, ..self }
    }

    /// Starts a producer. `init` makes it, and receives the handle by which the producer's helpers
    /// can [cast](Handle::cast) to it.
    ///
    /// ```
    /// use stage::{Producer, ProducerHandle};
    ///
    /// /// Emits the lines of a text, and then stops itself.
    /// struct Lines {
    ///     rest: std::str::Lines<'static>,
    ///     me: ProducerHandle<Lines>,
    /// }
    ///
    /// impl Producer for Lines {
    ///     type Event = &'static str;
    ///     type Cast = std::convert::Infallible;
    ///
    ///     async fn handle_demand(&mut self, demand: usize) -> Vec<&'static str> {
    ///         let lines: Vec<_> = self.rest.by_ref().take(demand).collect();
    ///         if lines.len() < demand {
    ///             self.me.stop();
    ///         }
    ///         lines
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let lines = stage::named("Lines")
    ///     .start_producer(|me| Lines { rest: "one\ntwo".lines(), me: me.clone() });
    /// # lines.stop();
    /// # assert!(lines.stopped().await.is_normal());
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_producer<P: Producer>(
        self,
        init: impl FnOnce(&ProducerHandle<P>) -> P,
    ) -> ProducerHandle<P>
    where
        D: Dispatcher<P::Event>,
    {
        let buffer_size = self.buffer_size.unwrap_or(10_000);
        self.start(buffer_size, |me, _| AProducer(init(me)))
    }

    /// Starts a producer-consumer. [`ProducerConsumer`] has an example.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_producer_consumer<B: ProducerConsumer>(self, stage: B) -> ProducerConsumerHandle<B>
    where
        D: Dispatcher<B::Event>,
    {
        let buffer_size = self.buffer_size.unwrap_or(usize::MAX);
        self.start(buffer_size, |_, _| AProducerConsumer(stage))
    }

    /// Starts a producer-consumer that can be cast to, or that needs its own handle. `init` makes it, and
    /// receives that handle.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_cast_producer_consumer<B: CastProducerConsumer>(
        self,
        init: impl FnOnce(&Handle<B::Input, B::Event, B::Cast>) -> B,
    ) -> Handle<B::Input, B::Event, B::Cast>
    where
        D: Dispatcher<B::Event>,
    {
        let buffer_size = self.buffer_size.unwrap_or(usize::MAX);
        self.start(buffer_size, |me, _| ACastProducerConsumer(AProducerConsumer(init(me))))
    }

    fn start<S: Stage>(
        self,
        buffer_size: usize,
        init: impl FnOnce(&Handle<S::In, S::Out, S::Cast>, &watch::Sender<End>) -> S,
    ) -> Handle<S::In, S::Out, S::Cast>
    where
        D: Dispatcher<S::Out>,
    {
        let buffer = Buffer::new(buffer_size, self.buffer_keep);
        worker::start(self.name, self.dispatcher, buffer, self.accumulates, init)
    }
}
