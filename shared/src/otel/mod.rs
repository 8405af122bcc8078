//! Traces and metrics for an [OpenTelemetry] collector: the feature `otel`, and `OTEL_EXPORTER_OTLP_ENDPOINT` in the
//! environment.
//!
//! | file | content |
//! |---|---|
//! | `client` | sends requests to the collector, with the HTTP client that the SDK has |
//! | `trace` | the trace of a file |
//! | `metrics` | the numbers |
//! | `off` | stands in for all of it without the feature |
//!
//! Spans and numbers are named by the [semantic conventions] for messaging. Threads of their own send them, so that a
//! collector that is slow or away costs neither the work nor, beyond [`FLUSH_LIMIT`], the program's end.
//!
//! [OpenTelemetry]: https://opentelemetry.io
//! [semantic conventions]: https://opentelemetry.io/docs/specs/semconv/messaging/

mod client;
mod metrics;
mod trace;

use std::env;
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::{Subscriber, error};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, dynamic_filter_fn};
use tracing_subscriber::registry::LookupSpan;

pub(crate) use metrics::count;
pub(crate) use trace::{Trace, Traces, sees_receives};

use crate::error::chain;
use client::Client;

/// `None` unless a collector is named. There is one program.
static EXPORT: OnceLock<Option<Result<Export, String>>> = OnceLock::new();

/// The way to the collector.
struct Export {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

/// The target of the spans that exist for traces only.
pub(crate) const TARGET: &str = "otel";
/// The name under which spans and numbers are sent.
const SCOPE: &str = "palleto";
/// How long the end of the program may wait for the collector.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// The collector's address. OpenTelemetry's SDK reads the other variables.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Whether traces and metrics go to a collector.
pub(crate) fn is_on() -> bool {
    export().is_some()
}

fn tracer() -> Option<SdkTracer> {
    export().map(|export| export.traces.tracer(SCOPE))
}

fn meter() -> Option<opentelemetry::metrics::Meter> {
    export().map(|export| export.metrics.meter(SCOPE))
}

fn export() -> Option<&'static Export> {
    EXPORT.get()?.as_ref()?.as_ref().ok()
}

/// Why nothing is sent, although a collector is named.
pub(crate) fn error() -> Option<&'static str> {
    EXPORT.get()?.as_ref()?.as_ref().err().map(String::as_str)
}

/// Opens the way to the collector, if one is named. The layer sends the spans of each file's trace. `None` costs nothing.
pub(crate) fn layer<S>() -> Option<impl Layer<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let export = EXPORT.get_or_init(Export::open).as_ref()?.as_ref().ok()?;
    // A line outside of a file's trace belongs to none. Within one, the spans and the lines of your own work are
    // part of it, but not the spans that are there for the log.
    let is_of_a_file = dynamic_filter_fn(|metadata, context| {
        let is_logs = metadata.is_span() && metadata.target().starts_with("shared::");
        metadata.target() == TARGET || (!is_logs && context.lookup_current().is_some())
    });
    let layer = tracing_opentelemetry::layer()
        .with_tracer(export.traces.tracer(SCOPE))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    Some(layer.with_filter(is_of_a_file.with_max_level_hint(LevelFilter::INFO)))
}

impl Export {
    fn open() -> Option<Result<Self, String>> {
        let is_named = env::var_os(ENDPOINT).is_some_and(|endpoint| !endpoint.is_empty());
        let is_disabled = env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value == "true");
        let open = || Self::to_the_collector().map_err(|error| chain(&*error));
        (is_named && !is_disabled).then(open)
    }

    fn to_the_collector() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let client = Client::open()?;
        let spans = SpanExporter::builder().with_http().with_http_client(client.clone()).build()?;
        let numbers = MetricExporter::builder().with_http().with_http_client(client).build()?;
        let resource = resource();
        Ok(Self {
            traces: SdkTracerProvider::builder()
                .with_resource(resource.clone())
                .with_batch_exporter(spans)
                .build(),
            metrics: SdkMeterProvider::builder()
                .with_resource(resource)
                .with_periodic_exporter(numbers)
                .build(),
        })
    }
}

/// The description of this program for the collector: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
fn resource() -> Resource {
    let resource = Resource::builder();
    let has_name = env::var_os("OTEL_SERVICE_NAME").is_some_and(|name| !name.is_empty())
        || env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|all| all.contains("service.name="));
    let resource = if has_name { resource } else { resource.with_service_name(SCOPE) };
    resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build()
}

/// Sends the rest. Waits for the collector, but not longer than a few seconds.
pub(crate) fn flush() {
    let Some(export) = export() else { return };
    let (traces, metrics) = (export.traces.clone(), export.metrics.clone());
    let (done, is_done) = channel();
    let also_done = done.clone();
    // On threads of their own, because either can wait for longer than it promises to.
    thread::spawn(move || done.send(traces.shutdown_with_timeout(FLUSH_LIMIT).is_ok()));
    thread::spawn(move || also_done.send(metrics.shutdown_with_timeout(FLUSH_LIMIT).is_ok()));
    let end = Instant::now() + FLUSH_LIMIT;
    let left = || end.saturating_duration_since(Instant::now());
    let are_sent = (0..2).filter(|_| is_done.recv_timeout(left()) == Ok(true)).count();
    if are_sent < 2 {
        error!("The OpenTelemetry collector does not take the last traces and metrics");
    }
}
