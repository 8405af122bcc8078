//! The server's loops, as the steps' own log lines tell of them.

/// The server: its loop, and the one before that, while that has not ended.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) looping: Option<Loop>,
    pub(super) ending: Option<u64>,
    /// How many loops were started.
    pub(super) loops: usize,
}

/// A loop, by the number of its task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loop {
    pub(super) task: u64,
    /// Its run, and how many events it looks for, once it runs.
    pub(super) run: Option<(u64, u64)>,
}

impl Server {
    /// A step has logged that.
    pub(super) fn logged(&mut self, message: &str) {
        let task_after = |start| number(message.strip_prefix(start)?);
        if let Some(task) = task_after("Terminating server with pid #Task<") {
            self.ending = Some(task);
        } else if let Some(task) = task_after("Started new server loop with pid #Task<") {
            self.looping = Some(Loop { task, run: None });
            self.loops += 1;
        } else if let Some(task) = task_after("Server #Task<")
            && let Some(looping) = self.looping.as_mut().filter(|looping| looping.task == task)
        {
            let after = |what| message.split_once(what).and_then(|(_, rest)| number(rest));
            looping.run = after("Run ").zip(after("Looking for "));
            // One loop at a time: the previous one has ended.
            self.ending = None;
        }
    }
}

/// How many events the producer says to have been sent.
pub(super) fn enqueued(message: &str) -> Option<u64> {
    number(message.split_once(" got notified about ")?.1)
}

/// The number at the start.
fn number(text: &str) -> Option<u64> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_followed_by_another() {
        let mut server = Server::default();
        server.logged("Started new server loop with pid #Task<7>");
        assert_eq!(server.looping, Some(Loop { task: 7, run: None }));
        server.logged("Server #Task<7> looping: Run 17. Looking for 6 events");
        assert_eq!(server.looping, Some(Loop { task: 7, run: Some((17, 6)) }));

        server.logged("Terminating server with pid #Task<7>");
        server.logged("Started new server loop with pid #Task<8>");
        assert_eq!((server.ending, server.loops), (Some(7), 2));
        // A last word of the one that is being terminated.
        server.logged("Server #Task<7> looping: Run 18. Looking for 4 events");
        assert_eq!(server.looping, Some(Loop { task: 8, run: None }));
        server.logged("Server #Task<8> looping: Run 0. Looking for 14 events");
        assert_eq!((server.looping.unwrap().run, server.ending), (Some((0, 14)), None));
    }

    #[test]
    fn other_lines_say_nothing_of_loops() {
        let mut server = Server::default();
        for line in ["Server", "Server #Task<", "Consumed by #Task<2>: hey, hey", "", "Run 3"] {
            server.logged(line);
        }
        assert!(server.looping.is_none() && server.ending.is_none());
        assert_eq!(enqueued("SQS.Producer got notified about 2 new events"), Some(2));
        assert_eq!(enqueued("Casting events to producer"), None);
    }
}
