//! Writes the difference to the step before into each README.

use std::fs;

use anyhow::{Context, Result, anyhow};

use crate::diff::{Colours, show, summary};
use crate::difference::between;
use crate::each::each;
use crate::steps::Step;
use crate::{code, steps};

pub const END: &str = "<!-- end of what cargo x made -->";

/// Writes each difference between the two marks in its README.
///
/// # Errors
///
/// If a README has no such marks, or cannot be read or written.
pub fn write() -> Result<()> {
    let steps = steps::all()?;
    each(steps.windows(2), |pair| write_one(&pair[0], &pair[1]))
}

fn write_one(from: &Step, to: &Step) -> Result<()> {
    let path = to.folder().join("README.md");
    let readme =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let begin = format!("<!-- cargo x diff {} {} -->", from.number, to.number);
    let renewed = replace(&readme, &begin, &block(from, to)?).ok_or_else(|| {
        anyhow!(
            "README of {} lacks its diff block: put `{begin}` and `{END}` in its place",
            to.name
        )
    })?;
    if renewed != readme {
        fs::write(&path, renewed).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}/README.md: diff written", to.name);
    }
    Ok(())
}

/// Makes the block: folded by HTML, and so with blank lines around the Markdown in it.
fn block(from: &Step, to: &Step) -> Result<String> {
    let (old, new) = (code::of(from)?, code::of(to)?);
    let differences = between(&old, &new);
    let (summary, diff) =
        (summary(&differences), show(from, to, &differences, &Colours::default()));
    Ok(format!("<details>\n<summary>{summary}</summary>\n\n```diff\n{diff}```\n\n</details>"))
}

/// Replaces the text between two marks. Each mark has a line of its own.
pub fn replace(text: &str, begin: &str, block: &str) -> Option<String> {
    let (before, rest) = text.split_once(&format!("{begin}\n"))?;
    let end = if rest.starts_with(END) { 0 } else { rest.find(&format!("\n{END}"))? + 1 };
    Some(format!("{before}{begin}\n{block}\n{}", &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- cargo x diff 4 5 -->";

    #[test]
    fn what_is_between_the_marks_is_replaced_and_nothing_else() {
        let readme = format!("# Step 5\n\n{BEGIN}\nold\n\nold\n{END}\n\n## Try\n");
        let renewed = replace(&readme, BEGIN, "new\nnew").unwrap();
        assert_eq!(renewed, format!("# Step 5\n\n{BEGIN}\nnew\nnew\n{END}\n\n## Try\n"));
        assert_eq!(replace(&renewed, BEGIN, "new\nnew").unwrap(), renewed);
    }

    #[test]
    fn there_can_be_nothing_between_them_yet() {
        let renewed = replace(&format!("{BEGIN}\n{END}\n"), BEGIN, "new").unwrap();
        assert_eq!(renewed, format!("{BEGIN}\nnew\n{END}\n"));
    }

    #[test]
    fn both_marks_must_be_there() {
        for readme in ["", BEGIN, END] {
            assert_eq!(replace(&format!("{readme}\n"), BEGIN, "new"), None, "{readme}");
        }
        let other = format!("<!-- cargo x diff 3 4 -->\n{END}\n");
        assert_eq!(replace(&other, BEGIN, "new"), None);
    }

    #[test]
    fn the_block_is_markdown_within_html() {
        let steps = steps::all().unwrap();
        let block = block(&steps[0], &steps[1]).unwrap();
        assert!(block.contains("</summary>\n\n```diff\n--- "), "{block}");
        assert!(block.ends_with("\n```\n\n</details>"), "{block}");
    }
}
