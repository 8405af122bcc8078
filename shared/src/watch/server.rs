//! The server's loops, from the fields of the steps' log lines.

/// The server: its loop, and the previous loop until that has ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    pub(super) looping: Option<Loop>,
    pub(super) ending: Option<u64>,
}

/// A loop, by the number of its task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loop {
    pub(super) task: u64,
    /// Its latest run, and how many events that run looks for.
    pub(super) run: Option<(u64, u64)>,
}

impl Server {
    /// Reads one log line: the fields that it has, and the task that has logged it.
    pub(super) fn logged(&mut self, by: u64, field: impl Fn(&str) -> Option<u64>) {
        if let Some(task) = field("terminating") {
            self.ending = Some(task);
        } else if let Some(task) = field("started") {
            self.looping = Some(Loop { task, run: None });
        } else if let Some(run) = field("run").zip(field("missing"))
            && let Some(looping) = self.looping.as_mut().filter(|looping| looping.task == by)
        {
            looping.run = Some(run);
            // Loops take turns: the previous one has ended, because this one runs.
            self.ending = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logs the fields in `line`, as in "run=1 missing=2".
    fn log(server: &mut Server, by: u64, line: &str) {
        let fields: Vec<_> = line.split(' ').filter_map(|field| field.split_once('=')).collect();
        server.logged(by, |name| fields.iter().find(|it| it.0 == name)?.1.parse().ok());
    }

    #[test]
    fn a_loop_is_followed_by_another() {
        let mut server = Server::default();
        log(&mut server, 1, "started=7");
        assert_eq!(server.looping, Some(Loop { task: 7, run: None }));
        log(&mut server, 7, "run=17 missing=6");
        assert_eq!(server.looping, Some(Loop { task: 7, run: Some((17, 6)) }));

        log(&mut server, 1, "terminating=7");
        log(&mut server, 1, "started=8");
        assert_eq!(server.ending, Some(7));
        // The loop that is being terminated logs another line.
        log(&mut server, 7, "run=18 missing=4");
        assert_eq!(server.looping, Some(Loop { task: 8, run: None }));
        log(&mut server, 8, "run=0 missing=14");
        assert_eq!((server.looping.unwrap().run, server.ending), (Some((0, 14)), None));
    }

    #[test]
    fn lines_without_these_fields_change_nothing() {
        let mut server = Server::default();
        for line in ["", "run=3", "missing=3", "key=7"] {
            log(&mut server, 7, line);
        }
        assert!(server.looping.is_none() && server.ending.is_none());
    }
}
