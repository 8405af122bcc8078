//! Limits restarts: after too many in a short time, one more is no help.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Allows a number of restarts within a period: by default 3 in 5 seconds, as in Elixir.
#[derive(Debug)]
pub(super) struct Intensity {
    max_restarts: usize,
    period: Duration,
    /// The times of the latest restarts.
    restarts: Mutex<VecDeque<Instant>>,
}

impl Default for Intensity {
    fn default() -> Self {
        Self::new(3, Duration::from_secs(5))
    }
}

impl Intensity {
    pub(super) fn new(max_restarts: usize, period: Duration) -> Self {
        Self { max_restarts, period, restarts: Mutex::default() }
    }

    /// Whether the limit allows one more restart. If it does, the restart is counted.
    pub(super) fn allows_restart(&self) -> bool {
        let mut restarts = self.restarts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while restarts.front().is_some_and(|&at| now - at > self.period) {
            restarts.pop_front();
        }
        restarts.push_back(now);
        restarts.len() <= self.max_restarts
    }
}
