//! Shows the difference between two steps to a reader.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use similar::{DiffOp, group_diff_ops};

use crate::code::Line;
use crate::difference::{Difference, between};
use crate::steps::Step;
use crate::{code, steps};

/// How many equal lines to show around a change.
const CONTEXT: usize = 3;

/// Prints the difference between the steps with these numbers.
///
/// # Errors
///
/// If there are no such steps, or they cannot be read.
pub fn print(from: u8, to: u8) -> Result<()> {
    let steps = steps::all()?;
    let (from, to) = (steps::numbered(&steps, from)?, steps::numbered(&steps, to)?);
    let (old, new) = (code::of(from)?, code::of(to)?);
    let differences = between(&old, &new);
    let colours = Colours {
        file: Style::new().bold(),
        place: AnsiColor::Cyan.on_default(),
        removed: AnsiColor::Red.on_default(),
        added: AnsiColor::Green.on_default(),
    };
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", summary(&differences))?;
    write!(out, "{}", show(from, to, &differences, &colours))?;
    Ok(())
}

/// Says how many lines changed, and in which files.
pub fn summary(differences: &[Difference]) -> String {
    let lines: usize = differences.iter().map(Difference::changed).sum();
    let files: Vec<_> = differences.iter().map(|difference| difference.file).collect();
    match &files[..] {
        [] => "No line of code differs".to_owned(),
        [file] => format!("{lines} lines of code changed in {file}"),
        [files @ .., last] => {
            format!("{lines} lines of code changed in {} and {last}", files.join(", "))
        }
    }
}

/// The styles of a difference. The default is plain text.
#[derive(Default)]
pub struct Colours {
    file: Style,
    place: Style,
    removed: Style,
    added: Style,
}

/// Shows all differences, file by file.
pub fn show(from: &Step, to: &Step, differences: &[Difference], colours: &Colours) -> String {
    let style = colours.file;
    let mut shown = Vec::new();
    for difference in differences {
        let name = |step: &Step, lines: &[Line]| match lines {
            [] => "/dev/null".to_owned(),
            _ => format!("{}/src/{}", step.name, difference.file),
        };
        shown.push(format!("{style}--- {}{style:#}", name(from, difference.old)));
        shown.push(format!("{style}+++ {}{style:#}", name(to, difference.new)));
        for hunk in group_diff_ops(difference.ops.clone(), CONTEXT) {
            show_hunk(&mut shown, difference, &hunk, colours);
        }
    }
    shown.into_iter().map(|line| line + "\n").collect()
}

fn show_hunk(shown: &mut Vec<String>, difference: &Difference, hunk: &[DiffOp], colours: &Colours) {
    let &Colours { place, removed, added, .. } = colours;
    let start = hunk.first().map_or(0, |op| op.new_range().start);
    if start > 0 {
        let item = enclosing_item(difference.new, start).unwrap_or("…");
        shown.push(format!("{place}@@ {item} @@{place:#}"));
    }
    let mut before = None;
    for op in hunk {
        let (old, new) = (&difference.old[op.old_range()], &difference.new[op.new_range()]);
        let parts = match op {
            // Equal lines can differ in the blank lines around them. After a removed line, show the old ones.
            DiffOp::Equal { .. } if before == Some('-') => vec![(' ', Style::new(), old)],
            DiffOp::Equal { .. } => vec![(' ', Style::new(), new)],
            _ => vec![('-', removed, old), ('+', added, new)],
        };
        for (sign, style, lines) in parts {
            for line in lines {
                // Blank lines do not count as a difference, but make it easier to read. There is none between
                // removed lines and their replacement.
                if line.set_apart && before.is_some_and(|before| (before, sign) != ('-', '+')) {
                    shown.push(String::new());
                }
                before = Some(sign);
                shown.push(format!("{style}{sign}{}{style:#}", line.text));
            }
        }
    }
}

/// Finds the function, type or module that contains the line.
pub fn enclosing_item(lines: &[Line], number: usize) -> Option<&str> {
    let indentation = |line: &Line| line.text.len() - line.text.trim_start().len();
    let mut within = indentation(lines.get(number)?);
    for line in lines[..number].iter().rev() {
        if indentation(line) < within {
            let text = line.text.trim_start();
            // This line closes an item whose first line has the same indentation.
            within = indentation(line) + usize::from(text.starts_with([')', '}']));
            let kinds = ["fn ", "impl ", "impl<", "struct ", "enum ", "trait ", "mod "];
            let starts = kinds.iter().filter_map(|kind| text.find(kind));
            // A visibility can stand before it: `pub(crate) async fn`.
            if let Some(start) = starts.min().filter(|&start| start < "pub(crate) async f".len()) {
                return text[start..].split(['(', '{']).next().map(str::trim_end);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::{Code, lines};

    fn shown(old: &str, new: &str) -> String {
        let code = |source: &str| match source {
            "" => Code::new(),
            _ => Code::from([("a.rs".to_owned(), lines(source))]),
        };
        let step = |number, name: &str| Step { number, name: name.to_owned() };
        let (old, new) = (code(old), code(new));
        show(&step(1, "one"), &step(2, "two"), &between(&old, &new), &Colours::default())
    }

    #[test]
    fn what_differs_is_shown_with_lines_around_it() {
        assert_eq!(
            shown("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n// Why.\nfive\n6\n7\n8\n9\n"),
            "--- one/src/a.rs\n+++ two/src/a.rs\n@@ … @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
        );
    }

    #[test]
    fn a_new_file_is_shown_whole() {
        assert_eq!(
            shown("", "//! New.\n\nuse b;\n\nfn f() {}\n"),
            "--- /dev/null\n+++ two/src/a.rs\n+use b;\n\n+fn f() {}\n"
        );
    }

    #[test]
    fn blank_lines_are_shown_and_make_no_difference() {
        assert_eq!(
            shown("1\n\n2\n\n3", "1\n\ntwo\n\n3"),
            "--- one/src/a.rs\n+++ two/src/a.rs\n 1\n\n-2\n+two\n\n 3\n"
        );
        assert_eq!(
            shown("1\n\n2\n3", "1\n\n3"),
            "--- one/src/a.rs\n+++ two/src/a.rs\n 1\n\n-2\n 3\n"
        );
        assert_eq!(shown("1\n2", "1\n\n2"), "");
    }

    #[test]
    fn a_place_is_named_by_the_item_that_it_is_in() {
        let source = "use a;\nimpl<T> Server<T> {\n    pub async fn pull(\n        &mut self,\n    ) {\n        \
                      if a {\n            b();\n        }\n    }\n}\nfn f() {\n";
        let lines = lines(source);
        assert_eq!(enclosing_item(&lines, 6), Some("fn pull"));
        assert_eq!(enclosing_item(&lines, 8), Some("impl<T> Server<T>"));
        assert_eq!(enclosing_item(&lines, 10), None);
    }

    #[test]
    fn the_summary_names_the_files() {
        let old = Code::from([("a.rs".to_owned(), lines("1"))]);
        let new = Code::from(["a.rs", "b.rs", "c.rs"].map(|file| (file.to_owned(), lines("1\n2"))));
        assert_eq!(summary(&between(&old, &new)), "5 lines of code changed in a.rs, b.rs and c.rs");
        assert_eq!(summary(&between(&old, &old)), "No line of code differs");
    }
}
