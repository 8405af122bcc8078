//! A running command.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::lines::Lines;

/// How long a program may stay silent, even on a busy machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long.
    pub limit: Duration,
    is_over: &'static str,
}

impl Patience {
    /// On the paused clock, no wait takes time.
    pub const PAUSED: Self = Self {
        limit: Duration::from_secs(20),
        is_over: "nothing for 20 s: it is stuck, or does not emit",
    };
    /// On the real clock, a step can wait for SQS.
    pub const REAL: Self = Self {
        limit: Duration::from_mins(1),
        is_over: "nothing for 60 s: it is stuck, or does not emit",
    };
}

/// Longer than any transcript takes.
const LONGEST: Duration = Duration::from_mins(3);

/// A process that is ended when this is dropped.
pub struct Process {
    child: Child,
    pub lines: Lines,
}

impl Process {
    /// Starts it. Of two `names`, the second one replaces the first one in its output.
    pub fn start(
        script: &str,
        clock: &str,
        patience: Patience,
        folder: &Path,
        names: (String, String),
    ) -> io::Result<Self> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).current_dir(folder).stdout(Stdio::piped());
        for name in
            ["SQS_QUEUE_URL", "SQS_QUEUE_NAME", "AWS_ENDPOINT_URL", "RUST_LOG", "LOG_FORMAT"]
        {
            command.env_remove(name);
        }
        let mut child = command.env("PALLETO_CLOCK", clock).spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("its output is piped"))?;
        let output = lines_of(stdout, patience)
            .map(move |line| line.map(|line| line.replace(&names.0, &names.1)));
        Ok(Self { child, lines: Lines::new(output) })
    }

    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the lines that a program prints, as they arrive, and at last the reason why no more are awaited, unless the
/// program ends.
pub fn lines_of(
    stdout: impl Read + Send + 'static,
    patience: Patience,
) -> impl Iterator<Item = Result<String, &'static str>> {
    let (sender, lines) = mpsc::sync_channel(100);
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let deadline = Instant::now() + LONGEST;
    std::iter::from_fn(move || {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(patience.limit.min(left)) {
            Ok(line) => Some(Ok(line)),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) if left < patience.limit => {
                Some(Err("it goes on for more than 3 minutes"))
            }
            Err(RecvTimeoutError::Timeout) => Some(Err(patience.is_over)),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_program_that_stays_silent_is_not_awaited_for_ever_and_the_reason_is_told() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"one\n").unwrap();
        let is_short = Patience { limit: Duration::from_millis(20), ..Patience::PAUSED };
        let mut lines = lines_of(reader, is_short);
        // On a busy machine, this line can be late too.
        while lines.next().unwrap() != Err(Patience::PAUSED.is_over) {}
        drop(writer);
        assert!(lines.all(|line| line.is_ok()), "it ends when the program does");
    }
}
