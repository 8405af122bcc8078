//! With `PALLETO_CLOCK=paused`, the view is printed as a recording in asciinema's format, with a frame for each tenth of a
//! second on that clock. So every run gives the same recording.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::style::force_color_output;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use tokio::time::interval;

use super::{Shared, lock, view};

/// The size of the smallest terminal that shows everything.
const SIZE: Rect = Rect::new(0, 0, 80, 24);
/// In seconds. The clock in the title changes each second, so a player would wait as long as the run.
const LONGEST_WAIT: f64 = 0.25;
const FRAME: Duration = Duration::from_millis(100);

/// Prints the recording for as long as the program runs.
pub(super) async fn print(shared: Arc<Shared>, title: String) {
    // It must not depend on the settings of this terminal.
    force_color_output(true);
    // The recording ends when its reader does.
    let _ = print_frames(&shared, &title).await;
}

async fn print_frames(shared: &Shared, title: &str) -> io::Result<()> {
    let written = Written::default();
    let viewport = Viewport::Fixed(SIZE);
    let backend = CrosstermBackend::new(written.clone());
    let mut terminal = Terminal::with_options(backend, TerminalOptions { viewport })?;
    let Rect { width, height, .. } = SIZE;
    let title_in_json = in_json(title);
    print_line(&format!(
        "{{\"version\":2,\"width\":{width},\"height\":{height},\"title\":{title_in_json},\"idle_time_limit\":{LONGEST_WAIT}}}"
    ))?;
    let mut before = Buffer::default();
    let mut frames = interval(FRAME);
    loop {
        frames.tick().await;
        shared.forget_ended();
        let at = shared.elapsed();
        let drawn = terminal.draw(|frame| view::draw(frame, &shared.model(), title, at))?;
        let has_changed = *drawn.buffer != before;
        before.clone_from(drawn.buffer);
        let text = written.take();
        if has_changed {
            print_line(&format!("[{:.1},\"o\",{}]", at.as_secs_f64(), in_json(&text)))?;
        }
    }
}

fn print_line(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// A text as JSON has it.
fn in_json(text: &str) -> String {
    let mut json = "\"".to_owned();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => json.extend(['\\', letter]),
            _ if letter.is_control() => {
                let _ = write!(json, "\\u{:04x}", u32::from(letter));
            }
            _ => json.push(letter),
        }
    }
    json + "\""
}

/// The bytes written to the terminal, until they are taken.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> String {
        String::from_utf8_lossy(&mem::take(&mut *lock(&self.0))).into_owned()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_json() {
        assert_eq!(in_json("\u{1b}[1m\"a\\b\"\r\n▲"), r#""\u001b[1m\"a\\b\"\u000d\u000a▲""#);
    }
}
