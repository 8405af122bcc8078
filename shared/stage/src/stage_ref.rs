//! A running stage, to await its end or to end it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tracing::warn;

use super::mailbox::ToAny;
use super::message::{End, Exit, StageFailed};
use super::topology::Topology;

/// The usual time limit of an orderly stop: 30 seconds, as in Elixir's Broadway.
pub const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running stage, without the types of its events. A supervisor needs no more than this.
#[derive(Clone)]
pub struct StageRef {
    pub(super) name: Arc<str>,
    pub(super) end: watch::Receiver<End>,
    pub(super) task: AbortHandle,
    /// Sends the stage a message. A function, because a mailbox has the types of the events.
    pub(super) send: Arc<dyn Fn(ToAny) + Send + Sync>,
}

impl fmt::Debug for StageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StageRef").field(&self.name).finish()
    }
}

impl StageRef {
    /// The name that the stage was started with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Stops the stage in an orderly way: see [`Handle::stop`](super::Handle::stop).
    pub fn stop(&self) {
        (self.send)(ToAny::Stop);
    }

    /// Ends the stage at once, even in the middle of an event. The method that runs is dropped at its
    /// next `.await`, and one that blocks its thread goes on until it returns. This call does not wait
    /// for the end; [`stopped`](StageRef::stopped) does.
    pub fn kill(&self) {
        self.task.abort();
    }

    /// Waits until the stage has ended, and returns the reason. By then the stage itself is dropped, and so are the
    /// tasks of a [consumer supervisor](super::Options::start_consumer_supervisor). Dropping the future changes
    /// nothing.
    pub async fn stopped(&self) -> Exit {
        let mut end = self.end.clone();
        while end.changed().await.is_ok() {} // Until the last sender is dropped.
        end.borrow().exit.clone()
    }

    /// The number of events that the stage lost, known when it has [stopped](StageRef::stopped). These are the events
    /// that its full buffer discarded, and the events that it had received or emitted and could not deliver when it
    /// ended, because no consumer was left or because it crashed or was killed. Events that were handed to the stage
    /// are not among them, even if it did not finish them.
    pub fn lost(&self) -> usize {
        self.end.borrow().lost
    }

    /// Waits until the stage has ended, and kills it if that takes longer than `limit`. For an orderly
    /// [stop](super::Handle::stop), [`STOP_LIMIT`] is a usual limit.
    ///
    /// It kills this stage only, and [`stop_in_order`] also those before it. The wait is longer than `limit` if the
    /// stage blocks its thread, because then a [kill](StageRef::kill) takes longer. Dropping the future kills nothing.
    pub async fn stopped_within(&self, limit: Duration) -> Exit {
        if let Ok(exit) = timeout(limit, self.stopped()).await {
            return exit;
        }
        let seconds = limit.as_secs();
        warn!(stage = %self.name, "{} has not stopped within {seconds} s, and is killed", self.name);
        self.kill();
        self.stopped().await
    }
}

/// Waits until one of these stages has ended, for any reason. A crash somewhere in a pipeline is thus noticed, even if
/// the stages before it could go on.
///
/// # Panics
///
/// If there are no stages.
pub async fn first_stopped(stages: &[StageRef]) {
    select_all(stages.iter().map(|stage| Box::pin(stage.stopped()))).await;
}

/// Stops these stages, one after the other: the next is told to stop when the one before it has delivered
/// its events and has ended. Kills those that still run after `limit`, and waits for their ends.
///
/// A program runs until Ctrl-C or until a stage ends, and says why:
///
/// ```
/// # use stage::{Consumer, STOP_LIMIT, StageRef, first_stopped, stop_in_order};
/// # struct Printer;
/// # impl Consumer for Printer {
/// #     type Event = String;
/// #     async fn handle_events(&mut self, _lines: Vec<String>) {}
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stage::StageFailed> {
/// # let producer = stage::named("P").start_consumer(Printer);
/// # let consumer = stage::named("C").start_consumer(Printer);
/// # producer.stop();
/// let line = [producer.stage(), consumer.stage()];
/// tokio::select! {
///     () = first_stopped(&line) => {}
///     _ = tokio::signal::ctrl_c() => {}
/// }
/// stop_in_order(&line, STOP_LIMIT).await
/// # }
/// ```
///
/// # Errors
///
/// If a stage did not end normally. The error is that of the first such stage.
pub async fn stop_in_order(stages: &[StageRef], limit: Duration) -> Result<(), StageFailed> {
    let in_order = async {
        for stage in stages {
            stage.stop();
            stage.stopped().await;
        }
    };
    if timeout(limit, in_order).await.is_err() {
        let seconds = limit.as_secs();
        for stage in stages.iter().filter(|stage| !stage.task.is_finished()) {
            warn!(stage = %stage.name, "{} has not stopped within {seconds} s, and is killed", stage.name);
            stage.kill();
        }
    }
    let mut result = Ok(());
    for stage in stages {
        result = result.and(stage.stopped().await.ok());
    }
    result
}

/// Asks these stages for their subscriptions, how much they ask for, and how much they have. Each replies in
/// its turn, so this waits while one of their methods runs. Those that have ended are left out.
///
/// ```
/// # use futures_util::stream;
/// # use stage::{Consumer, SubscribeOptions};
/// # struct Printer;
/// # impl Consumer for Printer {
/// #     type Event = u32;
/// #     async fn handle_events(&mut self, _numbers: Vec<u32>) {}
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let numbers = stage::named("Numbers").start_stream(stream::pending());
/// let printer = stage::named("Printer").start_consumer(Printer);
/// printer.subscribe(&numbers, SubscribeOptions::default().max_demand(10))?;
///
/// let now = stage::topology(&[numbers.stage(), printer.stage()]).await;
/// let subscription = &now.stages[1].subscriptions[0];
/// assert_eq!(now.producer(subscription), Some(&now.stages[0]));
/// assert_eq!(subscription.outstanding, 10);
/// println!("{now}"); // A flowchart in Mermaid's notation.
/// # Ok(())
/// # }
/// ```
pub async fn topology(stages: &[StageRef]) -> Topology {
    let mut replies = Vec::new();
    for stage in stages {
        let (reply, now) = oneshot::channel();
        (stage.send)(ToAny::Describe(reply));
        replies.push(now);
    }
    let mut stages = Vec::new();
    for now in replies {
        stages.extend(now.await.ok());
    }
    Topology { stages }
}
