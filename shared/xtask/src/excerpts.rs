//! The functions that the examples in `shared/own_work` replace, in the README there.

use std::fs;

use anyhow::{Context, Result};

use crate::readme_diffs::{END, replace};
use crate::steps::root;

const EXAMPLES: [&str; 3] = ["histogram", "sqlite", "filter"];

/// Writes them between the marks that the README has for them.
///
/// # Errors
///
/// If the README lacks a mark, an example has no such function, or a file cannot be read or written.
pub fn write() -> Result<()> {
    let folder = root().join("shared/own_work");
    let readme = folder.join("README.md");
    let before = fs::read_to_string(&readme).context("cannot read shared/own_work/README.md")?;
    let mut after = before.clone();
    for example in EXAMPLES {
        let file = folder.join("src/bin").join(example).join("consumer.rs");
        let code =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let excerpt = excerpt(&code).with_context(|| format!("{example} has no `process`"))?;
        let begin = format!("<!-- cargo x excerpt {example} -->");
        after = replace(&after, &begin, &format!("```rust\n{excerpt}```"))
            .with_context(|| format!("shared/own_work/README.md lacks `{begin}` and `{END}`"))?;
    }
    if after != before {
        fs::write(&readme, after).context("cannot write shared/own_work/README.md")?;
        println!("shared/own_work/README.md: excerpts written");
    }
    Ok(())
}

/// `process`, and the code after the implementation of `Consumer`.
fn excerpt(code: &str) -> Option<String> {
    let begin = code.find("    async fn process(")?;
    let comment = code[..begin].lines().rev().take_while(|line| line.starts_with("    ///"));
    let begin = begin - comment.map(|line| line.len() + 1).sum::<usize>();
    let (process, rest) = code[begin..].split_once("\n    }\n")?;
    let process = process.lines().map(|line| line.strip_prefix("    ").unwrap_or(line));
    let mut excerpt: String = process.flat_map(|line| [line, "\n"]).collect();
    excerpt += "}\n";
    let (_, implementation) = rest.split_once("\nimpl Consumer for ")?;
    let (_, helpers) = implementation.split_once("\n}\n")?;
    excerpt += helpers;
    Some(excerpt)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "\
impl SqsConsumer {
    fn start() {}

    /// Does it.
    /// All of it.
    async fn process(&self) {
        if true {

        }
    }

    async fn work_on() {}
}

impl Consumer for SqsConsumer {
    fn handle_events() {}
}
";
    const EXCERPT: &str = "\
/// Does it.
/// All of it.
async fn process(&self) {
    if true {

    }
}
";

    #[test]
    fn the_function_and_its_helpers_are_shown() {
        assert_eq!(excerpt(CODE).unwrap(), EXCERPT);
        let helper = "\nfn helper() {}\n";
        assert_eq!(excerpt(&(CODE.to_owned() + helper)).unwrap(), EXCERPT.to_owned() + helper);
    }

    #[test]
    fn without_the_function_there_is_nothing_to_show() {
        assert_eq!(excerpt("impl Consumer for X {\n}\n"), None);
    }
}
