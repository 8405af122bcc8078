//! Pictures: in the page itself, so that they have its colours and their text can be selected.

use std::fs;

use anyhow::{Context, Result};

use crate::steps::root;

/// The SVG `file` as HTML.
///
/// # Errors
///
/// If it cannot be read, or is no SVG.
pub fn inline(file: &str) -> Result<String> {
    let text = fs::read_to_string(root().join(file))
        .with_context(|| format!("cannot read the picture {file}"))?;
    figure(&text).with_context(|| format!("{file} is no SVG"))
}

fn figure(svg: &str) -> Result<String> {
    // What is before that is for a file of its own.
    let start = svg.find("<svg").context("it has no <svg")?;
    // An empty line would end the HTML in Markdown.
    let lines: Vec<&str> = svg[start..].lines().filter(|line| !line.trim().is_empty()).collect();
    Ok(format!("<figure class=\"picture\">\n{}\n</figure>", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_in_a_page_and_has_no_empty_lines() {
        let svg = "<?xml version=\"1.0\"?>\n<svg>\n\n<text>a</text>\n  \n</svg>\n";
        let html = "<figure class=\"picture\">\n<svg>\n<text>a</text>\n</svg>\n</figure>";
        assert_eq!(figure(svg).unwrap(), html);
        figure("GIF89a").unwrap_err();
    }
}
