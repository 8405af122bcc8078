//! A running stage, to await its end or to end it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tracing::warn;

use super::message::{End, Exit};

/// The usual time limit of an orderly stop: 30 seconds, as in Elixir's Broadway.
pub const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running stage, without the types of its events. A supervisor needs no more than this.
#[derive(Clone)]
pub struct StageRef {
    pub(super) name: Arc<str>,
    pub(super) end: watch::Receiver<End>,
    pub(super) task: AbortHandle,
    /// Tells the stage to stop. A function, because a mailbox has the types of the events.
    pub(super) stop: Arc<dyn Fn() + Send + Sync>,
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
        (self.stop)();
    }

    /// Ends the stage at once, even in the middle of an event. The method that runs is dropped at its
    /// next `.await`, and one that blocks its thread goes on until it returns. This call does not wait
    /// for the end; [`stopped`](StageRef::stopped) does.
    pub fn kill(&self) {
        self.task.abort();
    }

    /// Waits until the stage has ended, and returns the reason. By then the stage itself is dropped, and
    /// so are the tasks of a [consumer supervisor](super::Options::start_consumer_supervisor). To drop the
    /// future changes nothing.
    pub async fn stopped(&self) -> Exit {
        let mut end = self.end.clone();
        while end.changed().await.is_ok() {} // Until the last sender is dropped.
        end.borrow().exit.clone()
    }

    /// The number of events that the stage lost, known when it has [stopped](StageRef::stopped). These
    /// are the events that its full buffer discarded, and the events that it had received or emitted
    /// and could not deliver when it ended, because nobody was left to take them or because it crashed
    /// or was killed. Events that were handed to the stage are not among them, even if it did not finish
    /// them.
    pub fn lost(&self) -> usize {
        self.end.borrow().lost
    }

    /// Waits until the stage has ended, and kills it if that takes longer than `limit`. For an orderly
    /// [stop](super::Handle::stop), [`STOP_LIMIT`] is a usual limit.
    ///
    /// It kills this stage only. Stages before it may wait for it for ever, so kill them too. The wait
    /// is longer than `limit` if the stage blocks its thread, because then a [kill](StageRef::kill)
    /// takes longer. To drop the future kills nothing.
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
