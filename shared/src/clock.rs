//! tokio's clock, which can be paused so that waits take no time.

use std::env;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

#[cfg(feature = "aws")]
use tokio::runtime::{Builder, Runtime};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::Instant;

use crate::UsageError;

static PAUSED: OnceLock<Instant> = OnceLock::new();
static IS_PAUSED_FROM_THE_START: AtomicBool = AtomicBool::new(false);

/// Pauses the clock if `PALLETO_CLOCK` is `paused`.
///
/// # Errors
///
/// If it has any other value, or if the runtime has several threads: tokio can pause the clock of one thread only.
///
/// # Panics
///
/// Outside a tokio runtime.
pub(crate) fn pause_if_asked() -> Result<(), UsageError> {
    if !is_to_be_paused()? {
        return Ok(());
    }
    if Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread {
        let message = "PALLETO_CLOCK=paused cannot be used with this program, because it runs on several threads: unset it";
        return Err(UsageError::new(message));
    }
    // A clock can be paused only once.
    PAUSED.get_or_init(|| {
        if !IS_PAUSED_FROM_THE_START.load(Relaxed) {
            tokio::time::pause();
        }
        Instant::now()
    });
    Ok(())
}

/// Whether `PALLETO_CLOCK` is `paused`.
///
/// # Errors
///
/// If it is anything else.
pub(crate) fn is_to_be_paused() -> Result<bool, UsageError> {
    let clock = env::var_os("PALLETO_CLOCK").unwrap_or_default();
    if clock.is_empty() || clock == "paused" {
        Ok(!clock.is_empty())
    } else {
        let message = format!("PALLETO_CLOCK={} is not known: it can be paused", clock.display());
        Err(UsageError::new(message))
    }
}

/// A tokio runtime on all processors, for step 09. With `PALLETO_CLOCK=paused` it has one thread only, because tokio
/// cannot pause the clock of several threads.
///
/// # Errors
///
/// If the operating system provides no thread.
#[cfg(feature = "aws")]
pub fn runtime() -> std::io::Result<Runtime> {
    if env::var_os("PALLETO_CLOCK").is_some_and(|clock| clock == "paused") {
        // tokio rounds times to milliseconds since the runtime's start. If that is when the clock is paused, each run
        // rounds them in the same way.
        IS_PAUSED_FROM_THE_START.store(true, Relaxed);
        Builder::new_current_thread().enable_all().start_paused(true).build()
    } else {
        Builder::new_multi_thread().enable_all().build()
    }
}

/// How long the clock has been paused, including waits. `None` if it runs.
pub(crate) fn paused() -> Option<Duration> {
    PAUSED.get().map(Instant::elapsed)
}

/// Runs work that would block other tasks on a thread of its own. On a paused clock it runs the work right here, so
/// that every run is the same.
///
/// # Errors
///
/// If the thread panics.
#[cfg(feature = "aws")]
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    if paused().is_some() { Ok(work()) } else { tokio::task::spawn_blocking(work).await }
}
