//! What the nine steps share: the demand-driven [`stage`]s, [`logging`], and SQS and S3.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "aws")]
pub mod check;
mod clock;
#[cfg(feature = "aws")]
pub mod contents;
mod error;
#[cfg(feature = "aws")]
pub mod job;
pub mod logging;
#[cfg(feature = "aws")]
pub mod metrics;
#[cfg(feature = "aws")]
mod progress;
#[cfg(feature = "aws")]
pub mod results;
#[cfg(feature = "watch")]
mod signals;
#[cfg(feature = "aws")]
mod stop;
mod usage;
#[cfg_attr(not(feature = "watch"), path = "watch/off.rs")]
mod watch;

#[cfg(feature = "aws")]
pub use clock::runtime;
pub use error::Error;
#[cfg(feature = "aws")]
pub use local_aws;
pub use stage;
#[cfg(feature = "aws")]
pub use stop::stop_signal;
pub use usage::UsageError;

/// What steps 01–04 do first: refuses arguments, because they have none, and sets up [`logging`] and the clock.
///
/// With `PALLETO_CLOCK=paused` in the environment, a program does not wait: whenever all tasks sleep, tokio's clock
/// (`tokio::time::pause`) jumps to the moment at which the next one wakes up. What the program prints is the same.
/// Steps 06–09 can do that with the embedded SQS and S3 only, which they then reach in memory: no clock waits for a
/// socket.
///
/// # Errors
///
/// If the program was given an argument, or if `PALLETO_CLOCK` cannot be used.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn init() -> Result<(), UsageError> {
    usage::arguments(false)?;
    init_with("")
}

/// As [`init`], for a step that has the one argument `--watch`: with it, the terminal shows the stages at work.
///
/// # Errors
///
/// If the program was given any other argument, if there is no terminal to show the stages in, or if `PALLETO_CLOCK`
/// cannot be used.
///
/// # Panics
///
/// Outside a tokio runtime.
#[cfg(feature = "watch")]
pub fn init_with_watch() -> Result<(), UsageError> {
    if usage::arguments(true)? {
        watch::start()?;
    }
    init_with("")
}

/// As [`init`], for a program that reads its arguments itself. `log_format` is `full`, `json`, or nothing, which leaves
/// it to `LOG_FORMAT`.
///
/// # Errors
///
/// If `PALLETO_CLOCK` cannot be used.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn init_with(log_format: &str) -> Result<(), UsageError> {
    clock::pause_if_asked()?;
    logging::init(log_format);
    Ok(())
}
