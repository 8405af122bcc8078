//! What the nine steps share: the demand-driven [`stage`]s, [`logging`], and SQS and S3.

#[cfg(feature = "aws")]
pub mod aws;
mod clock;
#[cfg(feature = "aws")]
pub mod contents;
mod error;
#[cfg(feature = "fault-proxy")]
pub mod fault_proxy;
#[cfg(feature = "aws")]
pub mod local_aws;
pub mod logging;
#[cfg(feature = "aws")]
pub mod metrics;
#[cfg(feature = "aws")]
mod progress;
#[cfg(feature = "aws")]
pub mod results;
pub mod stage;
#[cfg(feature = "transcript")]
pub mod transcript;
#[cfg(feature = "aws")]
pub mod work;

pub use error::Error;

/// What every step does first: sets up [`logging`], and the clock.
///
/// With `PALLETO_CLOCK=paused` in the environment, steps 01–05 do not wait: whenever all tasks
/// sleep, tokio's clock (`tokio::time::pause`) jumps to the next one's waking. What they print is
/// the same.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn init() {
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
    signals.next().await;
    tracing::info!("Finishing what is begun. Ctrl-C again to leave at once");
    tokio::spawn(async move {
        signals.next().await;
        std::process::exit(130);
    });
}

#[cfg(all(feature = "aws", unix))]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(all(feature = "aws", unix))]
impl Signals {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).expect("a program can listen for signals");
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Self { interrupt: listen(interrupt), terminate: listen(terminate) }
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(all(feature = "aws", not(unix)))]
struct Signals;

#[cfg(all(feature = "aws", not(unix)))]
impl Signals {
    fn listen() -> Self {
        Self
    }

    async fn next(&mut self) {
        tokio::signal::ctrl_c().await.expect("a program can listen for Ctrl-C");
    }
}
