//! How a program is told to stop.

use crate::watch;

/// Waits until the program is told to stop: by Ctrl-C, or by SIGTERM. Who says so a second time means
/// at once: then the program exits, with code 130.
///
/// # Panics
///
/// If the operating system does not let a program listen for signals.
#[cfg(feature = "aws")]
pub async fn stop_signal() {
    // The same for both: between two of them, a signal could be missed.
    let mut signals = Signals::listen();
    watch::leave_signals_to_the_step();
    signals.next().await;
    watch::stopping();
    tracing::info!("Finishing what is begun. Ctrl-C again to leave at once");
    tokio::spawn(async move {
        signals.next().await;
        watch::end();
        std::process::exit(130);
    });
}

#[cfg(unix)]
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).expect("a program can listen for signals");
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Self { interrupt: listen(interrupt), terminate: listen(terminate) }
    }

    /// Waits for the next one. Returns the exit code of who leaves for it at once.
    pub(crate) async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
            () = watch::quit() => 0,
        }
    }
}

#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn listen() -> Self {
        Self
    }

    pub(crate) async fn next(&mut self) -> i32 {
        tokio::select! {
            signal = tokio::signal::ctrl_c() => {
                signal.expect("a program can listen for Ctrl-C");
                130
            }
            () = watch::quit() => 0,
        }
    }
}
