//! The repository's own tool: `cargo x --help`.
//!
//! It makes the diffs, transcripts and pictures of the READMEs and the book from the code, and checks that they are up to date.

mod api;
mod book;
mod built_once;
mod capacity;
mod carry;
mod casts;
mod code;
mod deck;
mod diff;
mod difference;
mod each;
mod excerpts;
mod exercise;
mod fresh;
mod imports;
mod names;
mod pictures;
mod programs;
mod readme_diffs;
mod sizes;
mod steps;
mod talk;
mod transcripts;
mod tries;
mod worlds;

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::{Parser, Subcommand};

/// The style that clap has for an error.
const ERROR: Style = AnsiColor::Red.on_default().bold();

/// Makes the diffs, transcripts and pictures of the READMEs and the book, and checks that they are up to date.
#[derive(Parser)]
#[command(name = "cargo x", bin_name = "cargo x")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the steps
    Steps,
    /// Checks that imports run downwards only, between our crates and between the files of each
    Imports,
    /// Counts the crates that are built again for each program after the tests are built
    BuiltOnce,
    /// Counts each step's lines of code, and those changed from the step before
    Sizes,
    /// Shows the difference between the code of two steps, without comments and blank lines
    #[command(override_usage = "cargo x diff <FROM> <TO>, for instance: cargo x diff 4 5")]
    Diff {
        /// The number of a step
        #[arg(value_parser = steps::number)]
        from: u8,
        /// The number of another one
        #[arg(value_parser = steps::number)]
        to: u8,
    },
    /// Writes the steps' diffs into their READMEs
    Diffs,
    /// Lists the public API of the crate of the stages, and shows its changes: shared/stage/api.txt
    Api,
    /// Writes the functions of the examples of your own work into their README
    Excerpts,
    /// Runs the commands that the READMEs show, and writes their output into the READMEs if it differs
    Transcripts {
        /// The numbers of steps; without any, all of them
        #[arg(value_parser = steps::number)]
        steps: Vec<u8>,
    },
    /// Makes the changes that the READMEs propose to try, and writes the output of the changed programs if it differs
    Tries,
    /// Carries a change of one step through the later steps, and stops at a conflict
    #[command(override_usage = "cargo x carry <STEP>, for instance: cargo x carry 4")]
    Carry {
        /// The number of the step that has changed
        #[arg(value_parser = steps::number)]
        step: u8,
        /// The commit that the step has changed since
        #[arg(long, value_name = "COMMIT", default_value = "HEAD")]
        base: String,
    },
    /// Exercises: to write the next step yourself, and smaller ones on the stages. Without a name, lists them
    Exercise(exercise::Args),
    /// Makes everything again that this tool makes, and fails if that changes anything
    Fresh,
    /// Makes the pictures of the steps: shared/pictures
    Pictures,
    /// Makes the recordings of the steps in the terminal: shared/casts
    Casts,
    /// Makes a book of the READMEs
    Book(book::Args),
    /// Makes slides for the talk from its notes and from the steps
    Deck(deck::Args),
    /// The day before the talk: makes everything ready that its notes need, and names the missing things
    Talk,
    /// Tells how many processes a number of files a day needs, the price, and which resource runs out first
    Capacity(capacity::CapacityArgs),
    /// Runs step 9 in simulated worlds, in which everything goes wrong that can: cargo x worlds -- --help
    Worlds {
        /// Arguments of the program `worlds`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Steps => steps::list(),
        Command::Imports => imports::check(),
        Command::BuiltOnce => built_once::print(),
        Command::Sizes => sizes::print(),
        Command::Diff { from, to } => diff::print(from, to),
        Command::Diffs => readme_diffs::write(),
        Command::Api => api::write(),
        Command::Excerpts => excerpts::write(),
        Command::Transcripts { steps } => transcripts::write(&steps),
        Command::Tries => tries::write(),
        Command::Carry { step, base } => carry::carry(step, &base),
        Command::Exercise(args) => exercise::run(&args),
        Command::Fresh => fresh::make_all(),
        Command::Pictures => pictures::write(),
        Command::Casts => casts::write(),
        Command::Book(args) => book::run(&args),
        Command::Deck(args) => deck::run(&args),
        Command::Talk => talk::prepare(),
        Command::Capacity(args) => {
            capacity::print(&args);
            Ok(())
        }
        Command::Worlds { arguments } => worlds::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has left, as in `cargo x diff 4 5 | head`.
        Err(error) if error.downcast_ref().is_some_and(is_broken_pipe) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{ERROR}error:{ERROR:#} {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}
