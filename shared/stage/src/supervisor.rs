//! Starts groups of stages again when they fail.

use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::intensity::Intensity;
use super::message::Exit;
use super::stage_ref::StageRef;
use super::worker::panic_message;

/// Runs groups of stages, each under a name, and starts a group again when one of its stages fails.
///
/// The stages of a group live and die together: when one fails, the supervisor kills the others and
/// starts the whole group again. The other groups do not notice (*one for one*). A group is done
/// when all its stages have ended normally (*transient*), or when its producer is gone. If more
/// than 3 restarts in 5 seconds did not help, the supervisor gives up, as Elixir's does, and kills
/// all stages that it runs. It also kills them when it is dropped.
///
/// ```
/// use stage::{Consumer, Supervisor};
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
/// assert_eq!(printers.groups()[0].restarts, 0);
/// # }
/// ```
#[derive(Default)]
pub struct Supervisor {
    groups: JoinSet<()>,
    shared: Arc<Shared>,
}

/// A supervisor gave up, because its groups failed again and again.
#[derive(Debug, thiserror::Error)]
#[error("gave up, since restarts were of no use: {0}")]
pub struct TooManyRestarts(String);

/// The state of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// The group's name.
    pub name: String,
    /// Whether its stages run, or are about to run again.
    pub is_running: bool,
    /// The number of times it was started again.
    pub restarts: usize,
    /// The reason for its latest failure, if there was one.
    pub last_failure: Option<String>,
}

/// The state that the tasks of all groups share.
#[derive(Default)]
struct Shared {
    intensity: Intensity,
    gave_up: CancellationToken,
    groups: Mutex<Vec<GroupStatus>>,
    /// Cancelled when the group of the same position is to stop.
    stopping: Mutex<Vec<CancellationToken>>,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("groups", &self.groups()).finish_non_exhaustive()
    }
}

impl Supervisor {
    /// Makes a supervisor that gives up after more than `max_restarts` within `period`, instead of
    /// 3 in 5 seconds.
    pub fn with_intensity(max_restarts: usize, period: Duration) -> Self {
        let intensity = Intensity::new(max_restarts, period);
        let shared = Shared { intensity, ..Shared::default() };
        Self { groups: JoinSet::new(), shared: shared.into() }
    }

    /// Returns the state of each group, in the order in which they were first started. A group that was
    /// [stopped](Self::stop_group) gives its place to the next one that starts.
    pub fn groups(&self) -> Vec<GroupStatus> {
        self.shared.groups().clone()
    }

    /// Starts a group. `start` starts the stages of the group and returns them. The supervisor
    /// calls it again when the group has failed, after all its stages [have stopped](StageRef::stopped).
    /// If `start` returns an error or panics when it is called again, the group has failed too.
    ///
    /// The supervisor knows only the stages that `start` returns. A `start` that fails halfway must
    /// [kill](StageRef::kill) the stages that it has started, or they run on.
    ///
    /// # Panics
    ///
    /// If `start` panics when it is first called. Outside a tokio runtime.
    pub fn start_group<E: Display + Send + 'static>(
        &mut self,
        name: impl Into<String>,
        mut start: impl FnMut() -> Result<Vec<StageRef>, E> + Send + 'static,
    ) {
        let name = name.into();
        let mut start = move || start().map(KilledOnDrop).map_err(|error| error.to_string());
        let started = start();
        let index = self.shared.add(&name);
        self.groups.spawn(supervise(name, index, started, start, self.shared.clone()));
    }

    /// Stops the groups of this name in an orderly way: [stops](StageRef::stop) their stages one after the other, in
    /// the order in which `start` returned them, which should be that of the data. From now on they are not started
    /// again. This call does not wait. When they are done, their [status](Self::groups) says so.
    pub fn stop_group(&self, name: &str) {
        let groups = self.shared.groups();
        let named = groups.iter().enumerate().filter(|(_, group)| group.name == name);
        named.for_each(|(index, _)| self.shared.stopping(index).cancel());
    }

    /// Waits until all groups are done. Dropping the future before then changes nothing.
    ///
    /// # Errors
    ///
    /// If the supervisor gave up.
    pub async fn stopped(&mut self) -> Result<(), TooManyRestarts> {
        while self.groups.join_next().await.is_some() {}
        if !self.shared.gave_up.is_cancelled() {
            return Ok(());
        }
        let groups = self.groups().into_iter();
        let failures =
            groups.filter_map(|group| Some(format!("{}: {}", group.name, group.last_failure?)));
        Err(TooManyRestarts(failures.collect::<Vec<_>>().join("; ")))
    }
}

async fn supervise(
    name: String,
    index: usize,
    mut started: Result<KilledOnDrop, String>,
    mut start: impl FnMut() -> Result<KilledOnDrop, String>,
    shared: Arc<Shared>,
) {
    let stopping = shared.stopping(index);
    loop {
        let reason = match started {
            Err(error) => format!("it cannot start: {error}"),
            Ok(stages) => {
                let running = async {
                    tokio::select! {
                        failure = first_failure(&stages.0) => failure,
                        () = stop(&stages.0, &stopping) => None,
                    }
                };
                let failure = shared.gave_up.run_until_cancelled(running).await;
                stages.kill().await;
                match failure.flatten() {
                    None | Some((_, Exit::NoStage)) => {
                        return shared.change(index, GroupStatus::end);
                    }
                    Some((stage, exit)) => exit.as_end_of(stage),
                }
            }
        };
        if stopping.is_cancelled() {
            warn!(group = %name, "{name} was stopping, and is not restarted: {reason}");
            return shared.change(index, |status| {
                status.last_failure = Some(reason);
                status.end();
            });
        }
        if !shared.intensity.allows_restart() {
            error!(group = %name, "giving up on {name}: {reason}");
            shared.change(index, |status| {
                status.last_failure = Some(reason);
                status.end();
            });
            return shared.gave_up.cancel();
        }
        warn!(group = %name, "restarting {name}: {reason}");
        shared.change(index, |status| {
            status.restarts += 1;
            status.last_failure = Some(reason);
        });
        started = catch_unwind(AssertUnwindSafe(&mut start))
            .unwrap_or_else(|panic| Err(format!("it panicked: {}", panic_message(&*panic))));
    }
}

/// Waits until the group is to stop, and stops these stages one after the other.
async fn stop(stages: &[StageRef], stopping: &CancellationToken) {
    stopping.cancelled().await;
    for stage in stages {
        stage.stop();
        stage.stopped().await;
    }
}

/// Waits for the first stage to fail, and returns its name and the reason. Returns `None` once all
/// have ended normally.
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

/// Stages that are killed when their supervision ends.
struct KilledOnDrop(Vec<StageRef>);

impl KilledOnDrop {
    /// Kills the stages, and waits until they have ended.
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

impl GroupStatus {
    fn end(&mut self) {
        self.is_running = false;
    }
}

impl Shared {
    fn groups(&self) -> MutexGuard<'_, Vec<GroupStatus>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, name: &str) -> usize {
        let mut groups = self.groups();
        let (name, is_running, restarts, last_failure) = (name.to_owned(), true, 0, None);
        let status = GroupStatus { name, is_running, restarts, last_failure };
        let mut stopping = self.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        // Otherwise a program that starts and stops groups for months would fill its memory with their states.
        let is_free = |index: &usize| !groups[*index].is_running && stopping[*index].is_cancelled();
        if let Some(index) = (0..groups.len()).find(is_free) {
            (groups[index], stopping[index]) = (status, CancellationToken::new());
            return index;
        }
        groups.push(status);
        stopping.push(CancellationToken::new());
        groups.len() - 1
    }

    fn stopping(&self, index: usize) -> CancellationToken {
        self.stopping.lock().unwrap_or_else(PoisonError::into_inner)[index].clone()
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut GroupStatus)) {
        change(&mut self.groups()[index]);
    }
}
