//! Stands in for OpenTelemetry in a build without it: nothing is kept, and nothing is done.

use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::types::Message;
use metrics::set_global_recorder;
use metrics_exporter_prometheus::PrometheusRecorder;

use crate::aws::{Failure, S3Object};

#[derive(Clone, Debug, Default)]
pub(crate) struct Trace;

#[derive(Debug, Default)]
pub(crate) struct Traces;

pub(crate) fn is_on() -> bool {
    false
}

pub(crate) fn sees_receives(config: Builder) -> Builder {
    config
}

pub(crate) fn count(_: &str, recorder: Option<PrometheusRecorder>) -> bool {
    recorder.is_some_and(|recorder| set_global_recorder(recorder).is_ok())
}

pub(crate) fn flush() {}

impl Trace {
    pub(crate) fn phase<T>(
        &self,
        _: &'static str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> impl Future<Output = Result<T, Failure>> {
        work
    }

    pub(crate) fn failed(&self, _: &str) {}
}

impl Traces {
    pub(crate) fn begin(_: &Message, _: &[S3Object]) -> Self {
        Self
    }

    pub(crate) fn of(&self, _: usize) -> Trace {
        Trace
    }

    pub(crate) fn worked(&mut self) {}

    pub(crate) fn written(&mut self) {}

    pub(crate) fn deleted(&self) {}

    pub(crate) fn kept(&self, _: &'static str) {}
}
