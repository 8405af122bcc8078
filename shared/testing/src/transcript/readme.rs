//! Finds the commands in a README, and the output that it shows for them.

use std::ops::Range;

use super::GAP;
use super::rule::Rule;

/// A command, and the output that the README shows for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown {
    pub command: String,
    pub output: Vec<String>,
    /// How exactly the output has to match.
    pub rule: Rule,
    /// The position of the output in the README, including the end of its last line.
    pub range: Range<usize>,
}

impl Shown {
    /// Whether the command goes on after the output shown.
    pub fn is_ended_there(&self) -> bool {
        self.output.last().is_some_and(|line| line == GAP)
    }
}

/// Returns the arguments of the program `name` if this command runs it with `cargo run`.
pub fn arguments<'a>(command: &'a str, name: &str) -> Option<&'a str> {
    let run = command.strip_prefix("cargo run ")?;
    let (options, arguments) = run.split_once(" -- ").unwrap_or((run, ""));
    (options.split(' ').next_back() == Some(name)).then_some(arguments)
}

/// Returns all commands of the `console` blocks that run the program `name`.
pub fn commands(readme: &str, name: &str) -> Vec<Shown> {
    let mut commands = Vec::new();
    // The current block, if it is a `console` block.
    let mut block: Option<(Rule, Vec<Shown>)> = None;
    let mut at = 0;
    for whole_line in readme.split_inclusive('\n') {
        let line = whole_line.trim_end_matches(['\n', '\r']);
        at += whole_line.len();
        match &mut block {
            None => {
                block = line.strip_prefix("```console").map(|rule| (Rule::named(rule), Vec::new()));
            }
            Some((_, shown)) if line.starts_with("```") => {
                if shown.iter().any(|shown| arguments(&shown.command, name).is_some()) {
                    commands.append(shown);
                }
                block = None;
            }
            Some((rule, shown)) => match (line.strip_prefix("$ "), shown.last_mut()) {
                (Some(command), _) => {
                    let command = command.to_owned();
                    shown.push(Shown { command, output: vec![], rule: *rule, range: at..at });
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
        let commands = commands(README, "step");
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
    fn a_command_that_runs_the_program_has_its_arguments_behind_two_dashes() {
        assert_eq!(arguments("cargo run -p step", "step"), Some(""));
        assert_eq!(arguments("cargo run -p a --example b -- --c d", "b"), Some("--c d"));
        assert_eq!(arguments("cargo run -p a --example b", "a"), None);
        assert_eq!(arguments("echo step", "step"), None);
    }

    #[test]
    fn a_block_names_its_rule() {
        let readme = "```console\n$ cargo run a\n```\n```console any-order\n$ cargo run a\n```\n";
        let rules: Vec<_> = commands(readme, "a").iter().map(|shown| shown.rule).collect();
        assert_eq!(rules, [Rule::ToTheLetter, Rule::InAnyOrder]);
    }

    #[test]
    fn the_range_is_that_of_the_output() {
        let shown = commands(README, "step");
        let shown: Vec<_> = shown.iter().map(|shown| &README[shown.range.clone()]).collect();
        assert_eq!(shown, ["", "a\n...\n", "1\n"]);
    }

    #[test]
    fn a_command_that_ends_in_a_gap_is_ended_there() {
        let shown = commands(README, "step");
        let ended: Vec<_> = shown.iter().map(Shown::is_ended_there).collect();
        assert_eq!(ended, [false, true, false]);
    }
}
