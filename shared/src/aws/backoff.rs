//! Waits longer and longer between tries at something that fails.

use std::fmt::Display;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::sleep;
use tracing::{error, info};

/// Waits of about 0.5, 1, 2, 4 … and at most 20 seconds, each a little longer by chance, so that
/// many who failed at the same time do not try again at the same time.
#[derive(Debug, Default)]
pub struct Backoff {
    /// `None` while all is well.
    waits: Option<ExponentialBackoff>,
}

impl Backoff {
    /// Something failed: says so, if it went well before, and waits until it may be tried again.
    pub async fn failed(&mut self, what: &str, error: impl Display) {
        if self.waits.is_none() {
            error!("{what} failed, and is tried again until it works: {error}");
        }
        let waits = self.waits.get_or_insert_with(|| {
            ExponentialBuilder::new()
                .with_min_delay(Duration::from_millis(500))
                .with_max_delay(Duration::from_secs(20))
                .without_max_times()
                .with_jitter()
                .build()
        });
        sleep(waits.next().unwrap_or(Duration::from_secs(20))).await;
    }

    /// It went well: says so, if it failed before.
    pub fn succeeded(&mut self, what: &str) {
        if self.waits.take().is_some() {
            info!("{what} works again");
        }
    }
}
