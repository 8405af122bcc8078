//! `cargo x deck`: slides for the talk, made from its notes and from the steps.
//!
//! The notes say the kind of each slide: a question, a command, a sentence, or functions whose code it shows. Everything
//! is in one file, which needs neither a server nor a network.

mod code;
mod html;
mod notes;
mod picture;
mod slides;

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use anyhow::{Context, Result};

use crate::steps::root;
pub use notes::{Kind, Part};

const NOTES: &str = "shared/book/src/talk-notes.md";

/// The arguments of `cargo x deck`.
#[derive(clap::Args)]
pub struct Args {
    /// Serves the deck on this machine, and makes it again each time that the page is loaded
    #[arg(long)]
    serve: bool,
    /// The port to serve it at
    #[arg(long, default_value_t = 3001)]
    port: u16,
}

/// Makes the deck in `target/deck`, or serves it.
///
/// # Errors
///
/// If the notes have something that cannot be made into slides, or a file cannot be read or written.
pub fn run(args: &Args) -> Result<()> {
    if args.serve { serve(args.port) } else { write() }
}

/// Makes the deck in `target/deck`.
///
/// # Errors
///
/// As those of [`run`].
pub fn write() -> Result<()> {
    let file = root().join("target/deck/index.html");
    fs::create_dir_all(root().join("target/deck"))?;
    fs::write(&file, make()?).with_context(|| format!("cannot write {}", file.display()))?;
    println!("The deck is {}", file.display());
    Ok(())
}

/// The whole file.
fn make() -> Result<String> {
    let parts = notes()?;
    let parts_of = |names: &[&str]| -> Result<String> {
        names.iter().map(|name| read(&format!("shared/book/{name}"))).collect()
    };
    Ok(parts_of(&["deck/deck.html"])?
        .replace("{{css}}", &parts_of(&["theme/cast.css", "theme/player.css", "deck/deck.css"])?)
        .replace(
            "{{js}}",
            &parts_of(&[
                "theme/cast.js",
                "theme/player-parts.js",
                "theme/player.js",
                "deck/deck.js",
            ])?,
        )
        .replace("{{slides}}", &slides::all(&parts)?)
        .replace("{{notes}}", &notes::aside(&parts)))
}

/// The parts of the talk.
///
/// # Errors
///
/// If the notes cannot be read.
pub fn notes() -> Result<Vec<Part>> {
    notes::read(&read(NOTES)?)
}

/// A file of the repository.
fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"))
}

fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))
        .with_context(|| format!("cannot use port {port}; choose another one with --port"))?;
    println!("The deck is at http://127.0.0.1:{port}, until you press Ctrl-C.");
    for connection in listener.incoming() {
        // A browser opens connections that it does not use, and closes others early.
        if let Err(error) = connection.and_then(answer) {
            eprintln!("{error}");
        }
    }
    Ok(())
}

/// Answers one request: with the deck, or with the reason why there is none.
fn answer(mut connection: TcpStream) -> io::Result<()> {
    let mut request = BufReader::new(&connection);
    let mut line = String::new();
    request.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    while line.trim() != "" {
        line.clear();
        request.read_line(&mut line)?;
    }
    let (status, page) = match make() {
        _ if path != "/" => ("404 Not Found", String::new()),
        Ok(page) => ("200 OK", page),
        Err(error) => ("500 Internal Server Error", html::escaped(&format!("{error:#}"))),
    };
    let length = page.len();
    write!(
        connection,
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{page}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deck_can_be_made_and_needs_no_other_file() {
        let deck = make().unwrap();
        assert!(!deck.contains("{{"), "a part is missing");
        for elsewhere in ["src=\"", "href=\"http", "@font-face", "@import"] {
            assert!(!deck.contains(elsewhere), "it has {elsewhere}");
        }
    }
}
