//! Pictures are part of the page's HTML, so that they have its colours and their text can be selected.

use std::fs;
use std::io::Write;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::steps::root;

/// How far a picture may shrink on a narrow screen, in percent: its letters, of 15 pixels, become
/// those of 8.25. After that it scrolls.
const SMALLEST: u32 = 55;

/// The SVG at `path` as HTML, with the recording beside it, and those of the same run with other numbers, if there are any: the
/// player needs all of it, and a page that is opened as a file can load nothing.
///
/// # Errors
///
/// If it cannot be read, or is no SVG.
pub fn inline(path: &str) -> Result<String> {
    let text = fs::read_to_string(root().join(path))
        .with_context(|| format!("cannot read the picture {path}"))?;
    let mut scripts = String::new();
    if let Some(picture) = path.strip_suffix("-time.svg") {
        scripts += &recording(picture)?;
        if let Some(json) = file(picture, "what-if")? {
            scripts += &script("what-if", &packed(&json)?);
        }
    }
    figure(&text, &scripts).with_context(|| format!("{path} is no SVG"))
}

/// The recording of a picture of time, as HTML. The path is that of the picture, up to `-time.svg`.
///
/// # Errors
///
/// If it cannot be read.
pub fn recording(picture: &str) -> Result<String> {
    Ok(file(picture, "time")?.map(|json| script("recording", &json)).unwrap_or_default())
}

fn file(picture: &str, end: &str) -> Result<Option<String>> {
    let path = root().join(format!("{picture}-{end}.json"));
    if path.exists() { Ok(Some(fs::read_to_string(path)?)) } else { Ok(None) }
}

fn script(class: &str, content: &str) -> String {
    // No text in it may end the element.
    let content = content.trim().replace('<', "\\u003c");
    format!("<script class=\"{class}\" type=\"application/json\">{content}</script>\n")
}

/// Compressed, in hexadecimal digits, as a text of JSON: the pictures of many runs are much alike.
fn packed(json: &str) -> Result<String> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(json.as_bytes())?;
    Ok(format!("\"{}\"", hex::encode(gzip.finish()?)))
}

fn figure(svg: &str, scripts: &str) -> Result<String> {
    // A page of HTML has no use for the declaration of XML before it.
    let start = svg.find("<svg").context("it has no <svg")?;
    // An empty line would end the HTML in Markdown.
    let lines: Vec<&str> = svg[start..].lines().filter(|line| !line.trim().is_empty()).collect();
    let least = width(&svg[start..]).context("its <svg> has no width")? * SMALLEST / 100;
    Ok(format!(
        "<figure class=\"picture\" style=\"--least-width: {least}px\">\n{}\n{scripts}</figure>",
        lines.join("\n")
    ))
}

/// That of the first element, in whole pixels.
fn width(svg: &str) -> Option<u32> {
    let (element, _) = svg.split_once('>')?;
    element.split_once(" width=\"")?.1.split_once('"')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_in_a_page_and_has_no_empty_lines() {
        let svg = "<?xml version=\"1.0\"?>\n<svg width=\"200\">\n\n<text>a</text>\n  \n</svg>\n";
        let html = "<figure class=\"picture\" style=\"--least-width: 110px\">\n\
                    <svg width=\"200\">\n<text>a</text>\n</svg>\n</figure>";
        assert_eq!(figure(svg, "").unwrap(), html);
        figure("GIF89a", "").unwrap_err();
        figure("<svg><rect width=\"2\"/></svg>", "").unwrap_err();
    }

    #[test]
    fn no_text_of_a_recording_ends_its_element() {
        assert_eq!(
            script("recording", "{\"said\":\"</script><!--\"}\n"),
            "<script class=\"recording\" type=\"application/json\">\
             {\"said\":\"\\u003c/script>\\u003c!--\"}</script>\n"
        );
    }
}
