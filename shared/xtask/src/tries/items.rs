//! The items below a README's heading "Try".

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use ignore::WalkBuilder;

use super::read;
use crate::each::each;
use crate::steps::root;

/// Names the test that tries an item which takes several terminals.
const TESTED: &str = "<!-- tested by ";

/// Checks that each item is tried: that it has a `console` block, names a test that there is, or only asks.
///
/// # Errors
///
/// If one is not.
pub fn check(readme: &str) -> Result<()> {
    let text = read(readme)?;
    each(items(&text), |(line, item)| {
        is_tried(&item, root()).with_context(|| format!("{readme}: line {line}"))
    })
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

fn is_tried(item: &str, root: &Path) -> Result<()> {
    if let Some((_, test)) = item.split_once(TESTED) {
        let test = test.split(' ').next().unwrap_or_default();
        return ensure_test(test, root);
    }
    ensure!(
        item.contains("  ```console") || item.trim_end().ends_with('?'),
        "nothing checks what this proposes: show what is printed in a `console` block, or only ask"
    );
    Ok(())
}

fn ensure_test(name: &str, root: &Path) -> Result<()> {
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
        let is_tried = |item| is_tried(item, root()).map_err(|error| format!("{error:#}"));
        for (_, item) in items(README) {
            assert_eq!(is_tried(&item), Ok(()));
        }
        let this = "what_is_run_or_tested_or_only_asked_is_tried";
        assert_eq!(is_tried(&format!("- Two programs. <!-- tested by {this} -->")), Ok(()));
        assert!(is_tried("- It prints 1.").unwrap_err().contains("nothing checks"));
        assert!(
            is_tried("- It prints. <!-- tested by nobody_at_all -->")
                .unwrap_err()
                .contains("no test nobody")
        );
    }
}
