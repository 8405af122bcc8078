//! Starts a stage, and gives the rest of the program a handle to it.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tracing::{Instrument, Span};

use super::buffer::{Buffer, Keep};
use super::consumer_supervisor::{Restart, TaskPerEvent};
use super::dispatcher::Dispatcher;
use super::kind::{AConsumer, AProducer, AProducerConsumer, Stage};
use super::mailbox::Message;
use super::message::{End, Exit, StageFailed, SubscriptionId};
use super::stage_ref::StageRef;
use super::subscription::{InvalidDemand, SubscribeOptions, Subscription};
use super::worker::{MessageTo, Worker};
use super::{Consumer, Producer, ProducerConsumer};

/// The options of a stage. [`named`] makes them, and starting the stage uses them up.
#[must_use = "a stage runs when it is started"]
#[derive(Clone, Debug)]
pub struct Options {
    name: Arc<str>,
    buffer_size: Option<usize>,
    buffer_keep: Keep,
}

/// Returns the options of a stage with this name. Log lines about the stage contain the name.
pub fn named(name: impl Into<Arc<str>>) -> Options {
    Options { name: name.into(), buffer_size: None, buffer_keep: Keep::default() }
}

impl Options {
    /// Sets the most events that the stage keeps while no consumer asks for them. The default is
    /// 10,000 for a producer, and no limit for a producer-consumer. The stage discards any events
    /// beyond that, with a warning.
    pub fn buffer_size(self, events: usize) -> Self {
        Self { buffer_size: Some(events), ..self }
    }

    /// Sets which events a full buffer keeps. The default is the last.
    pub fn buffer_keep(self, keep: Keep) -> Self {
        Self { buffer_keep: keep, ..self }
    }

    /// Starts a producer. `init` makes it, and receives the handle by which the producer's helpers
    /// can [cast](Handle::cast) to it.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_producer<P: Producer>(
        self,
        init: impl FnOnce(&ProducerHandle<P>) -> P,
    ) -> ProducerHandle<P> {
        let buffer_size = self.buffer_size.unwrap_or(10_000);
        self.start(buffer_size, |me, _| AProducer(init(me)))
    }

    /// Starts a producer-consumer.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_producer_consumer<B: ProducerConsumer>(
        self,
        stage: B,
    ) -> ProducerConsumerHandle<B> {
        let buffer_size = self.buffer_size.unwrap_or(usize::MAX);
        self.start(buffer_size, |_, _| AProducerConsumer(stage))
    }

    /// Starts a consumer.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_consumer<C: Consumer>(self, stage: C) -> ConsumerHandle<C> {
        self.start(0, |_, _| AConsumer(stage))
    }

    /// Starts a consumer that starts a task for each event, by calling `start` with it. There are
    /// never more tasks than `max_demand`, and the consumer asks for more events when tasks have
    /// ended.
    ///
    /// GenStage's name for this is *consumer supervisor*. Its tasks outlive their producer: if the
    /// producer ends, and the subscription is permanent, the consumer supervisor ends when its
    /// tasks are done.
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

    fn start<S: Stage>(
        self,
        buffer_size: usize,
        init: impl FnOnce(&Handle<S::In, S::Out, S::Cast>, &watch::Sender<End>) -> S,
    ) -> Handle<S::In, S::Out, S::Cast> {
        let (mailbox, receiver) = mpsc::unbounded_channel::<MessageTo<S>>();
        let (told, end) = watch::channel(End::default());
        // The task exists before the stage, because `init` needs a complete handle.
        let (worker, ready) = oneshot::channel::<Worker<S>>();
        let task = async {
            if let Ok(worker) = ready.await {
                worker.run().await;
            }
        };
        // Log lines of a stage belong to the span in which the stage was started.
        let task = match Span::current() {
            span if span.is_none() => tokio::spawn(task),
            span => tokio::spawn(task.instrument(span)),
        };
        let stage = StageRef { name: self.name.clone(), end, task: task.abort_handle() };
        let handle = Handle { stage, mailbox, unheard: Arc::default() };

        let dispatcher =
            Dispatcher::new(self.name.clone(), Buffer::new(buffer_size, self.buffer_keep));
        let (mailbox, unheard) = ((handle.mailbox.clone(), receiver), handle.unheard.clone());
        let stage = init(&handle, &told);
        // If the task was killed already, the worker is dropped here, and its `Drop` reports the
        // end.
        let _ = worker.send(Worker::new(self.name, stage, mailbox, dispatcher, unheard, told));
        handle
    }
}

/// A handle to a stage that receives `In`, emits `Out`, and accepts casts of type `Cast`.
///
/// Clones refer to the same stage. Dropping them does not stop it: a stage runs until it is
/// stopped.
pub struct Handle<In, Out, Cast> {
    stage: StageRef,
    mailbox: UnboundedSender<Message<In, Out, Cast>>,
    /// How many calls of `stop` and `cancel` the stage has not come to yet. They count at once, so that
    /// it asks for nothing more.
    unheard: Arc<AtomicUsize>,
}

/// The handle of the producer `P`.
pub type ProducerHandle<P> = Handle<Infallible, <P as Producer>::Event, <P as Producer>::Cast>;

/// The handle of the producer-consumer `B`.
pub type ProducerConsumerHandle<B> =
    Handle<<B as ProducerConsumer>::Input, <B as ProducerConsumer>::Event, Infallible>;

/// The handle of the consumer `C`.
pub type ConsumerHandle<C> = Handle<<C as Consumer>::Event, Infallible, Infallible>;

impl<In, Out, Cast> Clone for Handle<In, Out, Cast> {
    fn clone(&self) -> Self {
        let (stage, mailbox) = (self.stage.clone(), self.mailbox.clone());
        Self { stage, mailbox, unheard: self.unheard.clone() }
    }
}

impl<In, Out, Cast> fmt::Debug for Handle<In, Out, Cast> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.stage.name).finish()
    }
}

impl<In, Out, Cast> Handle<In, Out, Cast>
where
    In: Send + 'static,
    Out: Send + 'static,
    Cast: Send + 'static,
{
    /// Subscribes this stage to `producer`. The stage asks for `max_demand` events at once.
    ///
    /// A stage can subscribe to several producers. After cancelling a subscription it can subscribe
    /// to the same producer again, which makes a new subscription that starts from nothing. If the
    /// producer has stopped, the subscription ends as soon as it has begun.
    ///
    /// # Errors
    ///
    /// If `min_demand` is not below `max_demand`, or `max_demand` is 0.
    pub fn subscribe<ItsIn, ItsCast>(
        &self,
        producer: &Handle<ItsIn, In, ItsCast>,
        options: SubscribeOptions,
    ) -> Result<SubscriptionId, InvalidDemand>
    where
        ItsIn: Send + 'static,
        ItsCast: Send + 'static,
    {
        let subscription = Subscription::new(
            producer.stage.name.clone(),
            Arc::new(producer.mailbox.clone()),
            options,
        )?;
        let id = subscription.id;
        let sent = self.mailbox.send(Message::Subscribe(Box::new(subscription)));
        if let Err(SendError(Message::Subscribe(subscription))) = sent {
            subscription.warn_that_it_cannot_be(&self.stage.name, &self.stage.name);
        }
        Ok(id)
    }

    /// Cancels one of this stage's subscriptions. The stage still handles the events that the
    /// producer sends before it hears of this. Cancelling a permanent subscription stops the
    /// consumer too, as in GenStage.
    pub fn cancel(&self, subscription: SubscriptionId) {
        self.unheard.fetch_add(1, Relaxed);
        self.send(Message::Cancel(subscription));
    }

    /// Sends the stage a message, which it handles in its turn with
    /// [`handle_cast`](Producer::handle_cast). If the stage has stopped, the message is lost.
    pub fn cast(&self, message: Cast) {
        self.send(Message::Cast(message));
    }

    /// Spawns a task that works for this stage. If the task panics, the stage is killed, so that
    /// its consumers do not wait forever for the events that the task would have brought.
    ///
    /// This is the link between an Elixir task and its caller, in one direction only: a task that
    /// outlives its stage goes on.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn spawn<T>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T>
    where
        T: Send + 'static,
    {
        let link = Link(self.stage());
        tokio::spawn(async move {
            let _link = link;
            task.await
        })
    }

    /// Returns how many emitted events wait for a consumer to ask for them. Returns 0 if the stage
    /// has stopped.
    pub async fn buffered(&self) -> usize {
        let (reply, count) = oneshot::channel();
        self.send(Message::CountBuffered(reply));
        count.await.unwrap_or(0)
    }

    /// Stops the stage in an orderly way: it asks for nothing more, handles the events it has been
    /// sent, delivers the events it has emitted, and ends. Its consumers follow if their
    /// subscriptions are permanent, so stopping the first stage drains a whole pipeline. This call
    /// does not wait for the end; [`stopped`] does.
    ///
    /// `GenStage.stop/1` ends a stage at once instead, so that its undelivered events are lost.
    ///
    /// [`stopped`]: Handle::stopped
    pub fn stop(&self) {
        self.unheard.fetch_add(1, Relaxed);
        self.send(Message::Stop);
    }

    /// Ends the stage at once, even in the middle of an event.
    pub fn kill(&self) {
        self.stage.kill();
    }

    /// Waits until the stage has ended, and returns the reason.
    pub async fn stopped(&self) -> Exit {
        self.stage.stopped().await
    }

    /// Waits until the stage has ended, and kills it if that takes longer than `limit`. For an
    /// orderly [stop](Handle::stop), [`STOP_LIMIT`] is the limit that users of GenStage are used
    /// to.
    pub async fn stopped_within(&self, limit: Duration) -> Exit {
        self.stage.stopped_within(limit).await
    }

    /// Returns a reference that can await or kill the stage, and does not depend on the types of
    /// its events.
    pub fn stage(&self) -> StageRef {
        self.stage.clone()
    }

    fn send(&self, message: Message<In, Out, Cast>) {
        // If the stage has stopped, the message is lost. A caller that needs to know awaits
        // `stopped`.
        let _ = self.mailbox.send(message);
    }
}

/// Waits until all of these stages have ended.
///
/// # Errors
///
/// If a stage did not end normally. The error is that of the first such stage, in the order given.
pub async fn all_stopped<In, Out, Cast>(
    stages: &[Handle<In, Out, Cast>],
) -> Result<(), StageFailed> {
    let mut result = Ok(());
    for stage in stages {
        result = result.and(stage.stage.stopped().await.ok());
    }
    result
}

/// Kills a stage if a task that works for it panics.
struct Link(StageRef);

impl Drop for Link {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.kill();
        }
    }
}
