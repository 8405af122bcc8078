//! Markdown as HTML, as far as the notes have it. Links are only their text, because a deck leads nowhere.

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// The Markdown as HTML.
pub fn of_markdown(text: &str) -> String {
    of_events(Parser::new(text))
}

/// Parts of Markdown as HTML.
pub fn of_events<'a>(events: impl IntoIterator<Item = Event<'a>>) -> String {
    let mut html = String::new();
    for event in events {
        match event {
            Event::Start(tag) => html += start_of(&tag),
            Event::End(end) => html += end_of(end),
            Event::Text(text) => html += &escaped(&text),
            Event::Code(text) => html.extend(["<code>", &escaped(&text), "</code>"]),
            Event::SoftBreak | Event::HardBreak => html.push('\n'),
            _ => {}
        }
    }
    html
}

fn start_of(tag: &Tag) -> &'static str {
    match tag {
        Tag::Paragraph => "<p>",
        Tag::Strong => "<strong>",
        Tag::Emphasis => "<em>",
        Tag::List(_) => "<ul>",
        Tag::Item => "<li>",
        Tag::CodeBlock(_) => "<pre>",
        _ => "",
    }
}

fn end_of(end: TagEnd) -> &'static str {
    match end {
        TagEnd::Paragraph => "</p>",
        TagEnd::Strong => "</strong>",
        TagEnd::Emphasis => "</em>",
        TagEnd::List(_) => "</ul>",
        TagEnd::Item => "</li>",
        TagEnd::CodeBlock => "</pre>",
        _ => "",
    }
}

/// Text as HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html_and_leads_nowhere() {
        assert_eq!(
            of_markdown("**Say:** \"a *b*\" & [`c`](d), `<e>`"),
            "<p><strong>Say:</strong> &quot;a <em>b</em>&quot; &amp; <code>c</code>, <code>&lt;e&gt;</code></p>"
        );
    }
}
