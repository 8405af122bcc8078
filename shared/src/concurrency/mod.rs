//! How much a program does at the same time.

mod controller;
mod meter;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::pending;
use std::num::NonZero;
use std::str::FromStr;

use clap::{Args, value_parser};
use metrics::gauge;
use tokio::time::Instant;

use crate::aws::InFlight;
use crate::job::Job;
use crate::metrics::{MAX_DEMAND, PIPELINES};

use controller::{Bounds, Controller};
use meter::Meter;

pub use controller::Limits;

/// How much to do at the same time. Step 9 flattens these into its own arguments.
#[derive(Args, Clone, Copy, Debug)]
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
}

/// A number, or `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Auto,
    Number(u16),
}

impl FromStr for Setting {
    type Err = &'static str;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        match given.parse::<NonZero<u16>>() {
            Ok(number) => Ok(Self::Number(number.get())),
            Err(_) if given == "auto" => Ok(Self::Auto),
            Err(_) => Err("it can be auto, or a number from 1 to 65535"),
        }
    }
}

impl Setting {
    pub(crate) fn or(self, auto: u32) -> u32 {
        match self {
            Self::Auto => auto,
            Self::Number(number) => number.into(),
        }
    }
}

/// Says which pipelines should run.
#[derive(Debug)]
pub struct Concurrency {
    controller: Controller,
    /// `None` if everything is fixed.
    meter: Option<Meter>,
    since: Instant,
    in_flight: InFlight,
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

/// A change in what should run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A pipeline of this name should start, whose stages ask for `max_demand` events at a time.
    Start {
        /// Its name.
        name: String,
        /// The most events that each of its stages has asked for and not handled yet.
        max_demand: usize,
    },
    /// The pipeline of this name should finish what it has begun, and stop.
    Stop {
        /// Its name.
        name: String,
    },
}

/// The talk's number.
const PIPELINES_AT_START: u32 = 3;

impl ConcurrencyArgs {
    /// Begins to measure `job`, if anything is `auto`.
    #[must_use]
    pub fn start(&self, job: &mut Job) -> Concurrency {
        let start = Limits {
            pipelines: self.pipelines.or(PIPELINES_AT_START.min(self.max_pipelines.into())),
            max_demand: job.demand.or(1),
        };
        let max_pipelines = self.pipelines.or(self.max_pipelines.into());
        let demand_is_auto = job.demand == Setting::Auto;
        let memory = u64::from(self.max_memory) * 1024 * 1024;
        let meter = (max_pipelines > start.pipelines || demand_is_auto).then(|| {
            let meter = Meter::default();
            let s3 = job.s3.config().to_builder().interceptor(meter.clone());
            job.s3 = aws_sdk_s3::Client::from_conf(s3.build());
            meter
        });
        Concurrency {
            controller: Controller::new(Bounds { start, max_pipelines, demand_is_auto, memory }),
            meter,
            since: Instant::now(),
            in_flight: job.queue.in_flight.clone(),
            pipelines: VecDeque::new(),
            started: 0,
        }
    }
}

impl Concurrency {
    /// Waits for the next change. To drop the future before then loses nothing.
    pub async fn next(&mut self) -> Change {
        loop {
            if let Some(change) = self.due() {
                return change;
            }
            let Some(meter) = &self.meter else { return pending().await };
            let measured = meter.next(&mut self.since, &self.in_flight).await;
            self.controller.measured(&measured);
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
            let Pipeline { name, .. } = self.pipelines.remove(position)?;
            Change::Stop { name }
        } else if running < pipelines {
            self.started += 1;
            let name = format!("Pipeline{}", self.started);
            self.pipelines.push_back(Pipeline { name: name.clone(), max_demand });
            Change::Start { name, max_demand: max_demand as usize }
        } else {
            return None;
        };
        gauge!(PIPELINES).set(pipelines);
        gauge!(MAX_DEMAND).set(max_demand);
        Some(change)
    }
}
