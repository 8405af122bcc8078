//! Writes a step's log to standard output, one line per event.
//!
//! By default a line has only the message, as in the talk. `LOG_FORMAT=full` adds time, level, target and
//! fields, `LOG_FORMAT=json` makes each line a JSON object. `RUST_LOG` chooses the events that are shown
//! ([syntax](Targets)), for instance `RUST_LOG=info,aws_smithy_runtime=debug`. With `--watch`, the log goes to
//! a pane of the view.
//!
//! Keys and error messages come from outside, and can have any character. So the log escapes each character that is
//! more than text to a terminal: one event is one line.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;
use std::{env, fmt, process};

use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing::{Event, error};
use tracing_subscriber::field::RecordFields;
#[cfg(feature = "otel")]
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::format::{
    self, DefaultFields, FmtSpan, FormatEvent, FormatFields, Writer,
};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, registry};

use crate::plain::{plain, plain_json};
use crate::{clock, watch};

/// Level `info` and above from every crate, except that the AWS SDK and its HTTP client are quiet unless
/// something fails. The embedded SQS and S3 report failures to their client, so they log nothing here.
const DEFAULT_FILTER: &str = "info,aws=error,h2=error,hyper=error,rustack=off,s3s=off";

/// Sets up logging for this process in the given format, or else in that of `LOG_FORMAT`. A second call changes
/// nothing.
pub fn init(format: &str) {
    let (filter, wrong_filter) = filter();
    let by_default = env::var("LOG_FORMAT").unwrap_or_default();
    let chosen = if format.is_empty() { &by_default } else { format };
    let log = layer().with_writer(Stdout).with_ansi(is_in_colour());
    let log = match chosen {
        "full" => log.fmt_fields(Plain(DefaultFields::new())).with_timer(Time).boxed(),
        "json" => {
            // On a paused clock, the log also says when a stage begins to handle something and when it is
            // done, because the pictures are drawn from the log.
            let paused = clock::paused().is_some();
            let spans = if paused { FmtSpan::NEW | FmtSpan::CLOSE } else { FmtSpan::NONE };
            let log = log.json().flatten_event(true).with_span_list(true);
            let log = log.with_span_events(spans).with_current_span(paused).with_timer(Time);
            log.map_event_format(Plain).boxed()
        }
        _ => log.event_format(Bare).fmt_fields(Plain(only_the_message())).boxed(),
    };
    let already_set = subscribe(log, filter);
    if already_set.is_ok() {
        if let Some(error) = wrong_filter {
            error!("RUST_LOG is not used: {error}");
        }
        if !["", "full", "json"].contains(&chosen) {
            error!("LOG_FORMAT={chosen} is not used: it can be full or json");
        }
        #[cfg(feature = "otel")]
        if let Some(error) = crate::otel::error() {
            error!("OTEL_EXPORTER_OTLP_ENDPOINT is not used: {error}");
        }
    }
}

/// Colours only in a terminal, and not even there if [`NO_COLOR`](https://no-color.org) is set.
fn is_in_colour() -> bool {
    let is_wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    is_wanted && io::stdout().is_terminal() && !watch::is_on()
}

/// The filter of `RUST_LOG`, or else the default, and the error if `RUST_LOG` is invalid.
fn filter() -> (Targets, Option<ParseError>) {
    let by_default = || DEFAULT_FILTER.parse().expect("the default is well-formed");
    match env::var("RUST_LOG").unwrap_or_default().trim() {
        "" => (by_default(), None),
        asked_for => match asked_for.parse() {
            Ok(filter) => (filter, None),
            Err(error) => (by_default(), Some(error)),
        },
    }
}

fn subscribe(
    log: Box<dyn Layer<Registry> + Send + Sync>,
    filter: Targets,
) -> Result<(), SetGlobalDefaultError> {
    // Each layer has its own filter, because the other layers need events that the log does not show.
    #[cfg(feature = "otel")]
    let filter = filter.with_target(crate::otel::TARGET, LevelFilter::OFF);
    let layers = registry().with(log.with_filter(filter));
    #[cfg(feature = "otel")]
    let layers = layers.with(crate::otel::layer());
    #[cfg(feature = "aws")]
    let layers = layers.with(crate::metrics::demand());
    #[cfg(feature = "watch")]
    let layers = layers.with(watch::layer());
    set_global_default(layers)
}

/// The time of day, or, on a paused clock, the seconds since it was paused.
struct Time;

impl FormatTime for Time {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        match clock::paused() {
            Some(time) => write!(writer, "{:.6}", time.as_secs_f64()),
            None => SystemTime.format_time(writer),
        }
    }
}

/// Formats an event as its message alone.
struct Bare;

impl<S, N> FormatEvent<S, N> for Bare
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

fn only_the_message() -> impl for<'w> FormatFields<'w> {
    format::debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{value:?}"),
        _ => Ok(()),
    })
}

/// The output of the inner format, without any character that is more than text to a terminal.
struct Plain<F>(F);

/// The message and the fields, without colours.
impl<F: for<'a> FormatFields<'a>> FormatFields<'_> for Plain<F> {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'_>, fields: R) -> fmt::Result {
        let mut text = String::new();
        self.0.format_fields(Writer::new(&mut text), fields)?;
        writer.write_str(&plain(&text))
    }
}

/// The event as a line of JSON.
impl<F, S, N> FormatEvent<S, N> for Plain<F>
where
    F: FormatEvent<S, N>,
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut json = String::new();
        self.0.format_event(context, Writer::new(&mut json), event)?;
        writer.write_str(&plain_json(&json))
    }
}

/// Writes something to standard output.
type Writes<'a> = &'a mut dyn FnMut() -> io::Result<()>;

/// Makes room in the terminal for a write.
static MAKE_ROOM: OnceLock<fn(Writes<'_>) -> io::Result<()>> = OnceLock::new();

/// From now on, `make_room` wraps each write. Only the first call has an effect.
#[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "steps without AWS show no progress"))]
pub(crate) fn write_by(make_room: fn(Writes<'_>) -> io::Result<()>) {
    let _ = MAKE_ROOM.set(make_room);
}

/// Standard output. If its reader leaves, as in `cargo run … | head`, the program stops.
struct Stdout;

impl MakeWriter<'_> for Stdout {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

impl Write for Stdout {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if watch::is_on() {
            watch::log(&String::from_utf8_lossy(buf));
            return Ok(buf.len());
        }
        // Each event is one call, so that lines of several threads do not mix.
        let mut write = || io::stdout().lock().write_all(buf);
        let written = match MAKE_ROOM.get() {
            Some(make_room) => make_room(&mut write),
            None => write(),
        };
        if written.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            #[cfg(feature = "aws")]
            if crate::stop::is_unread() {
                return Ok(buf.len());
            }
            // Exits here, because a step only logs and would not notice: steps 1 to 5 would go on forever.
            process::exit(0);
        }
        written.map(|()| buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}
