//! How far step 9 goes: a small model of how many processes a number of files needs, and which resource runs out first.
//!
//! Its constants are those of the benchmark's table in `deploy/OPERATING.md`, which compares it with measurements.

use clap::Args;

/// A number of files a day, and where they are.
#[derive(Args)]
pub struct CapacityArgs {
    /// How many files there are a day
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    files: u64,

    /// How large a file is when it is unzipped, in MB
    #[arg(long, value_name = "MB", default_value_t = 0.1)]
    megabytes: f64,

    /// How large it is in S3, in MB; by default a tenth of that
    #[arg(long, value_name = "MB")]
    zipped: Option<f64>,

    /// How long a request takes to S3 and back, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 20.)]
    round_trip: f64,

    /// How many processors a process has
    #[arg(long, value_name = "N", default_value_t = 2)]
    processors: u32,

    /// How many times as many files the busiest minute has as the mean one
    #[arg(long, value_name = "N", default_value_t = 3.)]
    peak: f64,
}

/// Processor time for a file of any size, in seconds. A quarter of it went into serving SQS and S3 on the same machine.
const FILE: f64 = 1.2e-3;
/// Processor time for a megabyte that is unzipped and counted, in seconds.
const MEGABYTE: f64 = 1.2e-3;
/// How many pipelines a process has at most, unless `--max-pipelines` says more.
const PIPELINES: f64 = 64.;
/// How many round trips a small file takes, the wait for the next message included.
const ROUND_TRIPS: f64 = 1.4;
/// Requests to SQS for each file, under load: a receive and a deletion for ten, and some that bring fewer.
const SQS_REQUESTS: f64 = 0.23;
/// The files that a process holds, and the messages that wait for their deletion, in seconds of its work.
const IN_HAND: f64 = 0.5;

// AWS's own figures, of 2026.
/// Requests a second for each prefix of a bucket, before S3 says `SlowDown`.
const GETS_PER_PREFIX: f64 = 5_500.;
/// Messages of a standard queue that are received and not deleted.
const IN_FLIGHT: f64 = 120_000.;
/// US dollars for a million requests to SQS, in most regions.
const SQS_PRICE: f64 = 0.40;
/// US dollars for a million GETs from S3, in most regions.
const GET_PRICE: f64 = 0.40;

const SECONDS_A_DAY: f64 = 86_400.;

/// Files a second that one process does.
pub fn rate(megabytes: f64, round_trip: f64, processors: u32) -> f64 {
    let by_processors = f64::from(processors) / (FILE + MEGABYTE * megabytes);
    let seconds = ROUND_TRIPS * round_trip / 1000. + FILE + MEGABYTE * megabytes;
    by_processors.min(PIPELINES / seconds)
}

/// Prints the needs of the files.
pub fn print(args: &CapacityArgs) {
    let CapacityArgs { megabytes, round_trip, processors, .. } = *args;
    #[allow(clippy::cast_precision_loss)] // Precise enough to read.
    let files = args.files as f64;
    let zipped = args.zipped.unwrap_or(megabytes / 10.);
    let peak = args.peak * files / SECONDS_A_DAY;
    let rate = rate(megabytes, round_trip, processors);
    let processes = (peak / rate).ceil().max(1.);
    let prefixes = (peak / GETS_PER_PREFIX).ceil().max(1.);
    let in_flight = peak * IN_HAND;
    let sqs = files * SQS_REQUESTS / 1e6;
    let rows = [
        ("Files a second, in the busiest minute", format!("{peak:.0}")),
        ("Files a second that a process does", format!("{rate:.0}")),
        ("Processes", format!("{processes:.0}")),
        ("Network, MB a second", format!("{:.0}", peak * zipped)),
        ("Forced writes a second, of them all", format!("{:.0}", peak * 1.1)),
        ("Prefixes, for S3's requests a second", format!("{prefixes:.0}")),
        ("Messages in flight, of 120,000", format!("{in_flight:.0}")),
        ("Requests to SQS a day, in millions", format!("{sqs:.1}")),
        ("US dollars a day for them", format!("{:.2}", sqs * SQS_PRICE)),
        ("US dollars a day for the GETs", format!("{:.2}", files / 1e6 * GET_PRICE)),
    ];
    for (what, value) in rows {
        println!("{what:<40}{value:>12}");
    }
    if in_flight > IN_FLIGHT {
        println!("SQS hands out no more than 120,000 messages at a time: use several queues.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Megabytes, milliseconds, and files a second: from `deploy/OPERATING.md`, with results on a disk, except those far away.
    const MEASURED: [(f64, f64, f64); 5] = [
        (0.1, 0., 1590.),
        (0.1, 4., 1369.),
        (0.1, 20., 1161.),
        (0.1, 100., 417.),
        (200., 0., 7.74),
    ];

    /// The model is for planning, so a third is near enough.
    #[test]
    fn the_model_is_near_what_was_measured() {
        for (megabytes, round_trip, measured) in MEASURED {
            let rate = rate(megabytes, round_trip, 2);
            assert!((measured / 1.33..=measured * 1.33).contains(&rate), "{rate} for {measured}");
        }
    }
}
