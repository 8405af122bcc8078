//! The log lines of a world's programs, in one history with the faults that happen to them. It also hears of files that
//! are processed.
//!
//! Worlds without a history have it too, and only print nothing, because each log line asks for the time, and that changes
//! how a world goes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_core::span::Current;

/// Prints the messages of the log, each with the program that logs it.
#[derive(Debug)]
pub struct History {
    prints: bool,
    /// The spans that are entered. Each has the number of its program's life for an identifier.
    entered: Mutex<Vec<u64>>,
    /// A span of each life. The SDK and the stages ask for the current one.
    spans: Mutex<BTreeMap<u64, &'static Metadata<'static>>>,
}

/// Called for each file that a program has processed: with the program's life, and the key.
type Processed = Box<dyn Fn(u64, &str) + Send + Sync>;

static PROCESSED: OnceLock<Processed> = OnceLock::new();
static BEGAN: OnceLock<Instant> = OnceLock::new();
/// The identifier of spans outside all programs.
const NOBODY: u64 = u64::MAX;

/// The world begins now.
pub fn begin() {
    let _ = BEGAN.set(Instant::now()); // It can begin only once.
}

/// From now on, `processed` is told of each file that a program has processed.
pub fn hear(processed: impl Fn(u64, &str) + Send + Sync + 'static) {
    let _ = PROCESSED.set(Box::new(processed)); // There is one world.
}

/// Prints one line of a history.
pub fn tell(what: impl fmt::Display) {
    let time = BEGAN.get().map_or(Duration::ZERO, Instant::elapsed);
    println!("{:>9.3}  {what}", time.as_secs_f64());
}

/// The name of a program in the history.
pub fn name(life: u64) -> String {
    format!("Program {life}")
}

impl History {
    pub fn new(prints: bool) -> Self {
        Self { prints, entered: Mutex::default(), spans: Mutex::default() }
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
        self.spans.lock().entry(life.0).or_insert(span.metadata());
        Id::from_u64(life.0)
    }

    fn current_span(&self) -> Current {
        let Some(life) = self.entered.lock().last().copied() else { return Current::none() };
        let metadata = self.spans.lock().get(&life).copied();
        metadata.map_or_else(Current::none, |metadata| Current::new(Id::from_u64(life), metadata))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut said = Line::default();
        event.record(&mut said);
        let life = self.entered.lock().last().copied().filter(|life| *life != NOBODY);
        if let (Some(life), Some(key), Some(processed)) = (life, &said.key, PROCESSED.get())
            && said.message.ends_with(&format!(" processed {key}"))
        {
            processed(life, key);
        }
        if self.prints {
            let program = life.map_or_else(|| "A program".to_owned(), name);
            tell(format_args!("    {program}: {}", said.message));
        }
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
struct Line {
    message: String,
    key: Option<String>,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "key" {
            self.key = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}
