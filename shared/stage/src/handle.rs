//! The handle by which the rest of the program uses a stage.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::mpsc::error::SendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::mailbox::Message;
use super::message::{Exit, StageFailed, SubscriptionId};
use super::stage_ref::StageRef;
use super::subscription::{InvalidDemand, SubscribeOptions, Subscription};
use super::{Consumer, Producer, ProducerConsumer};

/// A handle to a stage that receives `In`, emits `Out`, and accepts casts of type `Cast`.
///
/// Clones refer to the same stage. Dropping them does not stop it: a stage runs until it is
/// stopped, even if no handle to it is left.
pub struct Handle<In, Out, Cast> {
    pub(super) stage: StageRef,
    pub(super) mailbox: UnboundedSender<Message<In, Out, Cast>>,
    /// How many calls of `stop` and `cancel` the stage has not come to yet. They count at once, so that
    /// it asks for nothing more.
    pub(super) unheard: Arc<AtomicUsize>,
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
    /// Subscribes this stage to `producer`. The stage asks for `max_demand` events at once. By default
    /// it stops when the producer does: see [`CancelMode`](super::CancelMode).
    ///
    /// A stage can subscribe to several producers, and several times to one. After cancelling a
    /// subscription it can subscribe to the same producer again, which makes a new subscription that
    /// starts from nothing.
    ///
    /// This call does not wait. `Ok` says that the demand makes sense, and not that the stages run:
    ///
    /// - If the producer has stopped, the subscription ends as soon as it has begun, for the reason
    ///   [`Exit::NoStage`], which is an abnormal one.
    /// - If this stage has stopped or is about to stop, nothing happens.
    ///
    /// Both are logged as warnings. [`subscribed`](Handle::subscribed) waits, and tells whether it worked.
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
        Ok(self.send_subscription(producer.subscription(options)?))
    }

    /// Subscribes this stage to those events of `producer` for which `selector` returns true. This is for a producer
    /// that [broadcasts](super::Options::broadcast): another one ignores the selector, because an event that is not
    /// selected would have no consumer.
    ///
    /// # Errors
    ///
    /// As for [`subscribe`](Handle::subscribe).
    pub fn subscribe_selected<ItsIn, ItsCast>(
        &self,
        producer: &Handle<ItsIn, In, ItsCast>,
        options: SubscribeOptions,
        selector: impl Fn(&In) -> bool + Send + Sync + 'static,
    ) -> Result<SubscriptionId, InvalidDemand>
    where
        ItsIn: Send + 'static,
        ItsCast: Send + 'static,
    {
        let mut subscription = producer.subscription(options)?;
        subscription.selector = Some(Arc::new(selector));
        Ok(self.send_subscription(subscription))
    }

    /// A subscription to this stage.
    fn subscription(&self, options: SubscribeOptions) -> Result<Subscription<Out>, InvalidDemand> {
        let StageRef { name, task, .. } = &self.stage;
        Subscription::new((name.clone(), task.id()), Arc::new(self.mailbox.clone()), options)
    }

    fn send_subscription(&self, subscription: Subscription<In>) -> SubscriptionId {
        let id = subscription.id;
        let sent = self.mailbox.send(Message::Subscribe(Box::new(subscription)));
        if let Err(SendError(Message::Subscribe(subscription))) = sent {
            subscription.warn_that_it_cannot_be(&self.stage.name, &self.stage.name);
        }
        id
    }

    /// Waits until this subscription of the stage, and all that the stage has asked for on it until now, have
    /// arrived at the producer. Returns whether the producer has the subscription then. It has not if one of the
    /// two stages had stopped, or if the subscription has ended since or is about to.
    ///
    /// Both stages come to this in their turn, so it waits while a method of theirs runs.
    pub async fn subscribed(&self, subscription: SubscriptionId) -> bool {
        let (reply, is_subscribed) = oneshot::channel();
        self.send(Message::IsSubscribed(subscription, reply));
        is_subscribed.await.unwrap_or(false)
    }

    /// Asks for `count` more events on one of this stage's subscriptions, in the stage's turn. A
    /// [manual](SubscribeOptions::manual) subscription needs this; another asks by itself, and then has
    /// that many more on their way. A stage that stops asks for nothing more.
    pub fn ask(&self, subscription: SubscriptionId, count: usize) {
        self.send(Message::Ask(subscription, count));
    }

    /// Lets a stage go on that [accumulates](super::Options::accumulate_demand) its demand: GenStage's
    /// `demand(stage, :forward)`.
    pub fn forward_demand(&self) {
        self.send(Message::ForwardDemand);
    }

    /// Cancels one of this stage's subscriptions. From now on the stage asks for nothing more on it.
    /// It still handles the events that it has been sent, and those that the producer sends before it
    /// hears of this. Cancelling a permanent subscription stops the consumer too, as in GenStage.
    ///
    /// This call does not wait, and nothing tells when the subscription is over. A subscription that
    /// is over already, or that is another stage's, is ignored.
    pub fn cancel(&self, subscription: SubscriptionId) {
        self.unheard.fetch_add(1, Relaxed);
        self.send(Message::Cancel(subscription));
    }

    /// Sends the stage a message, which it handles in its turn with
    /// [`handle_cast`](Producer::handle_cast). If the stage has stopped, the message is lost.
    ///
    /// This call does not wait, and any number of messages can wait for the stage. A caller that could
    /// be faster than the stage must hold itself back.
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

    /// Returns how many emitted events wait for a consumer to ask for them: 0 for a consumer, and if
    /// the stage has stopped.
    ///
    /// The stage replies in its turn, after all that was sent to it before. So this waits while a
    /// method of the stage runs.
    pub async fn buffered(&self) -> usize {
        let (reply, count) = oneshot::channel();
        self.send(Message::CountBuffered(reply));
        count.await.unwrap_or(0)
    }

    /// Waits until all events that this stage has emitted are handled by its consumers, or discarded. While events
    /// are in its buffer, it waits for those that are emitted meanwhile, too.
    ///
    /// This ends also if the stage or a consumer ends first: then it says nothing of the events that were
    /// [lost](StageRef::lost). A producer-consumer has handled an event when it has emitted the events that it makes of
    /// it, so each stage of a line is awaited in turn.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    /// # use stage::{Consumer, SubscribeOptions};
    /// # struct Sum(Arc<AtomicU32>);
    /// # impl Consumer for Sum {
    /// #     type Event = u32;
    /// #     async fn handle_events(&mut self, numbers: Vec<u32>) {
    /// #         tokio::task::yield_now().await;
    /// #         self.0.fetch_add(numbers.iter().sum(), Relaxed);
    /// #     }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sum = Arc::<AtomicU32>::default();
    /// let numbers = stage::named("Numbers").start_feed();
    /// let consumer = stage::named("Sum").start_consumer(Sum(sum.clone()));
    /// consumer.subscribe(&numbers, SubscribeOptions::default())?;
    /// numbers.call(1).await?;
    /// numbers.call(2).await?;
    /// numbers.handled().await;
    /// assert_eq!(sum.load(Relaxed), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn handled(&self) {
        let (mark, mut dropped) = mpsc::channel(1);
        self.send(Message::Mark(mark));
        dropped.recv().await;
    }

    /// Stops the stage in an orderly way: from now on it asks for nothing more. It handles the messages
    /// and events that it has been sent, delivers the events that it has emitted, and ends. Its
    /// consumers follow if their subscriptions are permanent, so stopping the first stage drains a
    /// whole pipeline. A consumer of *several* producers would follow the first that ends, so it needs
    /// [another mode](super::CancelMode#several-producers). This call does not wait for the end;
    /// [`stopped`] does.
    ///
    /// Others can keep the stage from its end:
    ///
    /// - its producers, which confirm that they send nothing more, even if the stage is idle. A producer
    ///   that waits in one of its methods confirms nothing.
    /// - its consumers, which take the events that it has emitted. If no consumer is left, the rest is
    ///   [lost](StageRef::lost), with a warning.
    ///
    /// [`stop_in_order`](super::stop_in_order) stops a whole pipeline within a time limit.
    ///
    /// `GenStage.stop/1` ends a stage at once instead, so that its undelivered events are lost.
    ///
    /// [`stopped`]: Handle::stopped
    pub fn stop(&self) {
        self.stage.stop();
    }

    /// Ends the stage at once, even in the middle of an event: see [`StageRef::kill`].
    pub fn kill(&self) {
        self.stage.kill();
    }

    /// Waits until the stage has ended, and returns the reason: see [`StageRef::stopped`].
    pub async fn stopped(&self) -> Exit {
        self.stage.stopped().await
    }

    /// Waits until the stage has ended, and kills it if that takes longer than `limit`: see
    /// [`StageRef::stopped_within`].
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
