//! A running stage, to await its end or to end it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tracing::warn;

use super::message::{End, Exit};

/// The usual time limit of an orderly stop: 30 seconds.
pub const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running stage, without the types of its events. A supervisor needs no more than this.
#[derive(Clone, Debug)]
pub struct StageRef {
    pub(super) name: Arc<str>,
    pub(super) end: watch::Receiver<End>,
    pub(super) task: AbortHandle,
}

impl StageRef {
    /// The name that the stage was started with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends the stage at once, even in the middle of an event.
    pub fn kill(&self) {
        self.task.abort();
    }

    /// Waits until the stage has ended, and returns the reason. By then the stage itself is dropped, and
    /// so are the tasks of a [consumer supervisor](super::Options::start_consumer_supervisor).
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

    /// Waits until the stage has ended, and kills it if that takes longer than `limit`.
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
