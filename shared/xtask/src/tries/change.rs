//! Applies a change that a README shows to the files of a program.
//!
//! A line `--- src/main.rs` names the file. The lines after it that begin with a space or with `-` are in the file, one
//! after the other and only once. `@@` begins another part of the file.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// The files of a program by their names, and their texts.
pub type Files = BTreeMap<String, String>;

/// Applies the change.
///
/// # Errors
///
/// If it names no file, or if its lines are not in the file, or several times.
pub fn apply(diff: &[String], files: &mut Files) -> Result<()> {
    let mut file = None;
    for part in diff.chunk_by(|_, next| !next.starts_with("--- ") && !next.starts_with("@@")) {
        let mut lines = part;
        if let Some(path) = part[0].strip_prefix("--- ") {
            file = path.rsplit('/').next();
            lines = &part[1..];
        } else if part[0].starts_with("@@") {
            lines = &part[1..];
        }
        let file = file.context("a change begins with its file, as in `--- src/main.rs`")?;
        let text = files.get_mut(file).with_context(|| format!("the program has no {file}"))?;
        if !lines.is_empty() {
            *text = changed(text, lines).with_context(|| format!("the change of {file}"))?;
        }
    }
    Ok(())
}

fn changed(text: &str, part: &[String]) -> Result<String> {
    let (mut old, mut new) = (String::new(), String::new());
    for line in part {
        let (sign, line) = line.split_at_checked(1).unwrap_or((" ", ""));
        let line = format!("{line}\n");
        match sign {
            " " => {
                old += &line;
                new += &line;
            }
            "-" => old += &line,
            "+" => new += &line,
            _ => bail!("this line begins with neither `-`, `+` nor a space:\n{sign}{line}"),
        }
    }
    // The file's first line has no line end before it.
    let (text, old, new) = (format!("\n{text}"), format!("\n{old}"), format!("\n{new}"));
    let starts = text.match_indices('\n').filter(|&(at, _)| text[at..].starts_with(&old));
    match starts.count() {
        1 => Ok(text.replacen(&old, &new, 1)[1..].to_owned()),
        count => bail!("its lines are {count} times in the file, and not once:{old}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(diff: &str) -> Result<String, String> {
        let mut files = Files::from([
            ("a.rs".to_owned(), "one\n  two\n\nthree\n".to_owned()),
            ("b.rs".to_owned(), "one\none\n".to_owned()),
        ]);
        let diff: Vec<_> = diff.lines().map(str::to_owned).collect();
        apply(&diff, &mut files).map_err(|error| format!("{error:#}"))?;
        Ok(format!("{}/{}", files["a.rs"], files["b.rs"]))
    }

    #[test]
    fn lines_are_replaced_removed_and_added() {
        let diff = "--- src/a.rs\n-one\n   two\n\n@@ fn three @@\n-three\n+4\n+5";
        assert_eq!(applied(diff).unwrap(), "  two\n\n4\n5\n/one\none\n");
    }

    #[test]
    fn a_change_can_have_several_files() {
        let diff = "--- src/a.rs\n-one\n+1\n--- src/b.rs\n one\n+1\n one";
        assert_eq!(applied(diff).unwrap(), "1\n  two\n\nthree\n/one\n1\none\n");
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for (diff, why) in [
            ("-one", "begins with its file"),
            ("--- src/c.rs\n-one", "the program has no c.rs"),
            ("--- src/a.rs\n-two", "its lines are 0 times in the file, and not once:\ntwo"),
            ("--- src/b.rs\n-one", "its lines are 2 times"),
            ("--- src/a.rs\none", "neither"),
        ] {
            let error = applied(diff).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
