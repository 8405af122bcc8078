//! How fast step 9 is, and how fast it could be at most. It ends with the table that is in the README:
//! `cargo bench -p step09_concurrent_processing --bench pipeline`.
//!
//! The step's program and the [`ceiling`], a loop written by hand that does the same work and nothing
//! else, take turns, as processes of their own, at the same files in the same SQS and S3: the embedded
//! ones, served by this process, or others with `--endpoint-url`, `--bucket` and `--queue-url`.
//!
//! By default, the files are many small ones, some large ones, and one that is very large. With
//! `-- --files 5000 --lines 1000`, they are as many, and as long, as you like.
//!
//! `cargo test` runs it too, with next to no work, to see that it can.

mod ceiling;
mod fill;
mod measure;
mod place;
mod table;

use std::num::NonZero;
use std::path::PathBuf;
use std::{env, fs};

use clap::{Parser, value_parser};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use fill::Workload;
use measure::Contest;
use place::{Place, PlaceArgs};

/// Measures how fast step 9 processes files, and how fast a loop written by hand does.
#[derive(Parser)]
struct Args {
    /// How many files
    #[arg(long, value_name = "N", requires = "lines")]
    files: Option<NonZero<u32>>,

    /// How many lines each of them has, of about 100 bytes each
    #[arg(long, value_name = "N", requires = "files")]
    lines: Option<NonZero<u32>>,

    /// How often each program runs
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u8).range(1..))]
    rounds: u8,

    /// The step's --pipelines
    #[arg(long, value_name = "N", default_value_t = 3)]
    pipelines: u16,

    /// The step's --max-demand
    #[arg(long, value_name = "N", default_value_t = 20)]
    max_demand: u16,

    /// How many files the loop written by hand works on at the same time; by default twice as many as
    /// there are pipelines, each of which downloads a file while it counts another
    #[arg(long, value_name = "N")]
    workers: Option<u16>,

    /// Where to make the folders for the results: how fast its disk is matters, too
    #[arg(long, value_name = "DIR", default_value = env!("CARGO_TARGET_TMPDIR"))]
    scratch: PathBuf,

    #[command(flatten)]
    place: PlaceArgs,

    /// What cargo says to a benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// Many small files; large ones; one that must not fit into memory. The lines are of 100 bytes.
const WORKLOADS: [Workload; 3] = [
    Workload { files: 5_000, lines: 1_000 },
    Workload { files: 20, lines: 2_000_000 },
    Workload { files: 1, lines: 10_737_419 },
];
/// Only to see that all of it works.
const TINY: [&str; 7] = ["pipeline", "--files", "20", "--lines", "10", "--rounds", "1"];

fn main() -> Result<(), shared::Error> {
    if env::args().nth(1).as_deref() == Some(ceiling::FLAG) {
        return ceiling::main();
    }
    // `cargo test` says nothing, or what it says to tests.
    let is_benchmark = env::args().any(|argument| argument == "--bench");
    let args = if is_benchmark { Args::parse() } else { Args::parse_from(TINY) };

    let runtime = Runtime::new()?;
    let place = runtime.block_on(Place::from_args(&args.place))?;
    fs::create_dir_all(&args.scratch)?;
    let scratch = TempDir::new_in(&args.scratch)?;
    let contest = Contest {
        place: &place,
        scratch: scratch.path(),
        pipelines: args.pipelines,
        max_demand: args.max_demand,
        workers: args.workers.unwrap_or(args.pipelines.saturating_mul(2)),
        rounds: args.rounds,
    };
    let given = args.files.zip(args.lines);
    let given = given.map(|(files, lines)| Workload { files: files.get(), lines: lines.get() });
    let mut measured = Vec::new();
    for workload in given.as_ref().map_or(&WORKLOADS[..], std::slice::from_ref) {
        let files = runtime.block_on(fill::upload(&place, workload))?;
        println!("{files}");
        let rounds = contest.run(&files, || runtime.block_on(fill::send_messages(&place, &files)));
        runtime.block_on(fill::remove(&place, &files))?;
        measured.push((files, rounds?));
    }
    println!("\n{}", table::markdown(&measured));
    Ok(())
}
