//! The terminal: a thread draws, another one reads the keys, and in the end the terminal is restored.

use std::io::{self, Read, Stdout, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::model::Model;
use super::{Shared, view};

/// Ten times a second.
const FRAME: Duration = Duration::from_millis(100);
/// Ctrl-C as a terminal in raw mode sends it.
const CTRL_C: u8 = 3;
const ESCAPE: u8 = 27;

/// Starts the threads.
pub(super) fn start(shared: Arc<Shared>, title: String) -> io::Result<JoinHandle<()>> {
    let screen = Screen::enter()?;
    let reading = shared.clone();
    thread::Builder::new().name("watch-keys".to_owned()).spawn(move || read_keys(&reading))?;
    let drawing = thread::Builder::new().name("watch".to_owned());
    drawing.spawn(move || {
        let _ends = Ends(&shared);
        // The screen is dropped first, or the log would be printed into it.
        let mut screen = screen;
        draw(&mut screen, &shared, &title);
    })
}

/// Draws until the view ends or the terminal is gone.
fn draw(screen: &mut Screen, shared: &Shared, title: &str) {
    let mut paused: Option<(Model, Duration)> = None;
    while !shared.is_over.load(Relaxed) {
        // While the view is paused, too: pipelines come and go, and the model must not grow with each.
        shared.forget_ended();
        // `draw` asks for the terminal's size each time, because it may have changed.
        let drawn = if shared.is_paused.load(Relaxed) {
            let (model, at) =
                paused.get_or_insert_with(|| (shared.model().paused(), shared.elapsed()));
            screen.terminal.draw(|frame| view::draw(frame, model, title, *at))
        } else {
            paused = None;
            screen.terminal.draw(|frame| {
                let (model, at) = (shared.model(), shared.elapsed());
                view::draw(frame, &model, title, at);
            })
        };
        if drawn.is_err() {
            return shared.lost();
        }
        thread::park_timeout(FRAME);
    }
}

/// Reads keys until standard input ends. Then the view quits, because no key can.
fn read_keys(shared: &Shared) {
    let mut keys = [0; 64];
    loop {
        match io::stdin().read(&mut keys) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return shared.lost(),
            // An arrow key, or a report of the terminal.
            Ok(_) if keys[0] == ESCAPE => {}
            Ok(count) if keys[..count].iter().any(|key| matches!(*key, b'q' | b'Q' | CTRL_C)) => {
                shared.quit.notify_one();
            }
            Ok(count) if keys[..count].contains(&b' ') => {
                shared.is_paused.fetch_xor(true, Relaxed);
            }
            Ok(_) => {}
        }
    }
}

/// Dropped when the view ends: from then on the log is printed.
struct Ends<'a>(&'a Shared);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.is_on.store(false, Relaxed);
    }
}

/// The terminal while the view draws. Dropping it restores the terminal.
struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    fn enter() -> io::Result<Self> {
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        enable_raw_mode()?;
        let screen = Self { terminal };
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // If the terminal is gone, there is nothing to restore.
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
        let _ = io::stdout().flush();
    }
}
