//! Waits longer and longer between tries at something that fails.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use metrics::counter;
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use tokio::time::{Instant, sleep};
use tracing::{error, info};

use crate::metrics::RETRIES;

/// Waits of about 0.5, 1, 2, 4 … and at most 20 seconds. Chance makes each a little longer, so that
/// many programs that failed at the same time do not try again at the same time.
///
/// Clones share their waits: tasks that do the same work back off together.
#[derive(Clone, Debug)]
pub struct Backoff {
    what: Cow<'static, str>,
    /// `None` while all is well.
    failing: Arc<Mutex<Option<Failing>>>,
}

#[derive(Debug)]
struct Failing {
    since: Instant,
    waits: ExponentialBackoff,
    /// Whether a try has failed since the last wait.
    has_failed: bool,
}

const LONGEST_WAIT: Duration = Duration::from_secs(20);

impl Backoff {
    /// For tries at `what`, the name that the log uses.
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), failing: Arc::default() }
    }

    /// A try failed: the next [`wait`](Self::wait) is a real one. Logs the error, unless the try before failed
    /// too.
    pub fn failed(&self, error: impl Display) {
        self.failing(error).has_failed = true;
    }

    /// Waits if a try has failed since the last wait, each time longer than the time before. If none has
    /// failed, it does not wait: all is well again.
    pub async fn wait(&self) {
        let wait = match &mut *self.failing.lock() {
            Some(failing) if failing.has_failed => Some(failing.next_wait()),
            _ => None,
        };
        match wait {
            Some(wait) => sleep(wait).await,
            None => self.succeeded(),
        }
    }

    /// [`failed`](Self::failed) and [`wait`](Self::wait) at once, for tasks that share the waits.
    pub(crate) async fn failed_so_wait(&self, error: impl Display) {
        let wait = self.failing(error).next_wait();
        sleep(wait).await;
    }

    /// A try went well: says so, if the one before failed.
    pub(crate) fn succeeded(&self) {
        if self.failing.lock().take().is_some() {
            info!("{} works again", self.what);
        }
    }

    /// For how long each try has failed.
    pub(crate) fn failing_for(&self) -> Duration {
        self.failing.lock().as_ref().map_or(Duration::ZERO, |failing| failing.since.elapsed())
    }

    fn failing(&self, error: impl Display) -> MappedMutexGuard<'_, Failing> {
        counter!(RETRIES).increment(1);
        MutexGuard::map(self.failing.lock(), |failing| {
            failing.get_or_insert_with(|| {
                error!("{} failed, and is tried again: {error}", self.what);
                Failing::now()
            })
        })
    }
}

impl Failing {
    fn now() -> Self {
        let waits = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(500))
            .with_max_delay(LONGEST_WAIT)
            .without_max_times()
            .with_jitter();
        Self { since: Instant::now(), waits: waits.build(), has_failed: false }
    }

    fn next_wait(&mut self) -> Duration {
        self.has_failed = false;
        self.waits.next().unwrap_or(LONGEST_WAIT)
    }
}
