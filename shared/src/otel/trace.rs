//! The trace of a file, from its message to the message's end.

use std::time::{Duration, SystemTime};

use aws_sdk_sqs::config::interceptors::{
    BeforeSerializationInterceptorContextMut, FinalizerInterceptorContextMut,
};
use aws_sdk_sqs::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::error::BoxError;
use aws_sdk_sqs::operation::receive_message::{ReceiveMessageInput, ReceiveMessageOutput};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use opentelemetry::trace::{
    Link, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{TARGET, is_on, tracer};
use crate::aws::sender::{Sender, TRACE_PARENT};
use crate::aws::{Failure, S3Object};

/// The trace of a file. Clones are the same trace, which ends with the last of them at the latest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Option<Context>);

/// The traces of the files that a message announces.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    files: Vec<Trace>,
    queue: String,
    /// When the last phase of all of them ended.
    since: Option<SystemTime>,
}

/// The attribute in which a message says where and when it was received. SQS has none of this name.
const RECEIVED: &str = "palleto.received";

pub(super) fn system() -> KeyValue {
    KeyValue::new("messaging.system", "aws_sqs")
}

/// The name of the queue, which is the last part of its URL.
pub(super) fn destination(queue_url: &str) -> KeyValue {
    KeyValue::new("messaging.destination.name", name_of(queue_url).to_owned())
}

pub(super) fn operation_name(name: &'static str) -> KeyValue {
    KeyValue::new("messaging.operation.name", name)
}

fn name_of(queue_url: &str) -> &str {
    queue_url.rsplit('/').next().unwrap_or(queue_url)
}

/// A span about a message, as the semantic conventions name it.
fn messaging(
    kind: SpanKind,
    name: &'static str,
    of_type: &'static str,
    queue: &str,
) -> SpanBuilder {
    let operation = [operation_name(name), KeyValue::new("messaging.operation.type", of_type)];
    SpanBuilder::from_name(format!("{name} {queue}"))
        .with_kind(kind)
        .with_attributes([system(), destination(queue)].into_iter().chain(operation))
}

impl Trace {
    /// The work is a span of this name. It has failed if its result is the file's fault.
    pub(crate) fn phase<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> impl Future<Output = Result<T, Failure>> {
        let span = self.0.as_ref().map_or_else(Span::none, |file| {
            let span = info_span!(target: TARGET, "phase", otel.name = name);
            let _ = span.set_parent(file.clone()); // It fails only if there is no layer.
            span
        });
        async move {
            let result = work.instrument(span.clone()).await;
            if let Err(Failure::Permanent(reason) | Failure::Other(reason)) = &result {
                span.set_status(Status::error(reason.clone()));
            }
            result
        }
    }

    /// The file could not be processed.
    pub(crate) fn failed(&self, reason: &str) {
        if let Some(file) = &self.0 {
            file.span().set_attribute(KeyValue::new("error.type", "_OTHER"));
            file.span().set_status(Status::error(reason.to_owned()));
        }
    }

    /// Something that has happened to the file from one time to another.
    fn add(&self, span: SpanBuilder, from: SystemTime, to: SystemTime) {
        let (Some(file), Some(tracer)) = (&self.0, tracer()) else { return };
        let span = span.with_start_time(from).start_with_context(&tracer, file);
        opentelemetry::trace::Span::end_with_timestamp(&mut { span }, to);
    }
}

impl Traces {
    /// A trace for each of the objects that this message announces, which has just come. The trace begins when the
    /// message was sent, and knows the sender.
    pub(crate) fn begin(message: &Message, objects: &[S3Object]) -> Self {
        let Some(tracer) = tracer() else { return Self::default() };
        let now = SystemTime::now();
        let attribute = |name| message.attributes()?.get(&name).map(String::as_str);
        let received = attribute(MessageSystemAttributeName::from(RECEIVED)).unwrap_or_default();
        let (asked, queue) = received.split_once(' ').unwrap_or_default();
        let asked = time(asked, Duration::from_micros).unwrap_or(now);
        let sent = attribute(MessageSystemAttributeName::SentTimestamp).unwrap_or_default();
        let sent = time(sent, Duration::from_millis).unwrap_or(now).min(now);
        let count = attribute(MessageSystemAttributeName::ApproximateReceiveCount);
        let file = |object: &S3Object| {
            let mut attributes = vec![
                KeyValue::new(
                    "messaging.message.id",
                    message.message_id().unwrap_or_default().to_owned(),
                ),
                KeyValue::new("aws.s3.bucket", object.bucket.clone()),
                KeyValue::new("aws.s3.key", object.key.clone()),
            ];
            attributes.extend(
                count
                    .and_then(|count| count.parse().ok())
                    .map(|count: i64| KeyValue::new("palleto.receive_count", count)),
            );
            let trace = begin(&tracer, queue, sent.min(asked), attributes, message);
            let receive = messaging(SpanKind::Client, "receive", "receive", queue);
            trace.add(receive, asked, now);
            trace.add(SpanBuilder::from_name("queue wait"), sent, now);
            trace
        };
        Self { files: objects.iter().map(file).collect(), queue: queue.to_owned(), since: None }
    }

    /// The trace of the object at this position.
    pub(crate) fn of(&self, position: usize) -> Trace {
        self.files.get(position).cloned().unwrap_or_default()
    }

    /// The work on all files has ended.
    pub(crate) fn worked(&mut self) {
        self.since = is_on().then(SystemTime::now);
    }

    /// The results would survive a power failure.
    pub(crate) fn written(&mut self) {
        self.add(&SpanBuilder::from_name("write"));
        self.worked();
    }

    /// The message is deleted.
    pub(crate) fn deleted(&self) {
        self.add(&messaging(SpanKind::Client, "delete", "settle", &self.queue));
        self.kept("deleted");
    }

    /// The traces end. If the message is not deleted, the outcome says why it stays in the queue.
    pub(crate) fn kept(&self, outcome: &'static str) {
        for Trace(file) in &self.files {
            let Some(file) = file else { continue };
            file.span().set_attribute(KeyValue::new("palleto.outcome", outcome));
            file.span().end();
        }
    }

    /// Something that has happened to all files since the last phase ended.
    fn add(&self, span: &SpanBuilder) {
        let Some(since) = self.since else { return };
        let now = SystemTime::now();
        self.files.iter().for_each(|file| file.add(span.clone(), since, now));
    }
}

fn begin(
    tracer: &SdkTracer,
    queue: &str,
    from: SystemTime,
    attributes: Vec<KeyValue>,
    message: &Message,
) -> Trace {
    let mut root = messaging(SpanKind::Consumer, "process", "process", queue);
    root.attributes.get_or_insert_default().extend(attributes);
    root.start_time = Some(from);
    root.links = Sender::of(message).map(|sender| vec![Link::with_context(sender.into())]);
    Trace(Some(Context::new().with_span(root.start_with_context(tracer, &Context::new()))))
}

impl From<Sender> for SpanContext {
    fn from(Sender { trace, span, is_sampled }: Sender) -> Self {
        let flags = if is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let (trace, span) = (TraceId::from(trace), SpanId::from(span));
        Self::new(trace, span, flags, true, TraceState::NONE)
    }
}

/// The time that is `number` units from 1970.
fn time(number: &str, unit: fn(u64) -> Duration) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(unit(number.parse().ok()?))
}

/// With this, each message says when it was asked for, and brings the sender's trace.
pub(crate) fn sees_receives(config: Builder) -> Builder {
    if is_on() { config.interceptor(Receives) } else { config }
}

#[derive(Debug)]
struct Receives;

/// When messages were asked for, and from which queue.
#[derive(Debug)]
struct Asked(SystemTime, String);

impl Storable for Asked {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for Receives {
    fn name(&self) -> &'static str {
        "Receives"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(receive) = context.input_mut().downcast_mut::<ReceiveMessageInput>() {
            let queue = name_of(receive.queue_url.as_deref().unwrap_or_default()).to_owned();
            bag.interceptor_state().store_put(Asked(SystemTime::now(), queue));
            let names = receive.message_system_attribute_names.get_or_insert_default();
            names.push(MessageSystemAttributeName::AwsTraceHeader);
            let names = receive.message_attribute_names.get_or_insert_default();
            names.push(TRACE_PARENT.to_owned());
        }
        Ok(())
    }

    fn modify_before_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Asked(asked, queue)) = bag.load::<Asked>() else { return Ok(()) };
        let asked = asked.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros();
        let Some(Ok(output)) = context.output_or_error_mut() else { return Ok(()) };
        let Some(received) = output.downcast_mut::<ReceiveMessageOutput>() else { return Ok(()) };
        for message in received.messages.iter_mut().flatten() {
            let name = MessageSystemAttributeName::from(RECEIVED);
            let attributes = message.attributes.get_or_insert_default();
            attributes.insert(name, format!("{asked} {queue}"));
        }
        Ok(())
    }
}
