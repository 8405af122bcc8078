//! How much a program does at the same time.

mod controller;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt::Display;
use std::future::pending;

use clap::{Arg, ArgAction, Args, value_parser};
use metrics::gauge;
use stage::{StageRef, Supervisor};

use crate::aws::{InFlight, Measured, Meter, PerSecond, Rate, takes_negative_numbers};
use crate::job::{Job, Setting};
use crate::metrics::{MAX_DEMAND, PIPELINES};

use controller::{Bounds, Controller, Limits};

/// How much to do at the same time. Step 9 flattens these into its own arguments, after those of the job.
#[derive(Args, Clone, Copy, Debug)]
#[command(mut_arg("queue_url", several), mut_args(takes_negative_numbers))]
pub struct ConcurrencyArgs {
    /// How many pipelines work at the same time: a number, or auto for 3 and then as many as help
    #[arg(long, value_name = "N|auto", env = "PALLETO_PIPELINES", default_value = "auto")]
    pipelines: Setting,

    /// The most pipelines that auto starts
    #[arg(
        long,
        value_name = "N",
        env = "PALLETO_MAX_PIPELINES",
        default_value_t = 64,
        value_parser = value_parser!(u16).range(1..)
    )]
    max_pipelines: u16,

    /// The most memory that auto takes for files in progress, in MiB: 1 for each file, or less for smaller ones
    #[arg(
        long,
        value_name = "MIB",
        env = "PALLETO_MAX_MEMORY",
        default_value_t = 64,
        value_parser = value_parser!(u16).range(1..)
    )]
    max_memory: u16,

    /// The most files to begin in a second, on average and in this process; by default, there is no limit
    ///
    /// After a pause, as many as in one second can follow at once.
    #[arg(long, value_name = "FILES_PER_SECOND", env = "PALLETO_MAX_RATE")]
    max_rate: Option<PerSecond>,
}

/// Knows which pipelines should run.
#[derive(Debug)]
struct Concurrency {
    controller: Controller,
    /// `None` if everything is fixed.
    meter: Option<Meter>,
    in_flight: InFlight,
    rate: Option<Rate>,
    /// The pipelines that should run.
    pipelines: VecDeque<Pipeline>,
    /// How many were started so far.
    started: u32,
}

/// A pipeline that should run.
#[derive(Clone, Debug)]
struct Pipeline {
    name: String,
    max_demand: u32,
}

/// A change in the pipelines that should run.
enum Change {
    Start(Pipeline),
    /// The pipeline of this name.
    Stop(String),
}

/// The talk's number.
const PIPELINES_AT_START: u32 = 3;

/// From now on, the argument can be given several times.
fn several(queue_url: Arg) -> Arg {
    let queue_url = queue_url.action(ArgAction::Append).value_delimiter(',');
    queue_url
        .help("A queue to read from instead of the embedded one; several are served in turn")
        .long_help(
            "A queue to read from instead of the embedded one; several are served in turn\n\n\
             Several are separated by commas, or given one after the other.",
        )
}

impl ConcurrencyArgs {
    /// Starts and stops pipelines, each as a group of this supervisor, until all of them have ended. `start` is given a
    /// name, and how many events the producer-consumer and the consumer should ask for at a time. A pipeline that is
    /// stopped finishes the files that it has begun.
    ///
    /// Dropping the future before then loses nothing: the pipelines go on.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn run<E: Display + Send + 'static>(
        self,
        job: &Job,
        supervisor: &mut Supervisor,
        start: impl Fn(&str, [usize; 2]) -> Result<Vec<StageRef>, E> + Clone + Send + 'static,
    ) {
        let mut concurrency = self.of(job);
        loop {
            let change = tokio::select! {
                biased;
                change = concurrency.next() => change,
                _ = supervisor.stopped() => return,
            };
            match change {
                Change::Start(Pipeline { name, max_demand }) => {
                    let (start, of_group) = (start.clone(), name.clone());
                    let max_demand = job.demand.or(max_demand);
                    supervisor.start_group(of_group, move || start(&name, max_demand));
                }
                Change::Stop(name) => supervisor.stop_group(&name),
            }
        }
    }

    fn of(self, job: &Job) -> Concurrency {
        let start = Limits {
            pipelines: self.pipelines.or(PIPELINES_AT_START.min(self.max_pipelines.into())),
            max_demand: job.demand.0.map_or(1, |[first, second]| first.max(second).into()),
        };
        let max_pipelines = self.pipelines.or(self.max_pipelines.into());
        let demand_is_auto = job.demand.0.is_none();
        let memory = u64::from(self.max_memory) * 1024 * 1024;
        let rate = self.max_rate.map(Rate::new);
        if let Some(rate) = &rate {
            job.queue.in_flight.limit(rate.clone());
        }
        let is_fixed = max_pipelines == start.pipelines && !demand_is_auto;
        Concurrency {
            controller: Controller::new(Bounds { start, max_pipelines, demand_is_auto, memory }),
            meter: (!is_fixed).then(|| job.meter.clone()),
            in_flight: job.queue.in_flight.clone(),
            rate,
            pipelines: VecDeque::new(),
            started: 0,
        }
    }
}

impl Concurrency {
    /// Waits for the next change. Dropping the future before then loses nothing.
    async fn next(&mut self) -> Change {
        loop {
            if let Some(change) = self.due() {
                return change;
            }
            let Some(meter) = &self.meter else { return pending().await };
            let measured = meter.next().await;
            // Files that the rate holds back say as little about S3 as an empty queue does.
            let is_limited = self.rate.as_ref().is_some_and(Rate::has_limited);
            let dry = self.in_flight.was_dry() | is_limited;
            self.controller.measured(&Measured { dry, ..measured });
        }
    }

    /// The next step towards the controller's limits.
    fn due(&mut self) -> Option<Change> {
        let Limits { pipelines, max_demand } = self.controller.limits();
        let running = u32::try_from(self.pipelines.len()).unwrap_or(u32::MAX);
        // A pipeline asks for as many events at a time as when it was started, so another one takes its place.
        let outdated = self.pipelines.iter().position(|it| it.max_demand != max_demand);
        let too_many = (running > pipelines).then(|| self.pipelines.len() - 1);
        let change = if let Some(position) = outdated.or(too_many) {
            Change::Stop(self.pipelines.remove(position)?.name)
        } else if running < pipelines {
            self.started += 1;
            let name = format!("Pipeline{}", self.started);
            let pipeline = Pipeline { name, max_demand };
            self.pipelines.push_back(pipeline.clone());
            Change::Start(pipeline)
        } else {
            return None;
        };
        gauge!(PIPELINES).set(pipelines);
        gauge!(MAX_DEMAND).set(max_demand);
        Some(change)
    }
}
