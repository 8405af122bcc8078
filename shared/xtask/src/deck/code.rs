//! The code on a slide: some functions of a step, with the changes since the step before.

use anyhow::{Context, Result};
use similar::DiffOp;

use crate::code::{self, Code, Line};
use crate::difference::{self, Difference};
use crate::steps::{self, Step};

/// A line on a slide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// `+` if it is new, `-` if it is gone, `…` for lines that are left out.
    pub sign: char,
    pub text: String,
}

/// The named functions and other items in a file of a step.
///
/// # Errors
///
/// If there is no such file or item.
pub fn of_step(number: u8, file: &str, names: &[String]) -> Result<Vec<Vec<Row>>> {
    let all = steps::all()?;
    let step = steps::numbered(&all, number)?;
    let before = steps::numbered(&all, number - 1).ok();
    let new = code::of(step)?;
    let old = before.map(code::of).transpose()?;
    let rows = rows(old.as_ref(), &new, step, file)?;
    names.iter().map(|name| excerpt(&rows, name)).collect()
}

/// The named items in the Rust of a Markdown file.
///
/// # Errors
///
/// If there is no such item.
pub fn of_markdown(text: &str, names: &[String]) -> Result<Vec<Vec<Row>>> {
    let (_, rest) = text.split_once("```rust\n").context("it has no Rust")?;
    let lines = code::lines(rest.split("```").next().unwrap_or(rest));
    let bare = |line: &Line| line.text.split(" // ").next().map(str::to_owned).unwrap_or_default();
    let rows: Vec<_> = lines.iter().map(|line| Row { sign: ' ', text: bare(line) }).collect();
    names.iter().map(|name| excerpt(&rows, name)).collect()
}

fn row(sign: char, line: &Line) -> Row {
    Row { sign, text: line.text.clone() }
}

/// All lines of a file, and those that are gone.
fn rows(old: Option<&Code>, new: &Code, step: &Step, file: &str) -> Result<Vec<Row>> {
    let lines = new.get(file).with_context(|| format!("{} has no {file}", step.name))?;
    let unchanged = || Ok(lines.iter().map(|line| row(' ', line)).collect());
    let Some(old) = old else { return unchanged() };
    let differences = difference::between(old, new);
    let Some(difference) = differences.iter().find(|it| it.file == file) else {
        return unchanged();
    };
    Ok(with_signs(difference))
}

fn with_signs(difference: &Difference) -> Vec<Row> {
    let mut rows = Vec::new();
    for op in &difference.ops {
        if !matches!(op, DiffOp::Equal { .. }) {
            rows.extend(difference.old[op.old_range()].iter().map(|line| row('-', line)));
        }
        let sign = if matches!(op, DiffOp::Equal { .. }) { ' ' } else { '+' };
        rows.extend(difference.new[op.new_range()].iter().map(|line| row(sign, line)));
    }
    rows
}

/// The item from its first line to its closing brace, moved to the left edge.
fn excerpt(rows: &[Row], name: &str) -> Result<Vec<Row>> {
    let is_first = |row: &Row| row.sign != '-' && begins(row.text.trim_start(), name);
    let mut first =
        rows.iter().position(is_first).with_context(|| format!("there is no {name}"))?;
    let indentation = rows[first].text.len() - rows[first].text.trim_start().len();
    let is_last = |row: &Row| {
        row.sign != '-'
            && row.text.get(indentation..).is_some_and(|text| text.starts_with('}'))
            && row.text[..indentation].trim().is_empty()
    };
    let last = rows[first..].iter().position(is_last).map_or(first, |after| first + after);
    // The first line as it was.
    while first > 0
        && rows[first - 1].sign == '-'
        && begins(rows[first - 1].text.trim_start(), name)
    {
        first -= 1;
    }
    let moved = rows[first..=last].iter().map(|row| Row {
        sign: row.sign,
        text: row.text.get(indentation..).unwrap_or_default().to_owned(),
    });
    Ok(moved.collect())
}

/// Whether a line begins the item `name`: a function, or any line with this text.
fn begins(line: &str, name: &str) -> bool {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let rest = line.strip_prefix("fn ").unwrap_or(line).strip_prefix(name);
    rest.is_some_and(|rest| rest.starts_with(['(', '<', ' ']))
}

/// Leaves out unchanged lines between changes, where there are more than `most` of them, down to the first and the last.
pub fn shortened(rows: &[Row], most: usize) -> Vec<Row> {
    let is_change = |row: &Row| row.sign != ' ';
    if !rows.iter().any(is_change) {
        return rows.to_vec();
    }
    let mut shown: Vec<Row> = Vec::new();
    for run in rows.chunk_by(|a, b| is_change(a) == is_change(b)) {
        match run {
            [first, middle, .., last] if !is_change(first) && run.len() > most.max(3) => {
                let text = &middle.text;
                let indentation = &text[..text.len() - text.trim_start().len()];
                let left_out = Row { sign: '…', text: format!("{indentation}…") };
                shown.extend([first.clone(), left_out, last.clone()]);
            }
            _ => shown.extend_from_slice(run),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str, name: &str) -> String {
        let code = |source| Code::from([("a.rs".to_owned(), code::lines(source))]);
        let (old, new) = (code(old), code(new));
        let differences = difference::between(&old, &new);
        let rows = shortened(&excerpt(&with_signs(&differences[0]), name).unwrap(), 4);
        let lines: Vec<_> = rows.iter().map(|row| format!("{}{}\n", row.sign, row.text)).collect();
        lines.concat()
    }

    #[test]
    fn a_function_is_shown_with_what_has_changed_in_it() {
        let old = "fn f() {\n    a();\n}\nimpl X {\n    pub fn g() {\n        b();\n        c();\n    }\n}\n";
        let new = "impl X {\n    pub async fn g(n: u8) {\n        b();\n        d();\n    }\n}\nfn g2() {}\n";
        assert_eq!(
            shown(old, new, "g"),
            "-pub fn g() {\n+pub async fn g(n: u8) {\n     b();\n-    c();\n+    d();\n }\n"
        );
    }

    #[test]
    fn unchanged_lines_far_from_a_change_are_left_out() {
        let old = "fn f() {\n    1;\n    2;\n    3;\n    4;\n    5;\n}\n";
        let new = "fn f() {\n    1;\n    2;\n    3;\n    4;\n    6;\n}\n";
        assert_eq!(shown(old, new, "f"), " fn f() {\n…    …\n     4;\n-    5;\n+    6;\n }\n");
    }

    #[test]
    fn a_step_shows_its_own_functions_and_none_that_is_not_there() {
        let names = |name: &str| [name.to_owned()];
        let rows = of_step(5, "server.rs", &names("pull")).unwrap();
        assert!(rows[0].iter().any(|row| row.sign == '+' && row.text.contains("cancel")));
        assert!(of_step(1, "consumer.rs", &names("handle_events")).unwrap()[0].len() > 2);
        of_step(5, "server.rs", &names("no_such_function")).unwrap_err();
        of_step(5, "no_such_file.rs", &names("pull")).unwrap_err();
    }
}
