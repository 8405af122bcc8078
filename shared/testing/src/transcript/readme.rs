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
    /// The change to the program, by its place among the changes of the README.
    pub change: Option<usize>,
    /// The number of the command's line in the README, from 1.
    pub line: usize,
    /// The position of the output in the README, including the end of its last line.
    pub range: Range<usize>,
    /// The number of spaces before each line, because the block stands in a list.
    pub indent: usize,
}

impl Shown {
    /// Whether the command goes on after the output shown.
    pub fn is_ended_there(&self) -> bool {
        self.output.last().is_some_and(|line| line == GAP)
    }

    /// These lines of output as the README has them.
    pub fn indented(&self, lines: &[String]) -> String {
        let indent = " ".repeat(self.indent);
        let of =
            |line: &String| if line.is_empty() { String::new() } else { indent.clone() + line };
        lines.iter().flat_map(|line| [of(line), "\n".to_owned()]).collect()
    }
}

/// A change to the program, which a README proposes in a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    /// The lines of the block.
    pub diff: Vec<String>,
    /// The number of the block's first line in the README, from 1.
    pub line: usize,
}

/// A block of code.
struct Block<'a> {
    /// The words after its fence.
    kind: &'a str,
    indent: usize,
    /// The change in the same item of a list before it, by its place among the changes.
    change: Option<usize>,
    /// The number of its first line in the README, from 1.
    first: usize,
    /// Its lines without the indent, and the position in the README of each line's end.
    lines: Vec<(&'a str, usize)>,
}

impl Block<'_> {
    /// Whether it changes the program for the blocks after it in the same item of a list.
    fn is_change(&self) -> bool {
        self.kind == "diff" && self.indent > 0
    }
}

fn blocks(readme: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    // The last change, and the indent of its list's item.
    let mut change: Option<(usize, usize)> = None;
    let mut changes = 0;
    let mut at = 0;
    for (number, whole_line) in readme.split_inclusive('\n').enumerate() {
        let line = whole_line.trim_end_matches(['\n', '\r']);
        at += whole_line.len();
        let indent = line.len() - line.trim_start_matches(' ').len();
        let fence = line[indent..].strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(kind)) => {
                change = change.filter(|&(_, of_item)| indent >= of_item);
                let change = change.map(|(change, _)| change);
                open = Some(Block { kind, indent, change, first: number + 2, lines: Vec::new() });
            }
            (None, None) if line.is_empty() => {}
            (None, None) => change = change.filter(|&(_, of_item)| indent >= of_item),
            (Some(_), Some(_)) => {
                if let Some(block) = open.take() {
                    if block.is_change() {
                        change = Some((changes, block.indent));
                        changes += 1;
                    }
                    blocks.push(block);
                }
            }
            (Some(block), None) => block.lines.push((&line[indent.min(block.indent)..], at)),
        }
    }
    blocks
}

/// Returns the changes that a README proposes: the `diff` blocks in its lists.
pub fn changes(readme: &str) -> Vec<Change> {
    let changes = blocks(readme).into_iter().filter(Block::is_change);
    let lines = |block: &Block| block.lines.iter().map(|&(line, _)| line.to_owned()).collect();
    changes.map(|block| Change { diff: lines(&block), line: block.first }).collect()
}

/// Returns the command with `program` in place of `cargo run` if it runs the program `name`.
pub fn with_program(command: &str, name: &str, program: &str) -> Option<String> {
    let (settings, run) = command.split_once("cargo run ")?;
    let ends = [" -- ", " | ", "; "].into_iter().filter_map(|end| run.find(end));
    let (options, rest) = run.split_at(ends.min().unwrap_or(run.len()));
    let arguments = rest.strip_prefix(" --").unwrap_or(rest);
    let is_it = options.split(' ').next_back() == Some(name);
    is_it.then(|| format!("{settings}{program}{arguments}"))
}

/// Returns all commands of the `console` blocks that run the program `name` with this change, or as it is.
pub fn commands(readme: &str, name: &str, change: Option<usize>) -> Vec<Shown> {
    let mut commands = Vec::new();
    for block in blocks(readme).into_iter().filter(|block| block.change == change) {
        let Some(rule) = block.kind.strip_prefix("console") else { continue };
        let (rule, indent) = (Rule::named(rule), block.indent);
        let mut shown: Vec<Shown> = Vec::new();
        for (number, (line, end)) in block.lines.into_iter().enumerate() {
            match (line.strip_prefix("$ "), shown.last_mut()) {
                (Some(command), _) => {
                    let (command, line, range) =
                        (command.to_owned(), block.first + number, end..end);
                    shown.push(Shown {
                        command,
                        output: vec![],
                        rule,
                        change,
                        line,
                        range,
                        indent,
                    });
                }
                (None, Some(last)) => {
                    last.output.push(line.to_owned());
                    last.range.end = end;
                }
                (None, None) => {}
            }
        }
        if shown.iter().any(|shown| with_program(&shown.command, name, "").is_some()) {
            commands.append(&mut shown);
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
        let commands = commands(README, "step", None);
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
        let run = |command, name| with_program(command, name, "it");
        assert_eq!(run("cargo run -p step", "step").as_deref(), Some("it"));
        assert_eq!(run("cargo run -p a --example b -- --c d", "b").as_deref(), Some("it --c d"));
        assert_eq!(run("cargo run -p a --example b", "a"), None);
        assert_eq!(run("echo step", "step"), None);
    }

    #[test]
    fn a_command_can_have_settings_before_the_program_and_pipe_what_it_prints() {
        let run = |command| with_program(command, "step", "it").unwrap();
        assert_eq!(run("A=b cargo run -p step | grep c"), "A=b it | grep c");
        assert_eq!(run("cargo run -p step -- -a; echo $?"), "it -a; echo $?");
    }

    #[test]
    fn a_block_names_its_rule() {
        let readme = "```console\n$ cargo run a\n```\n```console any-order\n$ cargo run a\n```\n";
        let rules: Vec<_> = commands(readme, "a", None).iter().map(|shown| shown.rule).collect();
        assert_eq!(rules, [Rule::ToTheLetter, Rule::InAnyOrder]);
    }

    #[test]
    fn the_range_is_that_of_the_output() {
        let shown = commands(README, "step", None);
        let shown: Vec<_> = shown.iter().map(|shown| &README[shown.range.clone()]).collect();
        assert_eq!(shown, ["", "a\n...\n", "1\n"]);
    }

    #[test]
    fn a_command_that_ends_in_a_gap_is_ended_there() {
        let shown = commands(README, "step", None);
        let ended: Vec<_> = shown.iter().map(Shown::is_ended_there).collect();
        assert_eq!(ended, [false, true, false]);
    }

    const TRY: &str = "\
```diff
-not in a list
```

- No change:

  ```console
  $ cargo run -p step -- -a
  1

    2
  ```
- A change, and another one:

  ```diff
  --- src/main.rs
  -a
  +b
  ```

  <details>
  <summary>What you see</summary>

  ```console
  $ cargo run -p step
  2
  ```

  </details>

  ```diff
  +c
  ```

  ```console
  $ cargo run -p step
  3
  ```
- No change again:

  ```console
  $ cargo run -p step -- -b
  4
  ```
";

    #[test]
    fn a_diff_in_a_list_changes_the_program_for_what_follows_in_the_same_item() {
        let commands = |change| -> Vec<(usize, Vec<String>)> {
            let commands = commands(TRY, "step", change);
            commands.into_iter().map(|shown| (shown.line, shown.output)).collect()
        };
        assert_eq!(
            commands(None),
            [(8, ["1", "", "  2"].map(str::to_owned).into()), (42, vec!["4".to_owned()])]
        );
        assert_eq!(commands(Some(0)), [(25, vec!["2".to_owned()])]);
        assert_eq!(commands(Some(1)), [(36, vec!["3".to_owned()])]);
        let changes: Vec<_> =
            changes(TRY).into_iter().map(|change| (change.line, change.diff.len())).collect();
        assert_eq!(changes, [(16, 3), (32, 1)]);
    }

    #[test]
    fn output_in_a_list_is_indented() {
        let shown = &commands(TRY, "step", None)[0];
        assert_eq!(shown.indented(&shown.output), TRY[shown.range.clone()]);
    }
}
