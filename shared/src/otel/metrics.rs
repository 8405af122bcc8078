//! The numbers of [`crate::metrics`], for OpenTelemetry.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use metrics::atomics::AtomicU64;
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    set_global_recorder,
};
use metrics_exporter_prometheus::PrometheusRecorder;
use metrics_util::layers::FanoutBuilder;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram as OtelHistogram, Meter};
use parking_lot::Mutex;

use super::trace::{destination, operation_name, system};
use crate::metrics::{BUCKETS, PROCESSING, RECEIVED};

/// From now on, the numbers go to the collector, if there is one, and to `recorder`, if there is one. They are about the
/// messages of the queue at this URL.
///
/// Returns whether they do: they go to the first recorders only.
pub(crate) fn count(queue_url: &str, recorder: Option<PrometheusRecorder>) -> bool {
    let mut recorders = FanoutBuilder::default();
    let meter = super::meter();
    let are_read = meter.is_some() || recorder.is_some();
    if let Some(meter) = meter {
        recorders = recorders.add_recorder(ToCollector::new(meter, destination(queue_url)));
    }
    if let Some(recorder) = recorder {
        recorders = recorders.add_recorder(recorder);
    }
    are_read && set_global_recorder(recorders.build()).is_ok()
}

/// Counts in memory. The collector is told now and then.
struct ToCollector {
    meter: Meter,
    queue: KeyValue,
    descriptions: Mutex<HashMap<KeyName, SharedString>>,
    counters: Known<AtomicU64>,
    /// The bits of an `f64`.
    gauges: Known<AtomicU64>,
    histograms: Known<Recorded>,
}

/// The numbers that were counted before, because a number is registered each time that it is counted.
type Known<T> = Mutex<HashMap<KeyName, Arc<T>>>;

/// A histogram, and the attributes of its measurements.
struct Recorded(OtelHistogram<f64>, Vec<KeyValue>);

impl HistogramFn for Recorded {
    fn record(&self, value: f64) {
        self.0.record(value, &self.1);
    }
}

fn known<T>(numbers: &Known<T>, key: &Key, begin: impl FnOnce() -> Arc<T>) -> Arc<T> {
    numbers.lock().entry(key.name_shared()).or_insert_with(begin).clone()
}

/// A number's name, unit and operation at the collector: those of the semantic conventions, if they know it.
fn name_of(name: &str) -> (String, &'static str, Option<&'static str>) {
    match name {
        RECEIVED => {
            return ("messaging.client.consumed.messages".into(), "{message}", Some("receive"));
        }
        PROCESSING => return ("messaging.process.duration".into(), "s", Some("process")),
        _ => {}
    }
    // Only Prometheus wants the word total and the unit at the end of a name.
    let name = name.strip_suffix("_total").unwrap_or(name);
    let (name, unit) = name.strip_suffix("_seconds").map_or((name, ""), |name| (name, "s"));
    let unit = if name.ends_with("_bytes") { "By" } else { unit };
    (name.replacen('_', ".", 1), unit, None)
}

impl ToCollector {
    fn new(meter: Meter, queue: KeyValue) -> Self {
        Self {
            meter,
            queue,
            descriptions: Mutex::default(),
            counters: Mutex::default(),
            gauges: Mutex::default(),
            histograms: Mutex::default(),
        }
    }

    fn describe(&self, name: KeyName, description: SharedString) {
        self.descriptions.lock().insert(name, description);
    }

    /// The name, unit, description and attributes of a number.
    fn of(&self, key: &Key) -> (String, &'static str, SharedString, Vec<KeyValue>) {
        let (name, unit, operation) = name_of(key.name());
        let description = self.descriptions.lock().get(key.name()).cloned().unwrap_or_default();
        let mut attributes = vec![system(), self.queue.clone()];
        attributes.extend(operation.map(operation_name));
        (name, unit, description, attributes)
    }
}

impl Recorder for ToCollector {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(name, description);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(name, description);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(name, description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(known(&self.counters, key, || {
            let (name, unit, description, attributes) = self.of(key);
            let count = Arc::new(AtomicU64::new(0));
            let so_far = count.clone();
            let counter = self.meter.u64_observable_counter(name).with_unit(unit);
            counter
                .with_description(description)
                .with_callback(move |it| it.observe(so_far.load(Relaxed), &attributes))
                .build();
            count
        }))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(known(&self.gauges, key, || {
            let (name, unit, description, attributes) = self.of(key);
            let value = Arc::new(AtomicU64::new(0));
            let measured = value.clone();
            let gauge = self.meter.f64_observable_gauge(name).with_unit(unit);
            gauge
                .with_description(description)
                .with_callback(move |it| {
                    it.observe(f64::from_bits(measured.load(Relaxed)), &attributes);
                })
                .build();
            value
        }))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(known(&self.histograms, key, || {
            let (name, unit, description, attributes) = self.of(key);
            let histogram = self.meter.f64_histogram(name).with_unit(unit);
            let histogram = histogram.with_description(description).with_boundaries(BUCKETS.into());
            Arc::new(Recorded(histogram.build(), attributes))
        }))
    }
}
