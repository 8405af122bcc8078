//! Reads the stages' traces, and passes them on to the model.

use std::sync::Arc;
use std::{fmt, thread};

use tokio::task;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use super::Shared;
use super::model::{Did, Work};

/// The tracing layer that updates the model.
pub(super) struct Watcher(pub(super) Arc<Shared>);

/// The events that a [`Watcher`] needs, at any level of the log: the stages' traces, and the log lines with the fields
/// of the server's loops.
pub(super) fn of_interest<S: Subscriber>() -> impl Filter<S> {
    Targets::new().with_target(STAGES, LevelFilter::TRACE).with_default(LevelFilter::INFO)
}

const STAGES: &str = "stage";

/// Kept with a span: the stage, its work, and its task.
struct Begun {
    task: u64,
    stage: String,
    work: Work,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Watcher {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let work = match name_in_stages(attributes.metadata()) {
            Some("handle_demand") => Work::Demand,
            Some("handle_events") => Work::Events,
            _ => return,
        };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let (task, stage, work) = (this_task(), fields.text("stage"), work(fields.count()));
        self.0.did(task, &stage, Did::Begin(work));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Begun { task, stage, work });
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id);
        let begun = span.and_then(|span| span.extensions_mut().remove::<Begun>());
        // A stage that panics has not handled its events.
        if let Some(Begun { task, stage, work }) = begun.filter(|_| !thread::panicking()) {
            self.0.did(task, &stage, Did::End(work));
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if name_in_stages(event.metadata()).is_none() {
            return self.0.logged(this_task(), |field| fields.number(field));
        }
        let (subscription, count) = (fields.number("subscription"), fields.count());
        let did = match (fields.text("message").as_str(), subscription) {
            ("ask", Some(subscription)) => {
                let Some(producer) = fields.number("producer_task") else { return };
                Did::Ask { subscription, producer, count }
            }
            ("dispatch", Some(subscription)) => Did::Dispatch { subscription, count },
            ("emit", _) => Did::Emit { count },
            ("buffer", _) => Did::Buffer { count },
            ("stop", _) => Did::Stop,
            _ => return,
        };
        self.0.did(this_task(), &fields.text("stage"), did);
    }
}

fn name_in_stages(metadata: &Metadata<'_>) -> Option<&'static str> {
    metadata.target().starts_with(STAGES).then(|| metadata.name())
}

/// The current task. Each stage is a task, and traces from there.
fn this_task() -> u64 {
    task::try_id().and_then(|id| id.to_string().parse().ok()).unwrap_or_default()
}

/// The fields of an event or a span, and their values as text.
#[derive(Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(field, _)| *field == name)?;
        Some(value)
    }

    fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    fn count(&self) -> u64 {
        self.number("count").unwrap_or_default()
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use tokio::time::sleep;
    use tracing::subscriber::{NoSubscriber, set_default, set_global_default};
    use tracing::{debug, info};
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::registry;

    use super::*;
    use crate::stage::{self, Consumer, Producer, SubscribeOptions};
    use crate::watch::model::Stage;

    /// A producer that has two events.
    struct Two(usize);

    impl Producer for Two {
        type Event = ();
        type Cast = Infallible;

        async fn handle_demand(&mut self, demand: usize) -> Vec<()> {
            let events = demand.min(self.0);
            self.0 -= events;
            vec![(); events]
        }
    }

    /// A consumer that takes ten seconds, and then fails if told to.
    struct Slow(bool);

    impl Consumer for Slow {
        type Event = ();

        async fn handle_events(&mut self, _: Vec<()>) {
            sleep(Duration::from_secs(10)).await;
            assert!(!self.0, "it fails");
        }
    }

    /// Looks at the model after some seconds.
    async fn after(seconds: u64, fails: bool, look: impl Fn(&Stage, &[&Stage], &[u64])) {
        // With one subscriber in all, tracing caches whether a callsite is enabled from the first thread that reaches it,
        // and that can be another test's thread.
        let _ = set_global_default(NoSubscriber::new());
        let shared = Arc::new(Shared::new());
        let watcher = Watcher(shared.clone()).with_filter(of_interest());
        let _watching = set_default(registry().with(watcher));

        let producer = stage::named("P").start_producer(|_| Two(2));
        for _ in 0..2 {
            let consumer = stage::named("C").start_consumer(Slow(fails));
            let demand = SubscribeOptions::default().min_demand(0).max_demand(10);
            consumer.subscribe(&producer, demand).unwrap();
        }
        info!(started = %7, "a loop");
        debug!(terminating = %7, "details");
        sleep(Duration::from_secs(seconds)).await;

        let model = shared.model();
        assert!(model.server.looping.is_some() && model.server.ending.is_none());
        let producer = model.producers()[0];
        let consumers = model.consumers(producer);
        let unmet: Vec<_> = consumers.iter().map(|it| model.unmet(it)).collect();
        look(producer, &consumers, &unmet);
    }

    #[tokio::test(start_paused = true)]
    async fn it_sees_the_events_that_each_stage_holds() {
        after(5, false, |producer, consumers, unmet| {
            assert_eq!(producer.sent.total(), 2);
            assert_eq!(unmet, [8, 10]);
            assert_eq!((consumers[0].held, consumers[0].is_working()), (2, true));
            assert_eq!((consumers[1].held, consumers[1].is_working()), (0, false));
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_sees_the_handled_events() {
        after(15, false, |_, consumers, unmet| {
            assert_eq!(unmet, [8, 10]);
            assert_eq!((consumers[0].held, consumers[0].is_working()), (0, false));
            assert_eq!(consumers[0].handled.total(), 2);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn events_that_a_stage_failed_at_are_not_handled() {
        after(15, true, |_, consumers, unmet| {
            assert_eq!(unmet, [0, 10]);
            assert!(consumers[0].has_stopped() && !consumers[1].has_stopped());
            assert_eq!(consumers[0].handled.total(), 0);
        })
        .await;
    }
}
