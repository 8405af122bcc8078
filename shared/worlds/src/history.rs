//! What the programs of a world log, in one history with what happens to them.
//!
//! Worlds without a history have it too, and only print nothing: whether something is logged decides how often the time is
//! asked for, and so how a world goes.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Prints the messages of the log, each with the program that logs it.
#[derive(Debug)]
pub struct History {
    prints: bool,
    /// The spans that are entered. Each has the number of its program's life for an identifier.
    entered: Mutex<Vec<u64>>,
}

static BEGAN: OnceLock<Instant> = OnceLock::new();
/// The identifier of spans outside all programs.
const NOBODY: u64 = u64::MAX;

/// The world begins now.
pub fn begin() {
    let _ = BEGAN.set(Instant::now()); // It can begin only once.
}

/// Prints one line of a history.
pub fn tell(what: impl fmt::Display) {
    let time = BEGAN.get().map_or(Duration::ZERO, Instant::elapsed);
    println!("{:>9.3}  {what}", time.as_secs_f64());
}

/// What a program is called.
pub fn name(life: u64) -> String {
    format!("Program {life}")
}

impl History {
    pub fn new(prints: bool) -> Self {
        Self { prints, entered: Mutex::default() }
    }
}

impl Subscriber for History {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Spans of all levels, because a program's tasks know it only by them.
        let is_ours =
            metadata.target().starts_with("worlds") || metadata.target().starts_with("shared");
        metadata.is_span() || is_ours && *metadata.level() <= Level::INFO
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut life = Life(self.entered.lock().last().copied().unwrap_or(NOBODY));
        span.record(&mut life);
        Id::from_u64(life.0)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if !self.prints {
            return;
        }
        let mut message = Message::default();
        event.record(&mut message);
        let program = self.entered.lock().last().copied().filter(|life| *life != NOBODY);
        let program = program.map_or_else(|| "A program".to_owned(), name);
        tell(format_args!("    {program}: {}", message.0));
    }

    fn enter(&self, span: &Id) {
        self.entered.lock().push(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        let mut entered = self.entered.lock();
        if let Some(at) = entered.iter().rposition(|it| *it == span.into_u64()) {
            entered.remove(at);
        }
    }
}

/// The field `life` of a span.
struct Life(u64);

impl Visit for Life {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "life" {
            self.0 = value;
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
