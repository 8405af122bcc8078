//! Waits longer and longer between tries at something that fails.

use std::fmt::Display;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::sleep;
use tracing::{error, info};

/// Waits of about 0.5, 1, 2, 4 … and at most 20 seconds, each a little longer by chance, so that
/// many who failed at the same time do not try again at the same time.
#[derive(Debug)]
pub struct Backoff {
    what: &'static str,
    /// `None` while all is well.
    waits: Option<ExponentialBackoff>,
}

const LONGEST_WAIT: Duration = Duration::from_secs(20);

impl Backoff {
    /// For tries at `what`, by which the log calls it.
    pub fn new(what: &'static str) -> Self {
        Self { what, waits: None }
    }

    /// It failed: says so, if it went well before, and waits until it may be tried again.
    pub async fn failed(&mut self, error: impl Display) {
        let Self { what, waits } = self;
        if waits.is_none() {
            error!("{what} failed, and is tried again: {error}");
        }
        let waits = waits.get_or_insert_with(|| {
            ExponentialBuilder::new()
                .with_min_delay(Duration::from_millis(500))
                .with_max_delay(LONGEST_WAIT)
                .without_max_times()
                .with_jitter()
                .build()
        });
        sleep(waits.next().unwrap_or(LONGEST_WAIT)).await;
    }

    /// It went well: says so, if it failed before.
    pub fn succeeded(&mut self) {
        if self.waits.take().is_some() {
            info!("{} works again", self.what);
        }
    }
}
