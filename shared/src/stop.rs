//! How a program is told to stop.

use std::process::exit;

use tracing::info;

use crate::signals::Signals;
use crate::surroundings::Surroundings;
use crate::watch;

/// Waits until the program is told to stop: by Ctrl-C, by SIGTERM, or by q in the view of `--watch`.
///
/// When it is told a second time, the program ends at once, with exit code 130. Only here does this library end a
/// program that runs in order, because `main` cannot: it waits for the very work that must be abandoned.
///
/// # Panics
///
/// If the operating system does not let a program listen for signals.
pub async fn stop_signal() {
    if let Some(Surroundings { stop, .. }) = Surroundings::simulated() {
        return stop.cancelled().await;
    }
    // The same `signals` both times, because a signal that comes between two of them would be missed.
    let mut signals = Signals::listen();
    watch::leave_signals_to_the_step();
    signals.next(watch::quit()).await;
    watch::stopping();
    info!("Finishing what is begun. Ctrl-C again to leave at once");
    tokio::spawn(async move {
        signals.next(watch::quit()).await;
        watch::end();
        exit(130);
    });
}
