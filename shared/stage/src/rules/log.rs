//! Captures log lines, so that tests can look at them.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::Level;
use tracing::subscriber::{DefaultGuard, NoSubscriber, set_default, set_global_default};

/// The log lines of this test's thread. All stages of the test run on that thread.
pub(super) struct Log {
    written: Written,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(super) fn capture() -> Self {
        Self::capture_from(Level::INFO)
    }

    /// Captures lines of this level, and of greater importance.
    pub(super) fn capture_from(level: Level) -> Self {
        // When there is only one subscriber, tracing asks the first thread that comes by whether a
        // line is wanted, and keeps that answer. The thread may be another test's. A second
        // subscriber prevents this.
        let _ = set_global_default(NoSubscriber::new());
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .finish();
        Self { written, _guard: set_default(subscriber) }
    }

    /// Returns the lines since the last call: the level, the message, the fields.
    pub(super) fn lines(&self) -> Vec<String> {
        let text = std::mem::take(&mut *self.written.0.lock().unwrap());
        String::from_utf8(text).unwrap().lines().map(|line| line.trim().to_owned()).collect()
    }
}
