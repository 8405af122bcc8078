//! Changes the links and pictures of a page for the book.

use std::ops::Range;

use anyhow::{Context, Result, ensure};
use pulldown_cmark::{Event, LinkType, Options, Parser, Tag};

use super::picture;

/// Changes the Markdown `text` of `file` for the book. `link` gives the new target of a link to another file.
///
/// # Errors
///
/// If `link` fails, or if this function does not understand a link or a picture.
pub fn put_right(
    text: &str,
    file: &str,
    link: &mut impl FnMut(&str) -> Result<String>,
) -> Result<String> {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Link { link_type, dest_url, title, .. }) if is_local(&dest_url) => {
                ensure!(link_type == LinkType::Inline, "the link to {dest_url} is not inline");
                let title = if title.is_empty() { title } else { format!(" \"{title}\"").into() };
                let target = link(&dest_url)?;
                edits.push((after_the_text(text, range)?, format!("]({target}{title})")));
            }
            Event::Start(Tag::Image { dest_url, .. }) if is_local(&dest_url) => {
                ensure!(
                    is_alone(text, &range),
                    "the picture {dest_url} does not have its lines for itself"
                );
                edits.push((range, picture::inline(&join(file, &dest_url)?)?));
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                let leads_somewhere = html.contains("href=") || html.contains("src=");
                ensure!(
                    !leads_somewhere,
                    "a link in HTML, which Markdown has its own form for: {html}"
                );
            }
            _ => {}
        }
    }
    let mut result = text.to_owned();
    edits.sort_by_key(|(range, _)| range.start);
    for (range, replacement) in edits.into_iter().rev() {
        result.replace_range(range, &replacement);
    }
    Ok(result)
}

/// The path in the repository to which the link `to` in `file` leads.
///
/// # Errors
///
/// If it leads out of the repository.
pub fn join(file: &str, to: &str) -> Result<String> {
    let mut path: Vec<&str> = file.split('/').collect();
    path.pop();
    for part in to.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                path.pop().with_context(|| format!("{to} is outside the repository"))?;
            }
            name => path.push(name),
        }
    }
    Ok(path.join("/"))
}

/// Whether a link leads to another file, and neither to the network nor to the same page.
fn is_local(to: &str) -> bool {
    !to.contains(':') && !to.starts_with('#')
}

/// The range of `](…)` in the link or picture at `range`.
fn after_the_text(text: &str, range: Range<usize>) -> Result<Range<usize>> {
    let start = text[range.clone()].rfind("](").context("a link without ](")?;
    Ok(range.start + start..range.end)
}

fn is_alone(text: &str, range: &Range<usize>) -> bool {
    let before = text[..range.start].rsplit('\n').next().unwrap_or_default();
    let after = text[range.end..].split('\n').next().unwrap_or_default();
    before.trim().is_empty() && after.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_x(text: &str) -> Result<String> {
        put_right(text, "README.md", &mut |to| Ok(format!("x/{to}")))
    }

    #[test]
    fn only_what_leads_to_a_file_is_changed() {
        let text = "[a](b), [`c`](../d#e \"f\"), [g](https://h.i/j), [k](#l), `[m](n)`\n\n```\n[o](p)\n```";
        let right = "[a](x/b), [`c`](x/../d#e \"f\"), [g](https://h.i/j), [k](#l), `[m](n)`\n\n```\n[o](p)\n```";
        assert_eq!(to_x(text).unwrap(), right);
    }

    #[test]
    fn a_table_has_links_too() {
        assert_eq!(to_x("| a |\n|---|\n| [b](c) |").unwrap(), "| a |\n|---|\n| [b](x/c) |");
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        to_x("[a][b]\n\n[b]: c").unwrap_err();
        to_x("<a href=\"b\">c</a>").unwrap_err();
        to_x("![a](no/such.svg)").unwrap_err();
        to_x("Look at ![a](no/such.svg) here").unwrap_err();
    }

    #[test]
    fn paths_are_joined_as_a_browser_does() {
        assert_eq!(join("a/README.md", "src/b.rs").unwrap(), "a/src/b.rs");
        assert_eq!(join("a/README.md", "../b/./c/").unwrap(), "b/c");
        join("README.md", "../a").unwrap_err();
    }
}
