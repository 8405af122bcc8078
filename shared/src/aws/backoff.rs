//! Waits longer and longer between tries at something that fails.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use metrics::counter;
use tokio::time::{Instant, sleep};
use tracing::{error, info};

use crate::metrics::RETRIES;

/// Waits of about 0.5, 1, 2, 4 … and at most 20 seconds, each a little longer by chance, so that
/// many who failed at the same time do not try again at the same time.
#[derive(Debug)]
pub struct Backoff {
    what: Cow<'static, str>,
    /// `None` while all is well.
    failing: Option<Failing>,
}

#[derive(Debug)]
struct Failing {
    since: Instant,
    waits: ExponentialBackoff,
}

const LONGEST_WAIT: Duration = Duration::from_secs(20);

impl Backoff {
    /// For tries at `what`, by which the log calls it.
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), failing: None }
    }

    /// It failed: says so, if it went well before, and waits until it may be tried again.
    pub async fn failed(&mut self, error: impl Display) {
        let Self { what, failing } = self;
        counter!(RETRIES).increment(1);
        if failing.is_none() {
            error!("{what} failed, and is tried again: {error}");
        }
        let failing = failing.get_or_insert_with(|| Failing {
            since: Instant::now(),
            waits: ExponentialBuilder::new()
                .with_min_delay(Duration::from_millis(500))
                .with_max_delay(LONGEST_WAIT)
                .without_max_times()
                .with_jitter()
                .build(),
        });
        sleep(failing.waits.next().unwrap_or(LONGEST_WAIT)).await;
    }

    /// It went well: says so, if it failed before.
    pub fn succeeded(&mut self) {
        if self.failing.take().is_some() {
            info!("{} works again", self.what);
        }
    }

    /// How long it has been failing, without going well in between.
    pub fn failing_for(&self) -> Duration {
        self.failing.as_ref().map_or(Duration::ZERO, |failing| failing.since.elapsed())
    }
}
