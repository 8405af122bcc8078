//! tokio's clock, which can be paused: then no wait takes any time.

use std::time::Duration;

#[cfg(feature = "paused-clock")]
use {
    std::{env, sync::OnceLock},
    tokio::runtime::{Handle, RuntimeFlavor},
    tokio::time::Instant,
};

#[cfg(feature = "paused-clock")]
static PAUSED: OnceLock<Instant> = OnceLock::new();

/// Pauses the clock, if the environment says so and the runtime has one thread only.
///
/// # Panics
///
/// Outside a tokio runtime.
#[cfg(feature = "paused-clock")]
pub(crate) fn pause_if_asked() {
    let is_asked = env::var_os("PALLETO_CLOCK").is_some_and(|clock| clock == "paused");
    if is_asked && Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        // A clock can be paused once only.
        PAUSED.get_or_init(|| {
            tokio::time::pause();
            Instant::now()
        });
    }
}

/// What the clock shows, if it is paused: the time since then, waits included.
#[cfg(feature = "paused-clock")]
pub(crate) fn paused() -> Option<Duration> {
    PAUSED.get().map(Instant::elapsed)
}

#[cfg(not(feature = "paused-clock"))]
pub(crate) fn pause_if_asked() {}

#[cfg(not(feature = "paused-clock"))]
pub(crate) fn paused() -> Option<Duration> {
    None
}

/// Does work that would hold up other tasks, in a thread of its own; but on a paused clock here and now, so that
/// every run is the same.
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
