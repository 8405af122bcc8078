//! Measures how fast step 9 is, and how fast it could be at most. It ends with the table in the README:
//! `cargo bench -p step09_concurrent_processing --bench pipeline`.
//!
//! The step's program and the loop [`by_hand`] take turns at the same files, in the same SQS and S3, each
//! as a process of its own. The loop does the same work and nothing else: with the SDK it is the ceiling, and without the
//! SDK it is the floor. This process serves the embedded SQS and S3; `--endpoint-url`, `--bucket` and `--queue-url`
//! select others.
//!
//! By default, the files are many small ones, some large ones, and a very large one. With
//! `-- --files 5000 --lines 1000`, you choose their number and length.
//!
//! `cargo test` runs this too, with next to no work, to check that it works.

mod by_hand;
mod distance;
mod fill;
mod measure;
mod place;
mod requests;
mod table;

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use clap::{Parser, value_parser};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use by_hand::ByHand;
use fill::Workload;
use measure::{Contest, Program};
use place::{Place, PlaceArgs};
use table::Measured;

/// Measures how fast step 9 processes files, compared with a loop written by hand
#[derive(Parser)]
struct Args {
    /// How many files to process
    #[arg(long, value_name = "N", requires = "lines")]
    files: Option<NonZero<u32>>,

    /// How many lines a file has, of about 100 bytes each
    #[arg(long, value_name = "N", requires = "files")]
    lines: Option<NonZero<u32>>,

    /// How many times each program runs
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u8).range(1..))]
    rounds: u8,

    /// How far away SQS and S3 are, in milliseconds for a round trip; several are separated by commas
    #[arg(long, value_name = "MS", value_delimiter = ',', default_value = "0")]
    round_trip: Vec<u64>,

    /// Also settings of --pipelines and --max-demand, as in 30/5; several are separated by commas
    #[arg(long, value_name = "N/N", value_delimiter = ',', value_parser = setting)]
    with: Vec<Program>,

    /// How many files the loop written by hand works on at the same time; by default 6, and 64 if SQS and S3 are far away
    #[arg(long, value_name = "N")]
    workers: Option<u16>,

    /// Where to create the folders for the results; the speed of the disk matters too
    #[arg(long, value_name = "DIR", default_value = env!("CARGO_TARGET_TMPDIR"))]
    scratch: PathBuf,

    /// Every hundredth file has 200 times as many lines
    #[arg(long)]
    mixed: bool,

    #[command(flatten)]
    place: PlaceArgs,

    /// The flag that cargo passes to a benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// Many small files; large files; one file that does not fit into memory. Lines have 100 bytes.
const WORKLOADS: [Workload; 3] = [
    Workload { files: 5_000, lines: 1_000, mixed: false },
    Workload { files: 20, lines: 2_000_000, mixed: false },
    Workload { files: 1, lines: 10_737_419, mixed: false },
];
/// Only checks that everything works.
const TINY: [&str; 7] = ["pipeline", "--files", "20", "--lines", "10", "--rounds", "1"];

fn main() -> Result<(), shared::Error> {
    if let Some(by_hand) = env::args().nth(1).as_deref().and_then(ByHand::from_flag) {
        return by_hand.main();
    }
    // `cargo test` passes no `--bench`.
    let is_benchmark = env::args().any(|argument| argument == "--bench");
    let args = if is_benchmark { Args::parse() } else { Args::parse_from(TINY) };

    let runtime = Runtime::new()?;
    let mut place = runtime.block_on(Place::from_args(&args.place))?;
    fs::create_dir_all(&args.scratch)?;
    let scratch = TempDir::new_in(&args.scratch)?;
    let given = args.files.zip(args.lines);
    let given = given.map(|(files, lines)| Workload {
        files: files.get(),
        lines: lines.get(),
        mixed: args.mixed,
    });
    for workload in given.as_ref().map_or(&WORKLOADS[..], std::slice::from_ref) {
        let files = runtime.block_on(fill::upload(&place, workload))?;
        println!("{files}");
        let mut measured = Vec::new();
        for round_trip in &args.round_trip {
            runtime.block_on(place.move_away(Duration::from_millis(*round_trip)))?;
            println!("{round_trip} ms away");
            let workers = args.workers.unwrap_or(if *round_trip == 0 { 6 } else { 64 });
            let mut programs = [&[Program::Step], &args.with[..]].concat();
            programs.push(Program::ByHand { which: ByHand::Ceiling, workers });
            if place.is_embedded() {
                programs.push(Program::ByHand { which: ByHand::Floor, workers });
            }
            let (place, scratch) = (&place, scratch.path());
            let contest = Contest { place, scratch, programs: &programs, rounds: args.rounds };
            let fill = || runtime.block_on(fill::send_messages(place, &files));
            let rounds = contest.run(&files, fill)?;
            let (files, round_trip) = (&files, *round_trip);
            measured.push(Measured { files, round_trip, programs, rounds });
        }
        println!("\n{}", table::markdown(&measured));
        runtime.block_on(fill::remove(&place, &files))?;
    }
    Ok(())
}

/// Settings of step 9's, as in 30/5.
fn setting(given: &str) -> Result<Program, String> {
    let parsed = given.split_once('/').and_then(|(pipelines, max_demand)| {
        let (pipelines, max_demand) = (pipelines.parse().ok()?, max_demand.parse().ok()?);
        Some(Program::StepWith { pipelines, max_demand })
    });
    parsed.ok_or_else(|| "it must be like 30/5: --pipelines and --max-demand".to_owned())
}
