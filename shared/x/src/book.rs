//! `cargo x book`: the READMEs as a book, made by mdBook.

mod code;
mod links;
mod pages;
mod picture;

use std::io;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, ensure};
use clap::Subcommand;

use crate::steps::root;

/// What is built is what is tested.
const MDBOOK: &str = "0.5.4";

/// What `cargo x book` can be told.
#[derive(clap::Args)]
pub struct Args {
    /// Serves it at this machine, and builds it anew whenever a file changes
    #[arg(long)]
    serve: bool,
    /// Serves it, and shows it in the browser
    #[arg(long)]
    open: bool,
    /// Where it is served
    #[arg(long, default_value_t = 3000)]
    port: u16,
    #[command(subcommand)]
    called_by: Option<CalledBy>,
}

#[derive(Subcommand)]
enum CalledBy {
    /// What mdBook calls: the book comes in on standard input, and goes out as it is to be
    #[command(hide = true)]
    Preprocess {
        /// `supports html`: whether it is wanted for this kind of output. It is for any.
        question: Vec<String>,
    },
}

/// Builds the book into `target/book`, and serves it if that is wanted.
///
/// # Errors
///
/// If mdBook cannot be installed, or a page links to something that is not there.
pub fn run(args: &Args) -> Result<()> {
    match &args.called_by {
        Some(CalledBy::Preprocess { question }) if question.is_empty() => preprocess(),
        Some(CalledBy::Preprocess { .. }) => Ok(()),
        None => build(args),
    }
}

fn preprocess() -> Result<()> {
    let (_, book) = mdbook_preprocessor::parse_input(io::stdin())?;
    serde_json::to_writer(io::stdout(), &pages::put_right(book)?)?;
    Ok(())
}

fn build(args: &Args) -> Result<()> {
    install()?;
    let mut mdbook = Command::new(root().join("target/mdbook/bin/mdbook"));
    if args.serve || args.open {
        mdbook.args(["serve", "--hostname", "127.0.0.1", "--port", &args.port.to_string()]);
        mdbook.args(args.open.then_some("--open"));
        // Its pages are other ones: each waits to hear that it is to be loaded anew.
        mdbook.arg("--dest-dir").arg(root().join("target/book-served"));
    } else {
        mdbook.arg("build");
    }
    succeeded("mdbook", mdbook.arg(root().join("shared/book")).status())
}

/// Builds mdBook, if that has not been done yet. Cargo sees to it that it is this very version.
fn install() -> Result<()> {
    let folder = root().join("target/mdbook");
    if !folder.exists() {
        println!("Building mdBook {MDBOOK}. That takes a minute or two, and is done once.");
    }
    let mut cargo = Command::new("cargo");
    // Optimised, it takes twice as long to build, and no less for a book as small as this.
    cargo.args(["install", "mdbook", "--locked", "--debug", "--quiet", "--version", MDBOOK]);
    succeeded("cargo install mdbook", cargo.arg("--root").arg(folder).status())
}

fn succeeded(what: &str, status: io::Result<ExitStatus>) -> Result<()> {
    let status = status.with_context(|| format!("cannot start {what}"))?;
    ensure!(status.success(), "{what} failed: {status}");
    Ok(())
}
