//! Waits longer and longer between attempts at an operation that fails.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use metrics::counter;
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info};

use crate::metrics::RETRIES;

/// Waits of about 0.5, 1, 2, 4 … and at most 20 seconds. Jitter makes each a little longer, so that programs
/// that failed at the same time do not retry at the same time.
///
/// Clones share their waits, so that tasks that do the same work back off together.
#[derive(Clone, Debug)]
pub struct Backoff {
    what: Cow<'static, str>,
    /// `None` while the operation works.
    failing: Arc<Mutex<Option<Failing>>>,
}

#[derive(Debug)]
struct Failing {
    since: Instant,
    /// The last one.
    error: String,
    /// The errors that the log has since `said_at`.
    said: Vec<String>,
    said_at: Instant,
    waits: ExponentialBackoff,
    /// When the last wait ends. Tasks that fail before that wait for the same moment, so that ten failures at
    /// once count as one.
    until: Instant,
    /// Whether an attempt has failed since the last wait.
    has_failed: bool,
}

const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// How long an error is not said again that lasts.
const SAID_AGAIN: Duration = Duration::from_mins(5);

impl Backoff {
    /// For attempts at the operation that the log calls `what`.
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), failing: Arc::default() }
    }

    /// Records a failed attempt, so that the next [`wait`](Self::wait) really waits. Logs the error, unless
    /// the attempts before failed with the same one. After five minutes it is logged again.
    pub fn failed(&self, error: impl Display) {
        self.failing(error).has_failed = true;
    }

    /// Waits if an attempt has failed since the last wait, each time longer than before. Otherwise the
    /// operation works again: this is recorded at once, even if the future is dropped, and there is no wait.
    pub fn wait(&self) -> impl Future<Output = ()> + use<> {
        let until = match &mut *self.failing.lock() {
            Some(failing) if failing.has_failed => Some(failing.wait_until()),
            _ => None,
        };
        if until.is_none() {
            self.succeeded();
        }
        async move {
            if let Some(until) = until {
                sleep_until(until).await;
            }
        }
    }

    /// [`failed`](Self::failed) and [`wait`](Self::wait) at once, for tasks that share the waits.
    pub(crate) async fn failed_so_wait(&self, error: impl Display) {
        let until = self.failing(error).wait_until();
        sleep_until(until).await;
    }

    /// Records a successful attempt. Logs it if the attempt before failed.
    pub(crate) fn succeeded(&self) {
        if self.failing.lock().take().is_some() {
            info!("{} works again", self.what);
        }
    }

    /// Whether the last try failed, and none has gone well since.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.lock().is_some()
    }

    /// How long the operation has been failing.
    pub(crate) fn failing_for(&self) -> Duration {
        self.failing.lock().as_ref().map_or(Duration::ZERO, |failing| failing.since.elapsed())
    }

    /// The last error, while the operation fails.
    pub(crate) fn error(&self) -> Option<String> {
        let failing = self.failing.lock();
        failing.as_ref().map(|failing| format!("{}: {}", self.what, failing.error))
    }

    /// Waits until the operation has failed for so long.
    pub(crate) async fn failing_long(&self, limit: Duration) {
        while let Some(left) = limit.checked_sub(self.failing_for()).filter(|left| !left.is_zero())
        {
            sleep(left).await;
        }
    }

    fn failing(&self, error: impl Display) -> MappedMutexGuard<'_, Failing> {
        counter!(RETRIES).increment(1);
        let error = error.to_string();
        MutexGuard::map(self.failing.lock(), |failing| {
            let failing = failing.get_or_insert_with(|| {
                error!("{} failed, and is tried again: {error}", self.what);
                Failing::now(error.clone())
            });
            if failing.is_to_be_said(&error) {
                let minutes = failing.since.elapsed().as_secs() / 60;
                error!("{} still fails, for {minutes} minutes now: {error}", self.what);
            }
            failing.error = error;
            failing
        })
    }
}

impl Failing {
    fn now(error: String) -> Self {
        let waits = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(500))
            .with_max_delay(LONGEST_WAIT)
            .without_max_times()
            .with_jitter();
        let now = Instant::now();
        let (said, waits) = (vec![error.clone()], waits.build());
        Self { since: now, error, said, said_at: now, waits, until: now, has_failed: false }
    }

    /// Whether the log should have this error: because it has another one, or because it had this one long ago.
    fn is_to_be_said(&mut self, error: &str) -> bool {
        if self.said_at.elapsed() >= SAID_AGAIN {
            self.said.clear();
            self.said_at = Instant::now();
        }
        let is_new = !self.said.iter().any(|said| said == error);
        if is_new {
            self.said.push(error.to_owned());
        }
        is_new
    }

    /// The end of the next wait.
    fn wait_until(&mut self) -> Instant {
        self.has_failed = false;
        let now = Instant::now();
        if now >= self.until {
            self.until = now + self.waits.next().unwrap_or(LONGEST_WAIT);
        }
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_grow_until_all_is_well_again() {
        let backoff = Backoff::new("Trying");
        let mut last = Duration::ZERO;
        for _ in 0..4 {
            backoff.failed("no");
            let started = Instant::now();
            backoff.wait().await;
            assert!(started.elapsed() > last, "{last:?}");
            last = started.elapsed();
        }
        let started = Instant::now();
        backoff.wait().await;
        assert_eq!((started.elapsed(), backoff.failing_for()), (Duration::ZERO, Duration::ZERO));
        backoff.failed("no");
        backoff.wait().await;
        assert!(started.elapsed() < last);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_said_again_when_it_changes_and_after_some_minutes() {
        let mut failing = Failing::now("one".to_owned());
        for (seconds, error, is_said) in [
            (0, "one", false),
            (10, "another", true),
            (10, "one", false),
            (10, "another", false),
            (269, "another", false),
            (1, "another", true),
            (0, "one", true),
            (299, "one", false),
            (1, "one", true),
        ] {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            assert_eq!(failing.is_to_be_said(error), is_said, "{seconds} {error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_that_fail_at_the_same_time_wait_for_the_same_moment() {
        let backoff = Backoff::new("Trying");
        let started = Instant::now();
        let tries = (0..10).map(|_| backoff.failed_so_wait("no"));
        futures_util::future::join_all(tries).await;
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }
}
