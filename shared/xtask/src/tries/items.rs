//! The items below a README's heading "Try".

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use ignore::WalkBuilder;

use super::read;
use crate::each::each;
use crate::steps::root;

/// Names the test, for proposals that one program cannot show.
const TESTED: &str = "<!-- tested by ";

/// Checks that each item is tried: that it has a `console` block, names a test that there is, or only asks. Checks also that
/// each bold answer has a comment, and that there are all tests that the README names.
///
/// # Errors
///
/// If one is not, has none, or is not there.
pub fn check(readme: &str) -> Result<()> {
    let text = read(readme)?;
    let at = |line| move || format!("{readme}: line {line}");
    let items = items(&text);
    says_how_to_undo(&text, &items).with_context(|| readme.to_owned())?;
    each(items, |(line, item)| is_tried(&item).with_context(at(line)))?;
    each(answers(&text), |(line, answer)| is_checked(answer).with_context(at(line)))?;
    let tested =
        text.lines().zip(1..).filter_map(|(of, line)| Some((of.split_once(TESTED)?.1, line)));
    each(tested, |(name, line)| is_test(name, root()).with_context(at(line)))
}

/// The items, and the numbers of their first lines.
fn items(readme: &str) -> Vec<(usize, String)> {
    let lines = readme.lines().enumerate().skip_while(|(_, line)| *line != "## Try").skip(1);
    let mut items: Vec<(usize, String)> = Vec::new();
    for (number, line) in lines.take_while(|(_, line)| !line.starts_with('#')) {
        match items.last_mut() {
            _ if line.starts_with("- ") => items.push((number + 1, format!("{line}\n"))),
            Some((_, item)) if line.is_empty() || line.starts_with(' ') => {
                *item += line;
                *item += "\n";
            }
            _ => {}
        }
    }
    items
}

/// A reader who does not undo a change sees another output after the next one.
fn says_how_to_undo(text: &str, items: &[(usize, String)]) -> Result<()> {
    let changes = items.iter().any(|(_, item)| item.contains("  ```diff"));
    ensure!(
        !changes || text.contains("git restore"),
        "it does not say `git restore` below \"Try\""
    );
    Ok(())
}

fn is_tried(item: &str) -> Result<()> {
    ensure!(
        item.contains("  ```console") || item.contains(TESTED) || item.trim_end().ends_with('?'),
        "nothing checks this proposal: show its output in a `console` block, or only ask"
    );
    Ok(())
}

/// The lines with bold text below the heading "Before you run it", and their numbers.
fn answers(readme: &str) -> Vec<(usize, &str)> {
    let lines = readme.lines().zip(1..).skip_while(|(line, _)| *line != "## Before you run it");
    let lines = lines.skip(1).take_while(|(line, _)| !line.starts_with("## "));
    lines.filter(|(line, _)| line.contains("**")).map(|(line, number)| (number, line)).collect()
}

fn is_checked(answer: &str) -> Result<()> {
    ensure!(
        answer.contains("<!-- answer: ") || answer.contains(TESTED),
        "nothing checks this answer: put a comment behind it that says where its number is found"
    );
    Ok(())
}

/// Checks that there is a test whose name begins a text.
fn is_test(text: &str, root: &Path) -> Result<()> {
    let name = text.split(' ').next().unwrap_or_default();
    let function = format!("fn {name}()");
    let mut found = false;
    for entry in WalkBuilder::new(root).build() {
        let path = entry?.into_path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            found |= fs::read_to_string(path)?.contains(&function);
        }
    }
    ensure!(found, "there is no test {name}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "# A\n\n- no item\n\n## Try\n\n- One.\n\n  ```console\n  $ ls\n  ```\n- Two:\n  what?\n\nNext: b\n";

    #[test]
    fn the_items_of_the_list_below_the_heading_are_those_to_try() {
        let items = items(README);
        assert_eq!(
            items,
            [
                (7, "- One.\n\n  ```console\n  $ ls\n  ```\n".to_owned()),
                (12, "- Two:\n  what?\n\n".to_owned())
            ]
        );
        assert_eq!(super::items("# A\n\n- no item\n"), []);
    }

    #[test]
    fn what_is_run_or_tested_or_only_asked_is_tried() {
        for (_, item) in items(README) {
            is_tried(&item).unwrap();
        }
        is_tried("- Two programs. <!-- tested by something -->").unwrap();
        let error = is_tried("- It prints 1.").unwrap_err().to_string();
        assert!(error.contains("nothing checks"), "{error}");
    }

    #[test]
    fn a_page_with_changes_says_how_to_undo_them() {
        says_how_to_undo(README, &items(README)).unwrap();
        let with_change = README.replace("```console", "```diff");
        says_how_to_undo(&with_change, &items(&with_change)).unwrap_err();
        let told = with_change.replace("## Try\n", "## Try\n\nUndo it: `git restore a`.\n");
        says_how_to_undo(&told, &items(&told)).unwrap();
    }

    #[test]
    fn a_test_that_is_named_is_there() {
        is_test("a_test_that_is_named_is_there -->", root()).unwrap();
        let error = is_test("nobody_at_all -->", root()).unwrap_err().to_string();
        assert_eq!(error, "there is no test nobody_at_all");
    }

    #[test]
    fn a_bold_answer_has_a_comment() {
        let readme = "**a**\n\n## Before you run it\n\nb\n1. **2** c\n## Run it\n\n**d**\n";
        assert_eq!(answers(readme), [(6, "1. **2** c")]);
        is_checked("1. **2** c").unwrap_err();
        is_checked("1. **2** <!-- answer: count \"c\" -->").unwrap();
    }
}
