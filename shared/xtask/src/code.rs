//! A step's code: its sources without comments and blank lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::steps::Step;

/// A line that is neither blank nor only a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The text as in the file, with its indentation.
    pub text: String,
    /// Whether a blank line sets it apart from the line of code before it.
    pub set_apart: bool,
}

/// The files in `src` by their names.
pub type Code = BTreeMap<String, Vec<Line>>;

/// Reads the code of a step.
///
/// # Errors
///
/// If a file cannot be read, or there is none.
pub fn of(step: &Step) -> Result<Code> {
    in_folder(&step.folder().join("src"))
}

/// Reads the code in a folder.
///
/// # Errors
///
/// If a file cannot be read, or there is none.
pub fn in_folder(folder: &Path) -> Result<Code> {
    let code = read(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    ensure!(!code.is_empty(), "there is no Rust in {}", folder.display());
    Ok(code)
}

fn read(folder: &Path) -> Result<Code> {
    let mut code = Code::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            code.insert(name, lines(&fs::read_to_string(&path)?));
        }
    }
    Ok(code)
}

/// Counts the lines of code.
pub fn count(code: &Code) -> usize {
    code.values().map(Vec::len).sum()
}

/// Finds the lines of code in a source.
pub fn lines(source: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut set_apart = false;
    for text in source.lines() {
        let bare = text.trim_start();
        if bare.is_empty() {
            set_apart = !lines.is_empty();
        } else if !bare.starts_with("//") {
            lines.push(Line { text: text.to_owned(), set_apart });
            set_apart = false;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        lines(source).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn comments_and_blank_lines_are_no_code() {
        let source =
            "//! Module.\n\n/// Item.\nfn f() {\n    // Why.\n\n    g(); // Here.\n \t\n}\n";
        assert_eq!(texts(source), ["fn f() {", "    g(); // Here.", "}"]);
    }

    #[test]
    fn a_comment_begins_its_line() {
        let url = r#"let url = "http://127.0.0.1";"#;
        assert_eq!(texts(url), [url]);
        assert_eq!(texts("let text = \"a\n    // b\";"), ["let text = \"a"]);
    }

    #[test]
    fn a_line_after_a_blank_one_is_set_apart() {
        let source = "//! Module.\n\nuse a;\n\n/// Item.\nfn f() {\n    // Why.\n    g();\n}\n";
        let apart: Vec<_> = lines(source).iter().map(|line| line.set_apart).collect();
        assert_eq!(apart, [false, true, false, false]);
    }

    #[test]
    fn code_is_that_of_rust_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("main.rs"), "// Main.\nfn main() {}\n").unwrap();
        fs::write(folder.path().join("notes.txt"), "notes\n").unwrap();
        let code = read(folder.path()).unwrap();
        assert_eq!(code.keys().collect::<Vec<_>>(), ["main.rs"]);
        assert_eq!(count(&code), 1);
    }
}
