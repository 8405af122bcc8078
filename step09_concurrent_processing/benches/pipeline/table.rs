//! Prints the measurements as a Markdown table.

use std::fmt::Write;

use super::fill::Files;
use super::measure::{Round, Run};

const HEAD: &str = "\
| Files | | files/s | MB/s unzipped | memory, MB | processor, s | serving, s | SQS requests per file |
|---|---|---:|---:|---:|---:|---:|---:|
";

/// The medians of all rounds, and the median of the rounds' ratios, because other load on the machine
/// affects both runs of a round, but not all rounds.
pub fn markdown(measured: &[(Files, Vec<Round>)]) -> String {
    let mut table = String::from(HEAD);
    for (files, rounds) in measured {
        let count = f64::from(files.count);
        #[allow(clippy::cast_precision_loss)] // Precise enough to read.
        let megabytes = count * files.bytes as f64 / 1e6;
        let mut add = |names: &str, of: fn(&Round) -> &Run| {
            let median = |value: &dyn Fn(&Run) -> Option<f64>, digits: usize| {
                cell(median(rounds.iter().map(|round| value(of(round)))), digits)
            };
            let _ = writeln!(
                table,
                "| {names} | {} | {} | {} | {} | {} | {} |",
                median(&|run| Some(count / run.seconds), if count > 100. { 0 } else { 2 }),
                median(&|run| Some(megabytes / run.seconds), 0),
                median(&|run| Some(memory(run)? / 1e6), 0),
                median(&|run| Some(run.usage?.processor), 2),
                median(&|run| run.serving, 2),
                median(&|run| Some(requests(run)? / count), 2),
            );
        };
        add(&format!("{files} | step 9"), |round| &round.step);
        add("| ceiling", |round| &round.ceiling);
        let ratio = |value: &dyn Fn(&Run) -> Option<f64>| {
            let ratios =
                rounds.iter().map(|round| Some(value(&round.step)? / value(&round.ceiling)?));
            cell(median(ratios), 2)
        };
        let speed = ratio(&|run| Some(1. / run.seconds));
        let (memory, processor) = (ratio(&memory), ratio(&|run| Some(run.usage?.processor)));
        let (serving, requests) = (ratio(&|run| run.serving), ratio(&requests));
        let _ = writeln!(
            table,
            "| | ratio | {speed} | {speed} | {memory} | {processor} | {serving} | {requests} |"
        );
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
