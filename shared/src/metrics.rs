//! Metrics for monitoring: numbers for [Prometheus], and the program's health.
//!
//! The numbers are always counted, by the [`metrics`] crate's macros. That costs next to nothing while
//! nothing reads them.
//!
//! [Prometheus]: https://prometheus.io/docs/instrumenting/exposition_formats/

use std::fmt::Debug;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use clap::Args;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusRecorder};
use tokio::net::TcpListener;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber, info};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

// Messages.
pub(crate) const RECEIVED: &str = "palleto_messages_received_total";
pub(crate) const RELEASED: &str = "palleto_messages_released_total";
pub(crate) const FAILED: &str = "palleto_messages_failed_total";
pub(crate) const GIVEN_BACK: &str = "palleto_messages_given_back_total";
pub(crate) const LOST: &str = "palleto_messages_lost_total";
pub(crate) const IN_FLIGHT: &str = "palleto_messages_in_flight";
pub(crate) const DEAD_LETTERS: &str = "palleto_dead_letters";
pub(crate) const QUEUE_WAIT: &str = "palleto_queue_wait_seconds";
pub(crate) const PROCESSING: &str = "palleto_processing_seconds";
pub(crate) const DEMAND: &str = "palleto_demand_pending";
pub(crate) const PIPELINES: &str = "palleto_pipelines";
pub(crate) const MAX_DEMAND: &str = "palleto_max_demand";
// Files.
pub(crate) const FILES: &str = "palleto_files_processed_total";
pub(crate) const FILES_FAILED: &str = "palleto_files_failed_total";
pub(crate) const FILES_LEFT_OUT: &str = "palleto_files_left_out_total";
pub(crate) const LINES: &str = "palleto_lines_total";
pub(crate) const BYTES: &str = "palleto_bytes_total";
pub(crate) const ANSWER: &str = "palleto_s3_answer_seconds";
pub(crate) const DOWNLOAD: &str = "palleto_download_seconds";
// Work that is done again.
pub(crate) const RETRIES: &str = "palleto_retries_total";

/// Upper bounds of the histograms, in seconds: from a small file to one of many gigabytes.
pub(crate) const BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 1800.0, 10_800.0];

/// Where to serve the metrics. A step flattens this into its own arguments.
#[derive(Args, Clone, Copy, Debug)]
pub struct MetricsArgs {
    /// The address to serve /metrics for Prometheus, /healthz and /readyz at, for instance
    /// 0.0.0.0:9090; by default, they are not served
    #[arg(long, value_name = "ADDRESS:PORT", env = "PALLETO_METRICS", help_heading = "Watching")]
    metrics: Option<SocketAddr>,
}

/// The numbers cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The program cannot listen at this address.
    #[error("nothing can be served at {0}: choose another address with --metrics")]
    Address(SocketAddr, #[source] io::Error),
    /// Prometheus's recorder cannot be built.
    #[error(transparent)]
    Recorder(#[from] BuildError),
    /// Another recorder already receives the program's metrics.
    #[error("the program's metrics go elsewhere already")]
    Taken,
}

impl MetricsArgs {
    pub(crate) fn are_served(self) -> bool {
        self.metrics.is_some()
    }

    /// Starts to serve this program's metrics, if an address is given. `install` makes all metrics go to their recorder,
    /// and returns whether they do. `/healthz` answers 200 until
    /// `stopping` is cancelled, and then 503. `/readyz` also answers 503 while there is a reason in `not_ready`.
    ///
    /// # Errors
    ///
    /// If the address cannot be used.
    pub(crate) async fn serve<R>(
        &self,
        install: impl FnOnce(Option<PrometheusRecorder>) -> bool,
        stopping: CancellationToken,
        not_ready: R,
    ) -> Result<(), MetricsError>
    where
        R: Fn() -> Option<String> + Clone + Send + Sync + 'static,
    {
        let Some(address) = self.metrics else {
            if install(None) {
                describe();
            }
            return Ok(());
        };
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| MetricsError::Address(address, error))?;
        let prometheus = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
        let recorder = prometheus.handle();
        if !install(Some(prometheus)) {
            return Err(MetricsError::Taken);
        }
        describe();

        let upkeep = recorder.clone();
        tokio::spawn(async move {
            // Histograms keep every value until a reader asks for it, or until this call.
            let mut now_and_then = interval(Duration::from_secs(5));
            loop {
                now_and_then.tick().await;
                upkeep.run_upkeep();
            }
        });
        let state = |reason: Option<String>| {
            let status =
                reason.as_ref().map_or(StatusCode::OK, |_| StatusCode::SERVICE_UNAVAILABLE);
            ready((status, reason.map_or_else(|| "ok\n".to_owned(), |reason| reason + "\n")))
        };
        let stopping = move || stopping.is_cancelled().then(|| "stopping".to_owned());
        let readiness = {
            let stopping = stopping.clone();
            move || state(stopping().or_else(&not_ready))
        };
        let health = move || state(stopping());
        let content_type = [("content-type", "text/plain; version=0.0.4; charset=utf-8")];
        let numbers = move || ready((content_type, recorder.render()));
        let router = Router::new()
            .route("/metrics", get(numbers))
            .route("/healthz", get(health))
            .route("/readyz", get(readiness));
        info!(
            "Serving /metrics and /healthz at http://{}",
            listener.local_addr().unwrap_or(address)
        );
        tokio::spawn(axum::serve(listener, router).into_future());
        Ok(())
    }
}

/// Reads from the steps' log how many events are asked for and not found yet: the field `missing`.
pub(crate) fn demand<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let tells = |metadata: &Metadata<'_>| metadata.fields().field("missing").is_some();
    Demand.with_filter(FilterFn::new(tells).with_max_level_hint(LevelFilter::INFO))
}

struct Demand;

impl<S: Subscriber> Layer<S> for Demand {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        event.record(&mut |field: &Field, value: &dyn Debug| {
            if field.name() == "missing"
                && let Ok(missing) = format!("{value:?}").parse::<f64>()
            {
                gauge!(DEMAND).set(missing);
            }
        });
    }
}

fn describe() {
    for (name, what) in [
        (RECEIVED, "Messages that were received"),
        (RELEASED, "Messages whose work was done, and that were deleted"),
        (FAILED, "Messages that were left to the queue, since something failed"),
        (GIVEN_BACK, "Messages that were given back undone"),
        (LOST, "Messages that could not be kept hidden while they were worked on"),
        (FILES, "Files whose result was written"),
        (FILES_FAILED, "Files that could not be processed"),
        (FILES_LEFT_OUT, "Files that --include and --exclude leave out"),
        (LINES, "Lines that are not empty"),
        (BYTES, "Bytes, unzipped"),
        (RETRIES, "Requests to SQS and S3 that had to be made again"),
    ] {
        describe_counter!(name, what);
        // Prometheus sees the first failure as an increase only if there was a 0 before.
        counter!(name).increment(0);
    }
    describe_gauge!(IN_FLIGHT, "Messages that were received and are not done");
    describe_gauge!(DEAD_LETTERS, "Messages in the dead-letter queue, about");
    describe_gauge!(DEMAND, "Events that are asked for and not found yet");
    describe_gauge!(PIPELINES, "Pipelines that should run");
    describe_gauge!(MAX_DEMAND, "Events that each of their stages asks for at a time");
    for (name, what) in [
        (ANSWER, "From a request to S3 to the head of its answer"),
        (QUEUE_WAIT, "From when a message was sent to when it was received"),
        (PROCESSING, "From when a message was received to when its work was done"),
        (
            DOWNLOAD,
            "From the request for an object to its last byte, waits for a free hand included",
        ),
    ] {
        describe_histogram!(name, Unit::Seconds, what);
    }
}
