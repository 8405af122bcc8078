//! What the nine steps share: the demand-driven [`stage`]s, [`logging`], and SQS and S3.

pub mod logging;
pub mod stage;
#[cfg(feature = "transcript")]
pub mod transcript;

/// What every step does first: sets up [`logging`], and the clock.
///
/// With `PALLETO_CLOCK=paused` in the environment, steps 01–05 do not wait: whenever all tasks
/// sleep, [tokio's clock](tokio::time::pause) jumps to the next one's waking. What they print is
/// the same.
///
/// # Panics
///
/// Outside a tokio runtime, if the clock is to be paused.
pub fn init() {
    logging::init();
    #[cfg(feature = "paused-clock")]
    if std::env::var_os("PALLETO_CLOCK").is_some_and(|clock| clock == "paused") {
        tokio::time::pause();
    }
}
