//! Reads the talk notes: the parts with their minutes, and the slides of each part.

use std::fmt::Write;
use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use super::html;

/// A part of the talk.
#[derive(Debug)]
pub struct Part {
    pub title: String,
    pub minutes: u32,
    /// Its minutes in a talk of 25.
    pub minutes_if_short: u32,
    pub items: Vec<Item>,
    /// The things to leave out if late.
    late: String,
}

/// A line of the notes, or a block with commands.
#[derive(Debug)]
pub struct Item {
    pub kind: Kind,
    /// For the speaker.
    pub html: String,
    /// The words in code, such as `pull`.
    pub code: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// A sentence to say.
    Say(String),
    /// A question for the room.
    Ask(String),
    /// Functions and other items in a file, by its path as seen from the notes.
    Show(Vec<(String, Vec<String>)>),
    /// Commands to type.
    Type(Vec<String>),
    PointAt,
    Other,
}

/// Reads all parts.
///
/// # Errors
///
/// If a part of the table has no section, or something in it is not understood.
pub fn read(text: &str) -> Result<Vec<Part>> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ["));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let &[name, minutes, _, if_short, ..] = &cells[..] else { bail!("{row} lacks a cell") };
        let (title, _) = name.split_once(']').with_context(|| format!("{name} is no link"))?;
        let number = |cell: &str| cell.parse().with_context(|| format!("{cell} is no number"));
        let (minutes, minutes_if_short) = (number(minutes)?, number(if_short)?);
        let section = section(text, title).with_context(|| format!("no section {title:?}"))?;
        let mut items = items(section).with_context(|| title.to_owned())?;
        let late = items.iter().position(|item| item.html.starts_with("<strong>Late:"));
        let late = late.map(|at| items.remove(at).html).unwrap_or_default();
        Ok(Part { title: title.to_owned(), minutes, minutes_if_short, items, late })
    })
    .collect()
}

impl Part {
    /// The number of the step that it is about.
    pub fn step(&self) -> Option<u8> {
        self.title.strip_prefix("Step ")?.split_once(':')?.0.parse().ok()
    }

    /// Whether a talk that is short or late leaves this out.
    pub fn leaves_out(&self, kind: &Kind) -> bool {
        let names = |word| self.late.contains(word);
        match kind {
            Kind::Say(_) => false,
            _ if names("all of it") => true,
            Kind::Show(_) => names("code"),
            Kind::Ask(_) => names("question"),
            Kind::Type(lines) => {
                names("command") && !names("last command")
                    || names("--watch") && lines.iter().any(|line| line.contains("--watch"))
            }
            Kind::PointAt | Kind::Other => false,
        }
    }
}

/// All parts as the speaker's window shows them.
pub fn aside(parts: &[Part]) -> String {
    let mut all = String::new();
    for (number, part) in parts.iter().enumerate() {
        let Part { title, minutes, minutes_if_short, late, .. } = part;
        let title = html::escaped(title);
        let _ = write!(
            all,
            "<article data-part=\"{number}\" data-minutes=\"{minutes}\" data-minutes-if-short=\"{minutes_if_short}\">\n\
             <h2>{title}</h2>\n<ul>\n"
        );
        for (index, item) in part.items.iter().enumerate() {
            let _ = writeln!(all, "<li data-item=\"{index}\">{}</li>", item.html);
        }
        if !late.is_empty() {
            let _ = writeln!(all, "<li class=\"late\">{late}</li>");
        }
        all += "</ul>\n</article>\n";
    }
    all
}

fn section<'a>(text: &'a str, title: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\n## {title}\n"))?;
    Some(rest.split("\n## ").next().unwrap_or(rest))
}

/// The lines of the lists in a section, and its blocks of commands.
fn items(section: &str) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut begun: Option<Vec<Event>> = None;
    for (event, range) in Parser::new(section).into_offset_iter() {
        match event {
            Event::Start(Tag::Item) => begun = Some(Vec::new()),
            Event::End(TagEnd::Item) => items.push(item(begun.take().unwrap_or_default())?),
            Event::Start(Tag::CodeBlock(_)) => items.push(commands(section, range)),
            event => begun.iter_mut().for_each(|events| events.push(event.clone())),
        }
    }
    Ok(items)
}

fn commands(section: &str, block: Range<usize>) -> Item {
    let lines = section[block].lines().filter_map(|line| line.strip_prefix("$ "));
    let lines: Vec<_> = lines.map(str::to_owned).collect();
    let html = format!("<pre>{}</pre>", html::escaped(&lines.join("\n")));
    Item { kind: Kind::Type(lines), html, code: Vec::new() }
}

fn item(events: Vec<Event>) -> Result<Item> {
    let label = match &events[..] {
        [Event::Start(Tag::Strong), Event::Text(label), ..] => label.to_string(),
        _ => String::new(),
    };
    let code: Vec<_> = events.iter().filter_map(code_of).collect();
    let kind = match label.as_str() {
        "Say:" => Kind::Say(quoted(&events)?),
        "Ask:" => Kind::Ask(quoted(&events)?),
        "Show:" => Kind::Show(places(&events)?),
        "Point at:" => Kind::PointAt,
        "Late:" | "" => Kind::Other,
        unknown => bail!("{unknown} is not known: it can be Say, Ask, Show, Point at or Late"),
    };
    Ok(Item { kind, html: html::of_events(events), code })
}

fn code_of(event: &Event) -> Option<String> {
    match event {
        Event::Code(code) => Some(code.to_string()),
        _ => None,
    }
}

/// The text between the first and the last quotation mark, as HTML.
fn quoted(events: &[Event]) -> Result<String> {
    let html = html::of_events(events.iter().cloned());
    let (from, to) = (html.find("&quot;"), html.rfind("&quot;"));
    let (Some(from), Some(to)) = (from, to) else { bail!("{html} has no quotation") };
    ensure!(from < to, "{html} has one quotation mark");
    Ok(html[from + "&quot;".len()..to].to_owned())
}

/// Files, each with the names in code that stand before its link.
fn places(events: &[Event]) -> Result<Vec<(String, Vec<String>)>> {
    let (mut places, mut names, mut in_link) = (Vec::new(), Vec::new(), false);
    for event in events {
        match event {
            Event::Code(name) if !in_link => names.push(name.to_string()),
            Event::Start(Tag::Link { dest_url, .. }) => {
                ensure!(!names.is_empty(), "nothing is named before {dest_url}");
                places.push((dest_url.to_string(), std::mem::take(&mut names)));
                in_link = true;
            }
            Event::End(TagEnd::Link) => in_link = false,
            _ => {}
        }
    }
    ensure!(!places.is_empty(), "it names no file");
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTES: &str = "\
| Part | Minutes | It starts at | In 25 minutes |
|---|---:|---:|---:|
| [Step 3: a part](#step-3-a-part) | 2 | 0:00 | 1 |

## Step 3: a part

2 minutes.

- **Ask:** \"Why `a`?\"

```console
$ cargo run
```

- **Show:** `f` and `impl G for H` in [`a.rs`](../a.rs), and `i` in [`b.rs`](b.rs): `j`.
- **Late:** the code.

## Another
";

    #[test]
    fn each_line_of_the_notes_is_read_with_its_kind() {
        let parts = read(NOTES).unwrap();
        let [part] = &parts[..] else { panic!("{parts:?}") };
        assert_eq!((part.step(), part.minutes, part.minutes_if_short), (Some(3), 2, 1));
        let kinds: Vec<_> = part.items.iter().map(|item| &item.kind).collect();
        let show = [("../a.rs", &["f", "impl G for H"][..]), ("b.rs", &["i"])];
        let show = show.map(|(file, names)| {
            (file.to_owned(), names.iter().map(|&name| name.to_owned()).collect())
        });
        let show = Kind::Show(show.to_vec());
        let question = Kind::Ask("Why <code>a</code>?".to_owned());
        let command = Kind::Type(vec!["cargo run".to_owned()]);
        assert_eq!(kinds, [&question, &command, &show]);
        assert!(part.leaves_out(&show) && !part.leaves_out(&question));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for (right, wrong) in [("**Ask:**", "**Aks:**"), ("\"Why", "Why"), ("| 1 |", "| one |")] {
            assert!(read(&NOTES.replace(right, wrong)).is_err(), "{wrong}");
        }
        assert!(read(&NOTES.replace("## Step 3", "## Step 4")).is_err());
    }
}
