//! `--watch`: shows the stages at work in the terminal.
//!
//! | file | content |
//! |---|---|
//! | [`mod@layer`] | reads the stages' traces |
//! | [`model`] | the events that each stage waits for and holds |
//! | [`server`] | the server's loops, from the fields of the steps' log lines |
//! | [`meter`] | counts events, in total and lately |
//! | [`view`] | draws the model |
//! | [`cards`], [`rows`] | draw the stages, where there is room and where there is little |
//! | [`pieces`] | the numbers, bars and styles that these three are made of |
//! | [`terminal`] | the threads that draw and read keys, and the terminal's state |
//! | [`recorded`] | prints a recording instead, if the clock is paused |
//!
//! The log goes to a pane. A thread of its own draws, so that a busy step cannot hold up the view.
//! It needs a terminal and a clock that runs, or a paused clock and no terminal: otherwise [`start`] returns an error that says so.

mod cards;
mod layer;
mod meter;
mod model;
mod pieces;
mod recorded;
mod rows;
mod server;
mod terminal;
mod view;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{env, panic};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::plain::plain;
use crate::signals::Signals;
use crate::{UsageError, clock};
use model::{Did, Model};

/// There is one terminal.
static WATCH: OnceLock<Watch> = OnceLock::new();

/// The state of the view.
struct Watch {
    shared: Arc<Shared>,
    drawing: Mutex<Option<JoinHandle<()>>>,
    /// Ends the program on a signal, unless a step does that in its own way.
    ends_on_signal: Option<AbortHandle>,
}

/// Shared between the program's threads and the thread that draws.
struct Shared {
    started: Instant,
    model: Mutex<Model>,
    /// Whether the log goes to the pane.
    is_on: AtomicBool,
    /// Tells the thread that draws to restore the terminal.
    is_over: AtomicBool,
    /// Notified when q was pressed, or when the terminal is gone.
    quit: Notify,
    /// Whether the view stands still. The program goes on.
    is_paused: AtomicBool,
    /// Whether the terminal is gone.
    is_lost: AtomicBool,
    /// Panic messages, to print when the terminal is restored.
    panics: Mutex<VecDeque<String>>,
}

/// Shows the stages from now on. It must be called before logging is set up. A second call changes nothing.
///
/// # Errors
///
/// If there is no terminal, or if the clock is paused.
///
/// # Panics
///
/// Outside a tokio runtime.
pub(crate) fn start() -> Result<(), UsageError> {
    if WATCH.get().is_some() {
        return Ok(());
    }
    can_start()?;
    clock::pause_if_asked()?;
    let shared = Arc::new(Shared::new());
    let title = title_of(&env::args_os().next().unwrap_or_default());
    if clock::paused().is_some() {
        tokio::spawn(recorded::print(shared.clone(), title));
        let _ = WATCH.set(Watch { shared, drawing: Mutex::new(None), ends_on_signal: None });
        return Ok(());
    }
    let drawing = terminal::start(shared.clone(), title);
    let drawing = drawing
        .map_err(|error| UsageError::new(format!("--watch cannot use the terminal: {error}")))?;
    // Only now that the view has started: an error above ends the program with a message.
    let by_default = tokio::spawn(async {
        let code = Signals::listen().next(quit()).await;
        end();
        // Here, because steps 1 to 5 do not listen for signals: without a view, the system ends them.
        exit(code);
    });
    #[cfg(unix)]
    tokio::spawn(quit_on_hangup(shared.clone()));
    // The runtime drops this task however `main` ends.
    let end_on_drop = EndOnDrop;
    tokio::spawn(async move {
        let _end = end_on_drop;
        std::future::pending::<()>().await;
    });
    report_panics(shared.clone());
    let drawing = Mutex::new(Some(drawing));
    let ends_on_signal = Some(by_default.abort_handle());
    let _ = WATCH.set(Watch { shared, drawing, ends_on_signal });
    Ok(())
}

/// Whether there is a terminal to show the stages in, and a clock that runs, or neither.
///
/// # Errors
///
/// If one of them is missing.
pub(crate) fn can_start() -> Result<(), UsageError> {
    let is_terminal = io::stdout().is_terminal();
    let message = match clock::is_to_be_paused()? {
        false if is_terminal && io::stdin().is_terminal() => return Ok(()),
        false => "--watch needs a terminal: standard input and output must be one",
        true if is_terminal => {
            "--watch prints a recording while the clock is paused: redirect it into a file, or unset PALLETO_CLOCK"
        }
        true => return Ok(()),
    };
    Err(UsageError::new(message))
}

/// The terminal is gone.
#[cfg(unix)]
async fn quit_on_hangup(shared: Arc<Shared>) {
    use tokio::signal::unix::{SignalKind, signal};
    if let Ok(mut hangup) = signal(SignalKind::hangup()) {
        hangup.recv().await;
        shared.lost();
    }
}

struct EndOnDrop;

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        end();
    }
}

/// Keeps panic messages off standard error while the view is drawn.
fn report_panics(shared: Arc<Shared>) {
    let otherwise = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !shared.is_on() {
            return otherwise(panic);
        }
        let said = panic.to_string();
        // The thread that panics may hold the lock.
        if let Ok(mut model) = shared.model.try_lock() {
            said.lines().for_each(|line| model.line(line));
        }
        lock(&shared.panics).push_back(said);
    }));
}

/// The name of a program, without its folder.
fn title_of(program: &OsString) -> String {
    let name = Path::new(program).file_stem().unwrap_or_default();
    plain(&name.to_string_lossy()).into_owned()
}

/// Whether the log goes to the pane.
pub(crate) fn is_on() -> bool {
    WATCH.get().is_some_and(|watch| watch.shared.is_on())
}

/// Puts text into the pane.
pub(crate) fn log(text: &str) {
    if let Some(watch) = WATCH.get() {
        text.lines().for_each(|line| watch.shared.model().line(line));
    }
}

/// The layer that updates the view, if there is one.
pub(crate) fn layer<S>() -> Option<impl Layer<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let watch = WATCH.get()?;
    Some(layer::Watcher(watch.shared.clone()).with_filter(layer::of_interest()))
}

/// Waits until the reader presses q. If there is no view, it waits forever.
pub(crate) async fn quit() {
    match WATCH.get() {
        Some(watch) => watch.shared.quit.notified().await,
        None => std::future::pending().await,
    }
}

/// From now on the step handles signals itself.
#[cfg_attr(
    not(feature = "aws"),
    expect(dead_code, reason = "steps without AWS are ended by signals")
)]
pub(crate) fn leave_signals_to_the_step() {
    if let Some(watch) = WATCH.get() {
        watch.ends_on_signal.iter().for_each(AbortHandle::abort);
    }
}

/// The program is about to end.
#[cfg(feature = "aws")]
pub(crate) fn stopping() {
    if let Some(watch) = WATCH.get() {
        watch.shared.model().is_stopping = true;
    }
}

/// Restores the terminal. From now on the log is printed.
pub(crate) fn end() {
    let Some(watch) = WATCH.get() else { return };
    watch.shared.is_over.store(true, Relaxed);
    if let Some(drawing) = lock(&watch.drawing).take() {
        drawing.thread().unpark();
        // A panic of that thread has been reported already.
        let _ = drawing.join();
    }
    for panic in lock(&watch.shared.panics).drain(..) {
        for line in panic.lines() {
            // Standard error may be closed.
            let _ = writeln!(io::stderr(), "{}", plain(line));
        }
    }
}

impl Shared {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            model: Mutex::default(),
            is_on: true.into(),
            is_over: false.into(),
            quit: Notify::new(),
            is_paused: false.into(),
            is_lost: false.into(),
            panics: Mutex::default(),
        }
    }

    fn is_on(&self) -> bool {
        self.is_on.load(Relaxed)
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        lock(&self.model)
    }

    /// The terminal is gone. Two reports of that do not count as pressing q twice.
    fn lost(&self) {
        if !self.is_lost.swap(true, Relaxed) {
            self.quit.notify_one();
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn did(&self, task: u64, stage: &str, did: Did) {
        self.model().did(self.elapsed(), task, stage, did);
    }

    fn forget_ended(&self) {
        self.model().forget_ended(self.elapsed());
    }

    fn logged(&self, by: u64, field: impl Fn(&str) -> Option<u64>) {
        self.model().server.logged(by, field);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
