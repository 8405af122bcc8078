//! The code that the nine steps share: the demand-driven [`stage`]s, [`logging`], and SQS and S3.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "aws")]
pub mod backfill;
#[cfg(feature = "aws")]
pub mod check;
mod clock;
#[cfg(feature = "aws")]
pub mod commands;
#[cfg(feature = "aws")]
pub mod concurrency;
#[cfg(feature = "aws")]
pub mod contents;
#[cfg(feature = "aws")]
pub mod disk;
mod error;
#[cfg(feature = "aws")]
pub mod job;
pub mod logging;
#[cfg(feature = "aws")]
pub mod metrics;
#[cfg(feature = "aws")]
#[cfg_attr(not(feature = "otel"), path = "otel/off.rs")]
mod otel;
mod plain;
#[cfg(feature = "aws")]
mod progress;
#[cfg(feature = "aws")]
pub mod results;
#[cfg(feature = "watch")]
mod signals;
#[cfg(feature = "aws")]
mod stop;
#[cfg(feature = "aws")]
pub mod surroundings;
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

/// The start of steps 01–04: refuses arguments, because these steps have none, and sets up [`logging`] and the clock.
///
/// With `PALLETO_CLOCK=paused` in the environment, a program does not wait: whenever all tasks sleep, tokio's clock
/// (`tokio::time::pause`) jumps to the moment when the next one wakes up. The program still prints the same. Steps
/// 06–09 can do this only with the embedded SQS and S3, which they then reach in memory, because a paused clock does
/// not wait for sockets.
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

/// Like [`init`], for a step whose only argument is `--watch`, which shows the stages at work in the terminal.
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

/// Like [`init`], for a program that parses its own arguments. `log_format` is `full` or `json`. If it is empty,
/// `LOG_FORMAT` decides.
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
