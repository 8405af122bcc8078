//! A consumer that starts a task for each event.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::FutureExt;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{Instrument, Span, error};

use super::intensity::Intensity;
use super::kind::Stage;
use super::mailbox::Message;
use super::message::{End, Mark, SubscriptionId};
use super::topology::Kind;
use super::worker::panic_message;

/// Decides whether a consumer supervisor restarts a task that panics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// The supervisor gives the task up, and counts its event as handled.
    #[default]
    Temporary,
    /// The supervisor starts the task again, with the same event. It crashes itself after more than
    /// 3 restarts in 5 seconds, counted over all its tasks.
    Transient,
}

/// Starts one task per event. An event counts as handled only when its task has ended, so there are
/// never more tasks than `max_demand`.
pub(super) struct TaskPerEvent<T, F> {
    common: Arc<Common<T, F>>,
    /// The tasks end with the stage: at once if the stage is killed, and when their work is done if
    /// it is stopped. That holds even if their producer ended long ago.
    tasks: JoinSet<()>,
    /// The marks of each running task, which keeps them until its end.
    marks: Vec<Weak<Marks>>,
}

type Marks = Mutex<Vec<Mark>>;

/// The data that all tasks share.
struct Common<T, F> {
    name: Arc<str>,
    me: UnboundedSender<Message<T, Infallible, Infallible>>,
    start: F,
    restart: Restart,
    intensity: Intensity,
    gave_up: AtomicBool,
    /// The span in which the stage was started. Its tasks run in it too.
    span: Span,
    /// The stage has ended when the last task has dropped this, so this is the last field.
    _told: watch::Sender<End>,
}

impl<T, F> TaskPerEvent<T, F> {
    pub(super) fn new(
        name: Arc<str>,
        me: UnboundedSender<Message<T, Infallible, Infallible>>,
        restart: Restart,
        start: F,
        told: watch::Sender<End>,
    ) -> Self {
        let (intensity, gave_up) = (Intensity::default(), AtomicBool::new(false));
        let span = Span::current();
        let common = Common { name, me, start, restart, intensity, gave_up, span, _told: told };
        Self { common: Arc::new(common), tasks: JoinSet::new(), marks: Vec::new() }
    }
}

impl<T, F, Task> Stage for TaskPerEvent<T, F>
where
    T: Clone + Send + Sync + 'static,
    F: Fn(T) -> Task + Send + Sync + 'static,
    Task: Future<Output = ()> + Send + 'static,
{
    type In = T;
    type Out = Infallible;
    type Cast = Infallible;

    const KIND: Kind = Kind::Consumer;
    const TELLS_WHEN_HANDLED: bool = true;

    async fn events(&mut self, id: SubscriptionId, events: Vec<T>) -> Vec<Infallible> {
        while self.tasks.try_join_next().is_some() {} // Forget the tasks that have ended.
        self.marks.retain(|marks| marks.strong_count() > 0);
        for event in events {
            let marks = Arc::default();
            self.marks.push(Arc::downgrade(&marks));
            let task = run(self.common.clone(), id, event, marks);
            self.tasks.spawn(task.instrument(self.common.span.clone()));
        }
        Vec::new()
    }

    /// # Panics
    ///
    /// If its tasks failed too often, because a panic is how the stage crashes itself.
    async fn finish(&mut self) -> Vec<Infallible> {
        self.common.check();
        while self.tasks.join_next().await.is_some() {
            self.common.check(); // At once, since another task may never end.
        }
        Vec::new()
    }

    fn handled(&mut self) {
        self.common.check();
    }

    fn mark(&mut self, mark: Mark) {
        for marks in self.marks.iter().filter_map(Weak::upgrade) {
            marks.lock().unwrap_or_else(PoisonError::into_inner).push(mark.clone());
        }
    }
}

impl<T, F> Common<T, F> {
    fn check(&self) {
        assert!(!self.gave_up.load(Relaxed), "its tasks were restarted too often");
    }
}

/// Runs the task of one event until it ends. A task that panics starts again if the settings allow
/// it.
async fn run<T, F, Task>(
    common: Arc<Common<T, F>>,
    id: SubscriptionId,
    event: T,
    _marks: Arc<Marks>,
) where
    T: Clone,
    F: Fn(T) -> Task,
    Task: Future<Output = ()>,
{
    loop {
        // The call of `start` may panic too, so it belongs to the future that catches panics.
        let task = async { (common.start)(event.clone()).await };
        let Err(panic) = AssertUnwindSafe(task).catch_unwind().await else { break };
        error!(stage = %common.name, "a task of {} crashed: {}", common.name, panic_message(&*panic));
        if common.restart == Restart::Temporary {
            break;
        }
        if !common.intensity.allows_restart() {
            common.gave_up.store(true, Relaxed);
            break;
        }
    }
    // If the stage has ended, this fails. That does no harm, because the stage asks for nothing
    // more.
    let _ = common.me.send(Message::Handled(id));
}
