//! Starts groups of stages again when they fail.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::handle::StageRef;
use super::message::Exit;

/// More restarts than this, over all groups, within [`PERIOD`]: a restart does not help.
const MAX_RESTARTS: usize = 3;
const PERIOD: Duration = Duration::from_secs(5);

/// Runs groups of stages, each under a name, and starts a group again when one of its stages fails.
///
/// The stages of a group live and die together: when one fails, the others are killed, and all are
/// started anew. The other groups do not notice (*one for one*). A group whose stages all ended
/// normally is done (*transient*), and so is one whose producer is gone. When more than 3 restarts
/// in 5 seconds were of no use, the supervisor gives up, as Elixir's does, and kills what it runs. It
/// does that too when it is dropped.
///
/// ```
/// use shared::stage::{self, Consumer, Supervisor};
/// use std::convert::Infallible;
///
/// struct Printer;
///
/// impl Consumer for Printer {
///     type Event = String;
///     async fn handle_events(&mut self, events: Vec<String>) {
///         println!("{events:?}");
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut printers = Supervisor::default();
/// printers.start_group("Printer1", || {
///     let printer = stage::named("Printer1").start_consumer(Printer);
///     printer.stop(); // In earnest it would subscribe to a producer here.
///     Ok::<_, Infallible>(vec![printer.stage()])
/// });
/// assert!(printers.stopped().await.is_ok());
/// # }
/// ```
#[derive(Default)]
pub struct Supervisor {
    groups: JoinSet<()>,
    shared: Arc<Shared>,
}

/// A supervisor gave up: its groups failed again and again.
#[derive(Debug, thiserror::Error)]
#[error("gave up after {MAX_RESTARTS} restarts within {} s", PERIOD.as_secs())]
pub struct TooManyRestarts;

/// What the tasks of all groups know of each other.
#[derive(Default)]
struct Shared {
    /// When the latest restarts were.
    restarts: Mutex<VecDeque<Instant>>,
    gave_up: CancellationToken,
}

impl Supervisor {
    /// Starts a group by calling `start`, which starts its stages and returns them, and calls it
    /// again when the group has failed. That it cannot start is a failure too.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_group<E: Display + Send + 'static>(
        &mut self,
        name: impl Into<String>,
        mut start: impl FnMut() -> Result<Vec<StageRef>, E> + Send + 'static,
    ) {
        let started = start();
        self.groups.spawn(supervise(name.into(), started, start, self.shared.clone()));
    }

    /// Waits until all groups are done. If the future is dropped before, that changes nothing.
    ///
    /// # Errors
    ///
    /// If it had to give up.
    pub async fn stopped(&mut self) -> Result<(), TooManyRestarts> {
        while let Some(ended) = self.groups.join_next().await {
            if let Err(error) = ended {
                error!("a group could not be started again: {error}");
                self.shared.gave_up.cancel();
            }
        }
        if self.shared.gave_up.is_cancelled() { Err(TooManyRestarts) } else { Ok(()) }
    }
}

async fn supervise<E: Display>(
    name: String,
    mut started: Result<Vec<StageRef>, E>,
    mut start: impl FnMut() -> Result<Vec<StageRef>, E>,
    shared: Arc<Shared>,
) {
    loop {
        let reason = match started {
            Err(error) => format!("it cannot start: {error}"),
            Ok(stages) => {
                let stages = KilledOnDrop(stages);
                let failure = shared.gave_up.run_until_cancelled(first_failure(&stages.0)).await;
                stages.kill().await;
                match failure.flatten() {
                    None | Some((_, Exit::NoStage)) => return,
                    Some((stage, exit)) => format!("{stage} {exit}"),
                }
            }
        };
        if !shared.may_restart() {
            error!(group = %name, "giving up on {name}: {reason}");
            return shared.gave_up.cancel();
        }
        warn!(group = %name, "restarting {name}: {reason}");
        started = start();
    }
}

/// Waits for the first stage to fail, and tells which one and why; `None` once all ended normally.
async fn first_failure(stages: &[StageRef]) -> Option<(&str, Exit)> {
    let mut running: Vec<_> = stages
        .iter()
        .map(|stage| Box::pin(async move { (stage.name(), stage.stopped().await) }))
        .collect();
    while !running.is_empty() {
        let ((stage, exit), _, rest) = select_all(running).await;
        if !exit.is_normal() {
            return Some((stage, exit));
        }
        running = rest;
    }
    None
}

/// Stages that do not outlive their supervision.
struct KilledOnDrop(Vec<StageRef>);

impl KilledOnDrop {
    /// Waits until they have ended.
    async fn kill(&self) {
        self.0.iter().for_each(StageRef::kill);
        join_all(self.0.iter().map(StageRef::stopped)).await;
    }
}

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        self.0.iter().for_each(StageRef::kill);
    }
}

impl Shared {
    /// Whether one more restart is within the limit; if so, it counts.
    fn may_restart(&self) -> bool {
        let mut restarts = self.restarts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while restarts.front().is_some_and(|&at| now - at > PERIOD) {
            restarts.pop_front();
        }
        restarts.push_back(now);
        restarts.len() <= MAX_RESTARTS
    }
}
