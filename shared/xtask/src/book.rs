//! `cargo x book`: the READMEs as a book, made by mdBook.

mod code;
mod links;
mod pages;
mod picture;

use std::env;
use std::io;
use std::net::TcpListener;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, ensure};
use clap::Subcommand;

use crate::steps::root;
pub use links::join;
pub use picture::recording;

/// The version that the tests have seen.
const MDBOOK: &str = "0.5.4";

/// The arguments of `cargo x book`.
#[derive(clap::Args)]
pub struct Args {
    /// Serves the book on this machine, and builds it again whenever a file changes
    #[arg(long)]
    serve: bool,
    /// Serves the book, and opens it in the browser
    #[arg(long)]
    open: bool,
    /// The port to serve it at
    #[arg(long, default_value_t = 3000)]
    port: u16,
    #[command(subcommand)]
    called_by: Option<CalledBy>,
}

#[derive(Subcommand)]
enum CalledBy {
    /// For mdBook, which calls this with the book on standard input, and reads the changed book
    #[command(hide = true)]
    Preprocess {
        /// `supports html`: mdBook asks this first. The answer is yes for every kind of output.
        question: Vec<String>,
    },
}

/// Builds the book into `target/book`, or serves it.
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

/// Builds the book into `target/book`.
///
/// # Errors
///
/// As those of [`run`].
pub fn build_book() -> Result<()> {
    build(&Args { serve: false, open: false, port: 0, called_by: None })
}

fn build(args: &Args) -> Result<()> {
    install()?;
    let served = args.serve || args.open;
    let mut mdbook = Command::new(root().join("target/mdbook/bin/mdbook"));
    if env::var_os("MDBOOK_LOG").is_none() {
        mdbook.env("MDBOOK_LOG", "warn");
    }
    if served {
        let port = args.port;
        // mdBook panics if another program has the port.
        TcpListener::bind(("127.0.0.1", port))
            .with_context(|| format!("cannot use port {port}; choose another one with --port"))?;
        println!("The book is at http://127.0.0.1:{port}, until you press Ctrl-C.");
        mdbook.args(["serve", "--hostname", "127.0.0.1", "--port", &port.to_string()]);
        mdbook.args(args.open.then_some("--open"));
        // A folder of its own, because each served page listens for changes.
        mdbook.arg("--dest-dir").arg(root().join("target/book-served"));
    } else {
        mdbook.arg("build");
    }
    succeeded("mdbook", mdbook.arg(root().join("shared/book")).status())?;
    if !served {
        println!("The book is {}", root().join("target/book/index.html").display());
    }
    Ok(())
}

/// Builds mdBook unless that has been done. Cargo makes sure that it is exactly this version.
fn install() -> Result<()> {
    let folder = root().join("target/mdbook");
    if !folder.exists() {
        println!("Building mdBook {MDBOOK}. That takes a minute or two, and happens once.");
    }
    let mut cargo = Command::new("cargo");
    // An optimised build would take twice as long, and make a book as small as this no faster.
    cargo.args(["install", "mdbook", "--locked", "--debug", "--quiet", "--version", MDBOOK]);
    succeeded("cargo install mdbook", cargo.arg("--root").arg(folder).status())
}

fn succeeded(what: &str, status: io::Result<ExitStatus>) -> Result<()> {
    let status = status.with_context(|| format!("cannot start {what}"))?;
    ensure!(status.success(), "{what} failed: {status}");
    Ok(())
}
