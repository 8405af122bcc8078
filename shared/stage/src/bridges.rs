//! Bridges to the rest of the async world: from a stream, to a stream, and into a sink, with demand carried across.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::vec;

use futures_sink::Sink;
use futures_util::future::poll_fn;
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::dispatcher::Dispatcher;
use super::handle::{ConsumerHandle, Handle, ProducerHandle};
use super::options::{Options, named};
use super::stage_ref::StageRef;
use super::subscription::{InvalidDemand, SubscribeOptions};
use super::{Consumer, Producer};

/// The most items that are read from a stream for one message, so that other tasks get their turn.
const MOST_AT_ONCE: usize = 1000;

impl<D> Options<D> {
    /// Starts a producer whose events are the items of this stream. It reads as many items as it is asked
    /// for and no more, and those that are ready together stay together. When the stream ends, so does the
    /// stage, after it has delivered the last item.
    ///
    /// A stage that is [stopped](Handle::stop) reads no further. The rest of the stream is dropped.
    ///
    /// ```
    /// use futures_util::{StreamExt, stream};
    /// use stage::SubscribeOptions;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let numbers = stage::named("Numbers").start_stream(stream::iter(0..5));
    /// let events = numbers.stream(SubscribeOptions::default().max_demand(2))?;
    /// assert_eq!(events.collect::<Vec<_>>().await, [0, 1, 2, 3, 4]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_stream<S>(self, stream: S) -> ProducerHandle<StreamProducer<S::Item>>
    where
        S: Stream + Send + 'static,
        S::Item: Send + 'static,
        D: Dispatcher<S::Item>,
    {
        self.start_producer(|me| {
            let (demand, demands) = mpsc::unbounded_channel();
            let stopping = CancellationToken::new();
            let reader = me.spawn(read(stream, demands, me.clone(), stopping.clone()));
            StreamProducer { demand, stopping, reader: Some(reader), of: PhantomData }
        })
    }
}

impl Options {
    /// Starts a consumer that writes its events to this sink. It asks for more when the sink has taken
    /// them, and flushes it after each message. At its end it closes the sink.
    ///
    /// If the sink fails, the stage crashes with its error.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_sink<T, S>(self, sink: S) -> ConsumerHandle<SinkConsumer<T, S>>
    where
        T: Send + 'static,
        S: Sink<T, Error: Display> + Send + 'static,
    {
        let (sink, of) = (Box::pin(sink), PhantomData);
        self.start_consumer(SinkConsumer { sink, of })
    }
}

impl<In, Out, Cast> Handle<In, Out, Cast>
where
    In: Send + 'static,
    Out: Send + 'static,
    Cast: Send + 'static,
{
    /// The events of this stage as a stream, which ends when the stage does. It asks as a consumer with these options
    /// would, so it never holds more than `max_demand` events that were not polled. A stage can have several streams,
    /// which share its events.
    ///
    /// Dropping the stream cancels its subscription. The events that it holds are lost.
    ///
    /// # Errors
    ///
    /// If the demand makes no sense: see [`subscribe`](Handle::subscribe).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn stream(&self, options: SubscribeOptions) -> Result<EventStream<Out>, InvalidDemand> {
        let (chunks, received) = mpsc::channel(1);
        let name = format!("{}'s stream", self.stage.name());
        let consumer = named(name).start_consumer(Chunks(chunks));
        let stream = EventStream {
            stage: consumer.stage(),
            received,
            events: Vec::new().into_iter(),
            polled: None,
        };
        consumer.subscribe(self, options)?;
        Ok(stream)
    }
}

/// A producer of the items of a stream: see [`Options::start_stream`].
pub struct StreamProducer<T> {
    demand: UnboundedSender<usize>,
    stopping: CancellationToken,
    reader: Option<JoinHandle<Option<()>>>,
    of: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for StreamProducer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamProducer").finish_non_exhaustive()
    }
}

/// Items that were read from a stream.
#[derive(Debug)]
pub struct Read<T>(Vec<T>);

impl<T: Send + 'static> Producer for StreamProducer<T> {
    type Event = T;
    type Cast = Read<T>;

    async fn handle_demand(&mut self, demand: usize) -> Vec<T> {
        let _ = self.demand.send(demand); // If the stream has ended, the stage is about to stop.
        Vec::new()
    }

    async fn handle_cast(&mut self, Read(items): Read<T>) -> Vec<T> {
        items
    }

    async fn prepare_for_draining(&mut self) -> Vec<T> {
        self.stopping.cancel();
        // The reader casts the items that it has read before this returns, so they are delivered.
        if let Some(reader) = self.reader.take() {
            let _ = reader.await;
        }
        Vec::new()
    }
}

/// Reads as many items as are asked for, until it is stopped or the stream ends.
async fn read<T: Send + 'static>(
    stream: impl Stream<Item = T> + Send,
    mut demands: UnboundedReceiver<usize>,
    me: ProducerHandle<StreamProducer<T>>,
    stopping: CancellationToken,
) -> Option<()> {
    let mut stream = pin!(stream.fuse());
    let mut asked_for = 0_usize;
    loop {
        if asked_for == 0 {
            let demand = stopping.run_until_cancelled(demands.recv()).await;
            asked_for = demand??;
        }
        while let Ok(more) = demands.try_recv() {
            asked_for = asked_for.saturating_add(more);
        }
        let Some(first) = stopping.run_until_cancelled(stream.next()).await? else { break };
        let mut items = vec![first];
        while items.len() < asked_for.min(MOST_AT_ONCE) {
            let Some(Some(item)) = stream.next().now_or_never() else { break };
            items.push(item);
        }
        asked_for -= items.len();
        me.cast(Read(items));
    }
    me.stop();
    Some(())
}

/// The events of a stage as a stream: see [`Handle::stream`].
pub struct EventStream<T> {
    stage: StageRef,
    received: mpsc::Receiver<Chunk<T>>,
    events: vec::IntoIter<T>,
    /// Tells the consumer that its last events are polled, by being dropped.
    polled: Option<oneshot::Sender<Infallible>>,
}

type Chunk<T> = (Vec<T>, oneshot::Sender<Infallible>);

impl<T> EventStream<T> {
    /// The consumer that asks for the stream's events. After the stream's end, it tells how the stage that
    /// they came from has ended.
    pub fn stage(&self) -> StageRef {
        self.stage.clone()
    }
}

impl<T> fmt::Debug for EventStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventStream").field(&self.stage).finish()
    }
}

// It never pins its events.
impl<T> Unpin for EventStream<T> {}

impl<T> Stream for EventStream<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        loop {
            if let Some(event) = self.events.next() {
                if self.events.len() == 0 {
                    self.polled = None;
                }
                return Poll::Ready(Some(event));
            }
            let Some((events, polled)) = ready!(self.received.poll_recv(cx)) else {
                return Poll::Ready(None);
            };
            (self.events, self.polled) = (events.into_iter(), Some(polled));
        }
    }
}

impl<T> Drop for EventStream<T> {
    fn drop(&mut self) {
        self.stage.stop();
    }
}

/// Hands its events to a stream.
struct Chunks<T>(mpsc::Sender<Chunk<T>>);

impl<T: Send + 'static> Consumer for Chunks<T> {
    type Event = T;

    async fn handle_events(&mut self, events: Vec<T>) {
        let (polled, all_polled) = oneshot::channel();
        // If the stream was dropped, this stage is about to stop.
        if self.0.send((events, polled)).await.is_ok() {
            let _ = all_polled.await;
        }
    }
}

/// A consumer that writes to a sink: see [`Options::start_sink`].
pub struct SinkConsumer<T, S> {
    sink: Pin<Box<S>>,
    of: PhantomData<fn(T)>,
}

impl<T, S> fmt::Debug for SinkConsumer<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkConsumer").finish_non_exhaustive()
    }
}

impl<T, S> Consumer for SinkConsumer<T, S>
where
    T: Send + 'static,
    S: Sink<T, Error: Display> + Send + 'static,
{
    type Event = T;

    async fn handle_events(&mut self, events: Vec<T>) {
        for event in events {
            must_work::<T, S>(poll_fn(|cx| self.sink.as_mut().poll_ready(cx)).await);
            must_work::<T, S>(self.sink.as_mut().start_send(event));
        }
        must_work::<T, S>(poll_fn(|cx| self.sink.as_mut().poll_flush(cx)).await);
    }

    async fn finish(&mut self) {
        must_work::<T, S>(poll_fn(|cx| self.sink.as_mut().poll_close(cx)).await);
    }
}

/// # Panics
///
/// If it has not worked, because a panic is how a stage crashes.
fn must_work<T, S: Sink<T, Error: Display>>(result: Result<(), S::Error>) {
    if let Err(error) = result {
        panic!("the sink failed: {error}");
    }
}
