//! Measures how fast step 9 is, and how fast it could be at most. It ends with the table in the README:
//! `cargo bench -p step09_concurrent_processing --bench pipeline`.
//!
//! The step's program and the [`ceiling`] take turns at the same files, in the same SQS and S3, each
//! as a process of its own. The ceiling is a loop written by hand that does the same work and nothing
//! else. This process serves the embedded SQS and S3; `--endpoint-url`, `--bucket` and `--queue-url`
//! select others.
//!
//! By default, the files are many small ones, some large ones, and a very large one. With
//! `-- --files 5000 --lines 1000`, you choose their number and length.
//!
//! `cargo test` runs this too, with next to no work, to check that it works.

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

/// Measures how fast step 9 processes files, compared with a loop written by hand
#[derive(Parser)]
struct Args {
    /// How many files to process
    #[arg(long, value_name = "N", requires = "lines")]
    files: Option<NonZero<u32>>,

    /// How many lines each file has, of about 100 bytes each
    #[arg(long, value_name = "N", requires = "files")]
    lines: Option<NonZero<u32>>,

    /// How many times each program runs
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u8).range(1..))]
    rounds: u8,

    /// The step's --pipelines
    #[arg(long, value_name = "N", default_value_t = 3)]
    pipelines: u16,

    /// The step's --max-demand
    #[arg(long, value_name = "N", default_value_t = 20)]
    max_demand: u16,

    /// How many files the loop written by hand works on at the same time; by default twice as many as
    /// there are pipelines, because each pipeline downloads one file while it counts another
    #[arg(long, value_name = "N")]
    workers: Option<u16>,

    /// Where to create the folders for the results; the speed of the disk matters too
    #[arg(long, value_name = "DIR", default_value = env!("CARGO_TARGET_TMPDIR"))]
    scratch: PathBuf,

    #[command(flatten)]
    place: PlaceArgs,

    /// The flag that cargo passes to a benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// Many small files; large files; one file that does not fit into memory. Lines have 100 bytes.
const WORKLOADS: [Workload; 3] = [
    Workload { files: 5_000, lines: 1_000 },
    Workload { files: 20, lines: 2_000_000 },
    Workload { files: 1, lines: 10_737_419 },
];
/// Only checks that everything works.
const TINY: [&str; 7] = ["pipeline", "--files", "20", "--lines", "10", "--rounds", "1"];

fn main() -> Result<(), shared::Error> {
    if env::args().nth(1).as_deref() == Some(ceiling::FLAG) {
        return ceiling::main();
    }
    // `cargo test` passes no `--bench`.
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
