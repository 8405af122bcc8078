//! The repository's own tool: `cargo x --help`.
//!
//! What the READMEs and the book show is made by it from the code, and kept true.

mod steps;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Makes what the READMEs and the book show, and tells whether it is still true.
#[derive(Parser)]
#[command(name = "cargo x")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the steps
    Steps,
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Steps => steps::list(),
    }
}
