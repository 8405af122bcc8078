//! What a README shows.

use std::ops::Range;

use super::GAP;

/// A command, and what is shown of its output.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown {
    pub command: String,
    pub output: Vec<String>,
    /// Where in the README the output is, with the end of its last line.
    pub range: Range<usize>,
}

impl Shown {
    /// Whether the command goes on after what is shown.
    pub fn is_ended_there(&self) -> bool {
        self.output.last().is_some_and(|line| line == GAP)
    }
}

/// All commands of the `console` blocks in which the command `run` is.
pub fn commands(readme: &str, run: &str) -> Vec<Shown> {
    let mut commands = Vec::new();
    // Of the block that the line is in.
    let mut block: Option<Vec<Shown>> = None;
    let mut at = 0;
    for whole_line in readme.split_inclusive('\n') {
        let line = whole_line.trim_end_matches(['\n', '\r']);
        at += whole_line.len();
        match &mut block {
            None if line == "```console" => block = Some(Vec::new()),
            None => {}
            Some(shown) if line.starts_with("```") => {
                if shown.iter().any(|shown| shown.command.starts_with(run)) {
                    commands.append(shown);
                }
                block = None;
            }
            Some(shown) => match (line.strip_prefix("$ "), shown.last_mut()) {
                (Some(command), _) => {
                    shown.push(Shown { command: command.into(), output: vec![], range: at..at });
                }
                (None, Some(last)) => {
                    last.output.push(line.to_owned());
                    last.range.end = at;
                }
                (None, None) => {}
            },
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "# Step\n\n```console\n$ cargo doc\n```\n\n```console\n$ echo 1 > 1\n\
                          $ cargo run -p step -- 1\na\n...\n$ ls\n1\n```\n\n```text\n$ no\n```\n";

    #[test]
    fn a_transcript_is_a_console_block_that_runs_the_step() {
        let commands = commands(README, "cargo run -p step");
        let commands: Vec<_> =
            commands.iter().map(|shown| (shown.command.as_str(), &*shown.output)).collect();
        assert_eq!(
            commands,
            [
                ("echo 1 > 1", &[][..]),
                ("cargo run -p step -- 1", &["a".to_owned(), "...".to_owned()]),
                ("ls", &["1".to_owned()]),
            ]
        );
    }

    #[test]
    fn the_range_is_that_of_the_output() {
        let shown = commands(README, "cargo run -p step");
        let shown: Vec<_> = shown.iter().map(|shown| &README[shown.range.clone()]).collect();
        assert_eq!(shown, ["", "a\n...\n", "1\n"]);
    }

    #[test]
    fn a_command_that_ends_in_a_gap_is_ended_there() {
        let shown = commands(README, "cargo run -p step");
        let ended: Vec<_> = shown.iter().map(Shown::is_ended_there).collect();
        assert_eq!(ended, [false, true, false]);
    }
}
