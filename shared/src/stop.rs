//! How a program is told to stop.

use std::process::exit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::signals::Signals;
use crate::surroundings::Surroundings;
use crate::{otel, watch};

/// Cancelled when the program is told to stop. There is one program.
static TOLD: OnceLock<CancellationToken> = OnceLock::new();
/// Whether the program may have begun to work, so that it must stop in order.
static HAS_BEGUN: AtomicBool = AtomicBool::new(false);
/// Whether standard output is closed.
static IS_UNREAD: AtomicBool = AtomicBool::new(false);

/// The exit code of a program whose standard output was closed: 128 and the number of SIGPIPE, as a shell shows it for
/// any command.
const UNREAD: i32 = 141;

/// Waits until the program is told to stop: by Ctrl-C, by SIGTERM, by q in the view of `--watch`, or because standard
/// output is closed, as in `cargo run … | head`.
///
/// When it is told a second time, the program ends at once, with exit code 130. Only in this file does the library end a
/// program that runs in order, because `main` cannot: it waits for the very work that must be abandoned.
///
/// # Panics
///
/// If the operating system does not let a program listen for signals.
pub async fn stop_signal() {
    begin();
    listen().cancelled().await;
    watch::stopping();
    info!("Finishing what has begun. Press Ctrl-C again to exit at once");
}

/// Listens for signals from now on. Until the program has begun, a signal ends it.
///
/// This comes before the first request, because the first process of a container is not ended by a signal that it does
/// not listen for: that signal is lost.
pub(crate) fn listen() -> CancellationToken {
    if let Some(simulated) = Surroundings::simulated() {
        return simulated.stop;
    }
    let told = TOLD.get_or_init(|| {
        let told = CancellationToken::new();
        tokio::spawn(obey(Signals::listen(), told.clone()));
        watch::leave_signals_to_the_step();
        told
    });
    told.clone()
}

/// From now on, the step stops in order when it is told to.
pub(crate) fn begin() {
    HAS_BEGUN.store(true, Relaxed);
}

async fn obey(mut signals: Signals, told: CancellationToken) {
    let _at_the_end = AtTheEnd;
    tokio::select! {
        code = signals.next(watch::quit()) => {
            if !HAS_BEGUN.load(Relaxed) {
                watch::end();
                exit(code);
            }
            told.cancel();
        }
        () = told.cancelled() => {}
    }
    signals.next(watch::quit()).await;
    watch::end();
    exit(130);
}

/// Standard output is closed. Returns whether the program stops because of that. Otherwise it listens for nothing.
pub(crate) fn is_unread() -> bool {
    let told = TOLD.get();
    if let Some(told) = told {
        IS_UNREAD.store(true, Relaxed);
        told.cancel();
    }
    told.is_some()
}

/// Sends the last traces, and gives the program its exit code if standard output was closed. The runtime drops this
/// however `main` ends.
struct AtTheEnd;

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        otel::flush();
        if IS_UNREAD.load(Relaxed) {
            exit(UNREAD);
        }
    }
}
