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
    /// The tasks of its stages.
    consumer: u64,
    producer: u64,
    /// Whether one of them has ended.
    is_over: bool,
    /// Events that were asked for and not sent.
    pub(super) unmet: u64,
    pub(super) asks: Pulse,
    pub(super) events: Pulse,
}

/// An action of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Did {
    /// It asked the stage in the task `producer` for `count` more events.
    Ask { subscription: u64, producer: u64, count: u64 },
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
                let link = self.link(subscription, task, producer);
                link.unmet += count;
                link.asks.add(at, count);
                self.note_most(|stage| [task, producer].contains(&stage.task));
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
            links.retain(|link| ![link.consumer, link.producer].contains(&stage.task));
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

    /// The stages that have this one as their first producer. So each stage is shown once, even if it asks several, and
    /// a ring of stages is no endless line.
    pub(super) fn consumers(&self, producer: &Stage) -> Vec<&Stage> {
        let asks_it_first =
            |stage: &&Stage| self.link_of(stage).is_some_and(|link| link.producer == producer.task);
        in_order(self.stages.iter().filter(asks_it_first).collect())
    }

    /// The first subscription that brings a stage its events.
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
        self.links.iter().filter(|link| link.producer == producer.task)
    }

    /// The stage in this task. A new stage takes the place of one of the same name that has ended.
    fn stage(&mut self, task: u64, name: &str) -> &mut Stage {
        let known = self.stages.iter().position(|stage| stage.task == task);
        let index = known.unwrap_or_else(|| {
            let ended = |stage: &Stage| stage.has_stopped() && stage.name == name;
            if let Some(index) = self.stages.iter().position(ended) {
                let stage = &mut self.stages[index];
                self.links.retain(|link| link.consumer != stage.task);
                let to_it = self.links.iter_mut().filter(|link| link.producer == stage.task);
                to_it.for_each(|link| link.producer = task);
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

    fn link(&mut self, subscription: u64, consumer: u64, producer: u64) -> &mut Link {
        let known = self.links.iter().position(|link| link.subscription == subscription);
        let index = known.unwrap_or_else(|| {
            // The consumer has subscribed again.
            self.links.retain(|link| !(link.is_over && link.consumer == consumer));
            let (is_over, unmet) = (false, 0);
            let (asks, events) = (Pulse::default(), Pulse::default());
            self.links.push(Link {
                subscription,
                consumer,
                producer,
                is_over,
                unmet,
                asks,
                events,
            });
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
            if [link.consumer, link.producer].contains(&task) {
                (link.is_over, link.unmet) = (true, 0);
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
pub(super) mod tests;
