//! Waits longer and longer between tries at something that fails.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use metrics::counter;
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
}

const LONGEST_WAIT: Duration = Duration::from_secs(20);

impl Backoff {
    /// For tries at `what`, the name that the log uses.
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), failing: Arc::default() }
    }

    /// The work failed: waits until it may be tried again. Logs the error, unless the last try
    /// failed too.
    pub async fn failed(&self, error: impl Display) {
        counter!(RETRIES).increment(1);
        let wait = self.next_wait(error);
        sleep(wait).await;
    }

    fn next_wait(&self, error: impl Display) -> Duration {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = failing.get_or_insert_with(|| {
            error!("{} failed, and is tried again: {error}", self.what);
            Failing::now()
        });
        failing.waits.next().unwrap_or(LONGEST_WAIT)
    }

    /// The work went well: says so, if it failed before.
    pub fn succeeded(&self) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.take().is_some() {
            info!("{} works again", self.what);
        }
    }

    /// For how long each try has failed.
    pub fn failing_for(&self) -> Duration {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.as_ref().map_or(Duration::ZERO, |failing| failing.since.elapsed())
    }
}

impl Failing {
    fn now() -> Self {
        let waits = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(500))
            .with_max_delay(LONGEST_WAIT)
            .without_max_times()
            .with_jitter();
        Self { since: Instant::now(), waits: waits.build() }
    }
}
