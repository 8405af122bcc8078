//! Works out from the stages' traces which events each stage waits for and holds.
//!
//! Times are durations since the start.

use std::collections::VecDeque;
use std::time::Duration;

use super::meter::{Meter, Pulse};
use super::server::Server;

/// How many log lines are kept: as many as the tallest terminal shows.
const LINES: usize = 200;

/// How long a stage is shown that has ended.
const SHOWN_FOR: Duration = Duration::from_secs(5);

/// A stage that is busy for this many percent of the time sets the pace.
const MOST_OF_THE_TIME: u64 = 50;

/// Everything that the view shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    stages: Vec<Stage>,
    links: Vec<Link>,
    pub(super) server: Server,
    pub(super) log: VecDeque<String>,
    /// Whether the program was told to stop.
    pub(super) is_stopping: bool,
    /// Whether this is a copy for a paused view.
    pub(super) is_paused: bool,
}

/// One stage. If several stages share a name, the numbers of their tasks tell them apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Stage {
    pub(super) task: u64,
    pub(super) name: String,
    /// Events that it was sent and has not handled.
    pub(super) held: u64,
    /// Events that it has emitted, but no consumer has asked for.
    pub(super) buffered: u64,
    /// How many events its `handle_demand` was asked for.
    pub(super) demanded: Pulse,
    /// How many events it emitted.
    pub(super) emitted: Pulse,
    pub(super) handled: Meter,
    pub(super) sent: Meter,
    /// The largest number shown for it so far, which its squares are scaled to.
    pub(super) most: u64,
    /// How many of its functions are running.
    working: usize,
    /// Since when they are.
    working_since: Duration,
    /// How long they ran, in milliseconds.
    busy: Meter,
    /// When it ended, if it has.
    stopped_at: Option<Duration>,
    pub(super) restarts: usize,
}

/// A subscription.
#[derive(Clone, Debug)]
pub(super) struct Link {
    subscription: u64,
    consumer: u64,
    producer: String,
    /// Events that were asked for and not sent.
    pub(super) unmet: u64,
    pub(super) asks: Pulse,
    pub(super) events: Pulse,
}

/// An action of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Did {
    /// It asked `producer` for `count` more events.
    Ask { subscription: u64, producer: String, count: u64 },
    /// It sent events to the consumer that has this subscription.
    Dispatch { subscription: u64, count: u64 },
    /// It emitted events.
    Emit { count: u64 },
    /// Its buffer now holds this many events.
    Buffer { count: u64 },
    /// It began to handle demand or events.
    Begin(Work),
    /// It has handled them.
    End(Work),
    /// It ended.
    Stop,
}

/// The kind of work that a stage handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Demand(u64),
    Events(u64),
}

impl Model {
    /// Updates the model: the stage of this name, in this task, did something.
    pub(super) fn did(&mut self, at: Duration, task: u64, name: &str, did: Did) {
        match did {
            Did::Ask { subscription, producer, count } => {
                self.stage(task, name);
                let link = self.link(subscription, task, &producer);
                link.unmet += count;
                link.asks.add(at, count);
                self.note_most(|stage| stage.task == task || stage.name == producer);
            }
            Did::Dispatch { subscription, count } => {
                self.stage(task, name).sent.add(at, count);
                let link = self.links.iter_mut().find(|link| link.subscription == subscription);
                let Some(link) = link else { return };
                link.unmet = link.unmet.saturating_sub(count);
                link.events.add(at, count);
                let consumer = link.consumer;
                if let Some(stage) = self.stages.iter_mut().find(|stage| stage.task == consumer) {
                    stage.held += count;
                }
                self.note_most(|stage| [task, consumer].contains(&stage.task));
            }
            Did::Emit { count } => self.stage(task, name).emitted.add(at, count),
            Did::Buffer { count } => {
                self.stage(task, name).buffered = count;
                self.note_most(|stage| stage.task == task);
            }
            Did::Begin(work) => {
                let stage = self.stage(task, name);
                if stage.working == 0 {
                    stage.working_since = at;
                }
                stage.working += 1;
                if let Work::Demand(count) = work {
                    stage.demanded.add(at, count);
                }
            }
            Did::End(work) => {
                let stage = self.stage(task, name);
                if stage.working == 1 {
                    stage.busy.add_time(stage.working_since, at);
                }
                stage.working = stage.working.saturating_sub(1);
                if let Work::Events(count) = work {
                    stage.held = stage.held.saturating_sub(count);
                    stage.handled.add(at, count);
                }
            }
            Did::Stop => self.stopped(at, task),
        }
    }

    /// Forgets the stages that ended some time ago and were not started again: those of pipelines that were stopped.
    pub(super) fn forget_ended(&mut self, now: Duration) {
        if self.is_stopping {
            return;
        }
        let is_over =
            |stage: &Stage| stage.stopped_at.is_some_and(|at| now.saturating_sub(at) > SHOWN_FOR);
        let links = &mut self.links;
        for stage in self.stages.extract_if(.., |stage| is_over(stage)) {
            links.retain(|link| link.consumer != stage.task);
        }
    }

    /// A copy that a paused view goes on to show.
    pub(super) fn paused(&self) -> Self {
        Self { is_paused: true, ..self.clone() }
    }

    /// Adds a line to the log.
    pub(super) fn line(&mut self, line: impl Into<String>) {
        if self.log.len() == LINES {
            self.log.pop_front();
        }
        self.log.push_back(line.into());
    }

    /// The stages that ask no other stage: the producers.
    pub(super) fn producers(&self) -> Vec<&Stage> {
        let asks = |stage: &Stage| self.links.iter().any(|link| link.consumer == stage.task);
        in_order(self.stages.iter().filter(|stage| !asks(stage)).collect())
    }

    /// The stages that subscribe to this one.
    pub(super) fn consumers(&self, producer: &Stage) -> Vec<&Stage> {
        let links = self.links_to(producer);
        let tasks: Vec<_> = links.map(|link| link.consumer).collect();
        in_order(self.stages.iter().filter(|stage| tasks.contains(&stage.task)).collect())
    }

    /// The subscription that brings a stage its events.
    pub(super) fn link_of(&self, consumer: &Stage) -> Option<&Link> {
        self.links.iter().find(|link| link.consumer == consumer.task)
    }

    /// How many events its consumers have asked for and it has not sent.
    pub(super) fn demand(&self, producer: &Stage) -> u64 {
        self.links_to(producer).map(|link| link.unmet).sum()
    }

    /// How many events it has asked for and was not sent.
    pub(super) fn unmet(&self, consumer: &Stage) -> u64 {
        let links = self.links.iter().filter(|link| link.consumer == consumer.task);
        links.map(|link| link.unmet).sum()
    }

    /// A sentence that names the stage that sets the pace, because it is busy for most of the time, or else the queue.
    pub(super) fn pace(&self, now: Duration) -> Option<String> {
        let busy = self.stages.iter().map(|stage| (stage.busy(now), stage));
        let (percent, busiest) = busy.rev().max_by_key(|(percent, _)| *percent)?;
        let asked: u64 = self.producers().iter().map(|producer| self.demand(producer)).sum();
        Some(match asked {
            _ if percent >= MOST_OF_THE_TIME => {
                format!("{} is busy {percent} %: it sets the pace", self.label(busiest))
            }
            0 => "No stage is busy, and none asks for events".to_owned(),
            1 => "No stage is busy, and 1 event is asked for: all wait for the queue".to_owned(),
            _ => {
                format!(
                    "No stage is busy, and {asked} events are asked for: all wait for the queue"
                )
            }
        })
    }

    /// The name of a stage, its task if others share the name, and how often it was restarted.
    pub(super) fn label(&self, stage: &Stage) -> String {
        let Stage { name, task, restarts, .. } = stage;
        let namesakes = self.stages.iter().filter(|other| other.name == *name).count();
        let task = if namesakes > 1 { format!(" #{task}") } else { String::new() };
        let restarts = if *restarts > 0 { format!(" ↻{restarts}") } else { String::new() };
        format!("{name}{task}{restarts}")
    }

    fn links_to<'a>(&'a self, producer: &'a Stage) -> impl Iterator<Item = &'a Link> {
        self.links.iter().filter(|link| link.producer == producer.name)
    }

    /// The stage in this task. A new stage takes the place of one of the same name that has ended.
    fn stage(&mut self, task: u64, name: &str) -> &mut Stage {
        let known = self.stages.iter().position(|stage| stage.task == task);
        let index = known.unwrap_or_else(|| {
            let ended = |stage: &Stage| stage.has_stopped() && stage.name == name;
            if let Some(index) = self.stages.iter().position(ended) {
                let stage = &mut self.stages[index];
                self.links.retain(|link| link.consumer != stage.task);
                (stage.task, stage.stopped_at) = (task, None);
                stage.restarts += 1;
                index
            } else {
                self.stages.push(Stage { task, name: name.to_owned(), ..Stage::default() });
                self.stages.len() - 1
            }
        });
        &mut self.stages[index]
    }

    fn link(&mut self, subscription: u64, consumer: u64, producer: &str) -> &mut Link {
        let known = self.links.iter().position(|link| link.subscription == subscription);
        let index = known.unwrap_or_else(|| {
            let (asks, events) = (Pulse::default(), Pulse::default());
            let producer = producer.to_owned();
            self.links.push(Link { subscription, consumer, producer, unmet: 0, asks, events });
            self.links.len() - 1
        });
        &mut self.links[index]
    }

    /// A stage that has ended waits for nothing, and nothing waits for it.
    fn stopped(&mut self, at: Duration, task: u64) {
        let Some(stage) = self.stages.iter_mut().find(|stage| stage.task == task) else { return };
        (stage.stopped_at, stage.working) = (Some(at), 0);
        (stage.held, stage.buffered) = (0, 0);
        for link in &mut self.links {
            if link.consumer == task || link.producer == stage.name {
                link.unmet = 0;
            }
        }
    }

    fn note_most(&mut self, has_more: impl Fn(&Stage) -> bool) {
        for index in 0..self.stages.len() {
            let stage = &self.stages[index];
            if has_more(stage) {
                let most = [self.demand(stage), self.unmet(stage), stage.held, stage.buffered];
                let most = most.into_iter().max().unwrap_or_default();
                self.stages[index].most = stage.most.max(most);
            }
        }
    }
}

impl Stage {
    pub(super) fn has_stopped(&self) -> bool {
        self.stopped_at.is_some()
    }

    pub(super) fn is_working(&self) -> bool {
        self.working > 0
    }

    /// In how many percent of the last ten seconds its functions ran.
    pub(super) fn busy(&self, now: Duration) -> u64 {
        let mut busy = self.busy.clone();
        if self.is_working() {
            busy.add_time(self.working_since, now);
        }
        // Milliseconds in ten seconds of 1000 each.
        busy.in_ten_seconds(now) / 100
    }
}

/// Pipeline2 comes before Pipeline10.
fn in_order(mut stages: Vec<&Stage>) -> Vec<&Stage> {
    stages.sort_by_key(|stage| (stage.name.len(), &stage.name, stage.task));
    stages
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const P: (u64, &str) = (1, "P");

    /// Tells it all at the same second.
    pub(in crate::watch) fn tell<'a>(
        model: &mut Model,
        second: u64,
        all: impl IntoIterator<Item = ((u64, &'a str), Did)>,
    ) {
        for ((task, name), did) in all {
            model.did(Duration::from_secs(second), task, name, did);
        }
    }

    pub(in crate::watch) fn ask(subscription: u64, producer: &str, count: u64) -> Did {
        Did::Ask { subscription, producer: producer.to_owned(), count }
    }

    pub(in crate::watch) fn dispatch(subscription: u64, count: u64) -> Did {
        Did::Dispatch { subscription, count }
    }

    pub(in crate::watch) fn begin(events: u64) -> Did {
        Did::Begin(Work::Events(events))
    }

    pub(in crate::watch) fn end(events: u64) -> Did {
        Did::End(Work::Events(events))
    }

    fn names(stages: &[&Stage]) -> Vec<String> {
        stages.iter().map(|stage| stage.name.clone()).collect()
    }

    #[test]
    fn demand_is_unmet_until_events_are_sent_and_these_are_held_until_they_are_handled() {
        let (mut model, c) = (Model::default(), (2, "C"));
        tell(
            &mut model,
            0,
            [
                (c, ask(7, "P", 10)),
                (P, Did::Begin(Work::Demand(10))),
                (P, Did::End(Work::Demand(10))),
                (P, dispatch(7, 4)),
                (c, begin(3)),
            ],
        );
        let producer = model.producers()[0];
        let consumer = model.consumers(producer)[0];
        assert_eq!((&*producer.name, &*consumer.name), ("P", "C"));
        assert_eq!((model.demand(producer), model.unmet(consumer)), (6, 6));
        assert_eq!((consumer.held, consumer.handled.total()), (4, 0));
        assert_eq!((producer.sent.total(), producer.demanded.count()), (4, 10));
        assert!(consumer.is_working() && !producer.is_working());

        tell(&mut model, 1, [(c, end(3))]);
        let consumer = model.consumers(model.producers()[0])[0];
        assert_eq!((consumer.held, consumer.handled.total()), (1, 3));
        assert!(!consumer.is_working());
        assert_eq!(consumer.most, 10);
    }

    #[test]
    fn stages_of_the_same_name_are_told_apart() {
        let mut model = Model::default();
        let consumers = [(2, "C"), (3, "C"), (4, "C")];
        for (at, consumer) in (0..).zip(consumers) {
            tell(&mut model, 0, [(consumer, ask(at, "P", 10))]);
        }
        tell(&mut model, 0, [(P, dispatch(1, 2))]);
        let producer = model.producers()[0];
        let consumers = model.consumers(producer);
        let labels: Vec<_> = consumers.iter().map(|stage| model.label(stage)).collect();
        assert_eq!(labels, ["C #2", "C #3", "C #4"]);
        let unmet: Vec<_> = consumers.iter().map(|stage| model.unmet(stage)).collect();
        assert_eq!((unmet, model.demand(producer)), (vec![10, 8, 10], 28));
        assert_eq!(model.label(producer), "P");
    }

    #[test]
    fn a_stage_that_is_started_again_takes_its_old_place() {
        let mut model = Model::default();
        let others = (3, "D");
        tell(
            &mut model,
            0,
            [
                ((2, "C"), ask(0, "P", 10)),
                (others, ask(1, "P", 10)),
                (P, dispatch(0, 3)),
                ((2, "C"), begin(1)),
                ((2, "C"), end(1)),
                ((2, "C"), begin(1)),
                ((2, "C"), Did::Stop),
            ],
        );
        let consumer = model.consumers(model.producers()[0])[0];
        assert!(consumer.has_stopped() && !consumer.is_working());
        assert_eq!((model.unmet(consumer), consumer.held), (0, 0));
        assert_eq!(model.demand(model.producers()[0]), 10);

        tell(&mut model, 1, [((9, "C"), ask(2, "P", 10))]);
        let consumers = model.consumers(model.producers()[0]);
        assert_eq!(names(&consumers), ["C", "D"]);
        let consumer = consumers[0];
        assert_eq!((consumer.task, consumer.restarts, consumer.has_stopped()), (9, 1, false));
        assert_eq!((model.unmet(consumer), consumer.handled.total()), (10, 1));
        assert_eq!((&*model.label(consumer), &*model.label(consumers[1])), ("C ↻1", "D"));
    }

    #[test]
    fn a_stage_that_is_not_started_again_is_shown_for_some_more_seconds() {
        let mut model = Model::default();
        let (c, d) = ((2, "C"), (3, "D"));
        tell(&mut model, 0, [(c, ask(0, "P", 1)), (d, ask(1, "P", 1)), (P, dispatch(1, 1))]);
        tell(&mut model, 10, [(c, Did::Stop)]);
        let shown = |model: &mut Model, second| {
            model.forget_ended(Duration::from_secs(second));
            names(&model.consumers(model.producers()[0]))
        };
        assert_eq!(shown(&mut model, 15), ["C", "D"]);
        let mut stopping = Model { is_stopping: true, ..model.clone() };
        assert_eq!(shown(&mut model, 16), ["D"]);
        assert_eq!(shown(&mut stopping, 16), ["C", "D"]);
    }

    #[test]
    fn a_thousand_pipelines_that_come_and_go_leave_nothing_in_the_model() {
        let mut model = Model::default();
        let mut most = 0;
        for second in 0..1000 {
            let (task, subscription) = (second + 2, second);
            let name = format!("Pipeline{second}");
            let pipeline = (task, &*name);
            tell(&mut model, second, [(pipeline, ask(subscription, "P", 10))]);
            tell(&mut model, second, [(P, dispatch(subscription, 10)), (pipeline, begin(10))]);
            tell(&mut model, second, [(pipeline, end(10)), (pipeline, Did::Stop)]);
            model.forget_ended(Duration::from_secs(second));
            most = most.max(model.stages.len()).max(model.links.len());
        }
        // The producer, the pipeline of this second, and those of the seconds for which a stage is shown.
        assert_eq!(most as u64, 2 + SHOWN_FOR.as_secs());
    }

    #[test]
    fn an_event_costs_a_look_at_the_two_stages_that_it_concerns() {
        for pipelines in [3, 300] {
            let mut model = Model::default();
            for task in 2..pipelines + 2 {
                tell(&mut model, 0, [((task, "C"), ask(task, "P", 10)), (P, dispatch(task, 1))]);
            }
            let events = [
                ((2, "C"), ask(2, "P", 1)),
                (P, dispatch(2, 1)),
                (P, Did::Buffer { count: 1 }),
                ((2, "C"), begin(1)),
                ((2, "C"), end(1)),
            ];
            for event in events {
                // A look at a stage would set this again.
                model.stages.iter_mut().for_each(|stage| stage.most = 0);
                tell(&mut model, 1, [event]);
                let looked_at = model.stages.iter().filter(|stage| stage.most > 0).count();
                assert!(looked_at <= 2, "{looked_at} of {pipelines}");
            }
        }
    }

    #[test]
    fn nobody_waits_for_a_producer_that_has_stopped() {
        let mut model = Model::default();
        tell(&mut model, 0, [((2, "C"), ask(0, "P", 10)), (P, Did::Buffer { count: 3 })]);
        assert_eq!(model.producers()[0].buffered, 3);
        tell(&mut model, 0, [(P, Did::Stop)]);
        let producer = model.producers()[0];
        assert_eq!((model.demand(producer), producer.buffered), (0, 0));
        assert_eq!(names(&model.consumers(producer)), ["C"]);
    }

    #[test]
    fn the_stage_that_is_busy_most_of_the_time_sets_the_pace() {
        let mut model = Model::default();
        let pace = |model: &Model, second| model.pace(Duration::from_secs(second)).unwrap();
        tell(&mut model, 0, [((2, "C"), ask(0, "P", 10)), ((3, "D"), ask(1, "P", 1))]);
        tell(&mut model, 0, [(P, Did::Buffer { count: 0 })]);
        assert_eq!(
            pace(&model, 5),
            "No stage is busy, and 11 events are asked for: all wait for the queue"
        );
        tell(&mut model, 10, [((2, "C"), begin(1)), ((3, "D"), begin(1))]);
        tell(&mut model, 13, [((3, "D"), end(1))]);
        assert_eq!(pace(&model, 18), "C is busy 80 %: it sets the pace");
        // It still works.
        assert_eq!(pace(&model, 60), "C is busy 100 %: it sets the pace");
        tell(&mut model, 60, [((2, "C"), end(1)), (P, dispatch(0, 10)), (P, dispatch(1, 1))]);
        assert_eq!(pace(&model, 64), "C is busy 60 %: it sets the pace");
        assert_eq!(pace(&model, 70), "No stage is busy, and none asks for events");
        assert_eq!(Model::default().pace(Duration::ZERO), None);
    }

    #[test]
    fn pipelines_are_in_the_order_of_their_numbers() {
        let mut model = Model::default();
        tell(&mut model, 0, [(P, Did::Buffer { count: 0 })]);
        for (at, name) in (0..).zip(["Pipeline10", "Pipeline2", "Pipeline1"]) {
            tell(&mut model, 0, [((at + 2, name), ask(at, "P", 1))]);
        }
        let consumers = model.consumers(model.producers()[0]);
        assert_eq!(names(&consumers), ["Pipeline1", "Pipeline2", "Pipeline10"]);
    }

    #[test]
    fn the_last_lines_are_kept() {
        let mut model = Model::default();
        (0..LINES + 5).for_each(|line| model.line(line.to_string()));
        assert_eq!((model.log.len(), model.log[0].as_str()), (LINES, "5"));
    }
}
