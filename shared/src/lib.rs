//! What the nine steps share: the demand-driven [`stage`]s, [`logging`], and SQS and S3.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "aws")]
pub mod check;
mod clock;
#[cfg(feature = "aws")]
pub mod contents;
mod error;
#[cfg(feature = "fault-proxy")]
pub mod fault_proxy;
#[cfg(feature = "aws")]
pub mod job;
#[cfg(feature = "aws")]
pub mod local_aws;
pub mod logging;
#[cfg(feature = "aws")]
pub mod metrics;
#[cfg(feature = "aws")]
mod progress;
#[cfg(feature = "aws")]
pub mod results;
#[cfg(feature = "watch")]
mod signals;
pub mod stage;
#[cfg(feature = "transcript")]
pub mod transcript;
#[cfg_attr(not(feature = "watch"), path = "watch/off.rs")]
mod watch;

pub use error::Error;
#[cfg(feature = "aws")]
pub use signals::stop_signal;

/// What every step does first: sets up [`logging`], and the clock.
///
/// With `PALLETO_CLOCK=paused` in the environment, steps 01–05 do not wait: whenever all tasks
/// sleep, tokio's clock (`tokio::time::pause`) jumps to the next one's waking. What they print is
/// the same. Steps 06–08 can do that with the embedded SQS and S3 if they are built with the feature
/// `paused-clock`: the pictures of them are made in that way.
///
/// With `--watch` among its arguments, a step that has none of its own shows its stages at work (cargo feature
/// `watch`).
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn init() {
    #[cfg(feature = "watch")]
    watch::start_if_asked();
    init_with("");
}

/// As [`init`], with a format for the log: `full`, `json`, or nothing, which leaves it to `LOG_FORMAT`.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn init_with(log_format: &str) {
    clock::pause_if_asked();
    logging::init(log_format);
}
