//! Prints the measurements as a Markdown table.

use std::fmt::Write;

use super::fill::Files;
use super::measure::{Program, Round, Run};

/// The runs at the same files, over the same distance.
pub struct Measured<'a> {
    pub files: &'a Files,
    /// In milliseconds.
    pub round_trip: u64,
    pub programs: Vec<Program>,
    pub rounds: Vec<Round>,
}

const HEAD: &str = "\
| Files | round trip, ms | | files/s | MB/s unzipped | memory, MB | processor, s | serving, s | SQS requests per file |
|---|---:|---|---:|---:|---:|---:|---:|---:|
";

/// The medians of all rounds, and the median of the rounds' ratios, because other load on the machine
/// affects all runs of a round, but not all rounds.
pub fn markdown(measured: &[Measured]) -> String {
    let mut table = String::from(HEAD);
    for Measured { files, round_trip, programs, rounds } in measured {
        let count = f64::from(files.count);
        #[allow(clippy::cast_precision_loss)] // Precise enough to read.
        let megabytes = files.bytes() as f64 / 1e6;
        for (position, program) in programs.iter().enumerate() {
            let median = |value: &dyn Fn(&Run) -> Option<f64>, digits: usize| {
                cell(median(rounds.iter().map(|round| value(&round[position]))), digits)
            };
            let _ = writeln!(
                table,
                "| {} | {round_trip} | {program} | {} | {} | {} | {} | {} | {} |",
                if position == 0 { files.to_string() } else { String::new() },
                median(&|run| Some(count / run.seconds), if count > 100. { 0 } else { 2 }),
                median(&|run| Some(megabytes / run.seconds), 0),
                median(&|run| Some(memory(run)? / 1e6), 0),
                median(&|run| Some(run.usage?.processor), 2),
                median(&|run| run.serving, 2),
                median(&|run| Some(requests(run)? / count), 2),
            );
        }
        let mut ratios = |name: &str, other: &dyn Fn(&Round) -> usize| {
            let ratio = |value: &dyn Fn(&Run) -> Option<f64>| {
                let ratios = rounds
                    .iter()
                    .map(|round| Some(value(&round[0])? / value(&round[other(round)])?));
                cell(median(ratios), 2)
            };
            let speed = ratio(&|run| Some(1. / run.seconds));
            let (memory, processor) = (ratio(&memory), ratio(&|run| Some(run.usage?.processor)));
            let (serving, requests) = (ratio(&|run| run.serving), ratio(&requests));
            let _ = writeln!(
                table,
                "| | {round_trip} | {name} | {speed} | {speed} | {memory} | {processor} | {serving} | {requests} |"
            );
        };
        for (position, program) in programs.iter().enumerate() {
            if matches!(program, Program::ByHand { .. }) {
                ratios(&format!("step 9 ÷ {program}"), &|_| position);
            }
        }
        let settings = || {
            let is_one = |program: &&Program| matches!(program, Program::StepWith { .. });
            programs
                .iter()
                .enumerate()
                .filter(move |(_, program)| is_one(program))
                .map(|(position, _)| position)
        };
        if settings().next().is_some() {
            let fastest = |round: &Round| {
                let fastest =
                    settings().min_by(|a, b| round[*a].seconds.total_cmp(&round[*b].seconds));
                fastest.unwrap_or_default()
            };
            ratios("step 9 ÷ its best settings", &fastest);
        }
    }
    table
}

#[allow(clippy::cast_precision_loss)] // Precise enough to read.
fn memory(run: &Run) -> Option<f64> {
    run.usage.map(|usage| usage.memory as f64)
}

#[allow(clippy::cast_precision_loss)] // The counts are small enough.
fn requests(run: &Run) -> Option<f64> {
    run.requests.as_ref().map(|requests| requests.values().sum::<u64>() as f64)
}

/// `None` if one of the values is `None`.
fn median(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect::<Option<_>>()?;
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get((values.len().max(1) - 1) / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}
