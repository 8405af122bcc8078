//! A recording: asciinema's format, version 2.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The size of the terminal. Letters of 20 pixels fill a slide with this many columns.
const SIZE: (u64, u64) = (98, 20);

/// The output, with the time of each piece in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cast {
    title: String,
    /// Columns and rows.
    size: (u64, u64),
    /// The longest wait of a player, in seconds.
    longest_wait: Value,
    pub events: Vec<(u32, String)>,
    /// Where it stops: after the events of these numbers, because of these texts.
    pub marks: BTreeMap<usize, String>,
}

impl Cast {
    pub fn new(title: String) -> Self {
        Self {
            title,
            size: SIZE,
            longest_wait: json!(1),
            events: Vec::new(),
            marks: BTreeMap::new(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it is no recording.
    pub fn of(text: &str) -> Result<Self> {
        let mut cast = Self::new(String::new());
        for line in text.lines() {
            if let Some(event) = cast.read(line)? {
                cast.events.push(event);
            } else if let Some((_, mark)) = read(line, "m")?
                && let Some(before) = cast.events.len().checked_sub(1)
            {
                cast.marks.insert(before, mark);
            }
        }
        Ok(cast)
    }

    /// Reads a line. Returns the event that it has. The first line tells of the terminal instead.
    ///
    /// # Errors
    ///
    /// If it is no line of a recording.
    pub fn read(&mut self, line: &str) -> Result<Option<(u32, String)>> {
        if !line.starts_with('{') {
            return read(line, "o");
        }
        let head: Value = serde_json::from_str(line)?;
        if self.title.is_empty() {
            head["title"].as_str().unwrap_or_default().clone_into(&mut self.title);
        }
        let number = |name: &str| head[name].as_u64().with_context(|| format!("it has no {name}"));
        self.size = (number("width")?, number("height")?);
        self.longest_wait.clone_from(&head["idle_time_limit"]);
        Ok(None)
    }

    /// The same with a mark at each of these texts, one after the other. Texts that are not there have no mark.
    pub fn marked(mut self, texts: &[String]) -> Self {
        self.marks.clear();
        let mut from = 0;
        for text in texts {
            let found = self.events[from..].iter().position(|(_, line)| line.contains(text));
            if let Some(found) = found {
                self.marks.insert(from + found, text.clone());
                from += found + 1;
            }
        }
        self
    }

    /// The same with a mark after all that was printed by these milliseconds.
    pub fn stopping(mut self, stops: &[(u32, &str)]) -> Self {
        for (stop, text) in stops {
            let by_then = self.events.iter().rposition(|(at, _)| at <= stop);
            self.marks.extend(by_then.map(|last| (last, (*text).to_owned())));
        }
        self
    }

    /// The same without the stops that are not among these texts. If there are such, it ends at the last one that is.
    pub fn up_to(mut self, texts: &[String]) -> Self {
        let all = self.marks.len();
        self.marks.retain(|_, mark| texts.contains(mark));
        if let Some((last, _)) = self.marks.last_key_value().filter(|_| self.marks.len() < all) {
            self.events.truncate(last + 1);
        }
        self
    }

    /// In asciinema's format, version 2.
    pub fn to_text(&self) -> String {
        let (width, height) = self.size;
        let head = json!({
            "version": 2, "width": width, "height": height, "title": self.title,
            "idle_time_limit": self.longest_wait,
        });
        let mut events = vec![head];
        for (number, (at, text)) in self.events.iter().enumerate() {
            let seconds = f64::from(*at) / 1000.0;
            events.push(json!([seconds, "o", text]));
            events.extend(self.marks.get(&number).map(|mark| json!([seconds, "m", mark])));
        }
        events.iter().map(|event| event.to_string() + "\n").collect()
    }
}

/// An event of this kind, if the line has one: its milliseconds and its text.
fn read(line: &str, wanted: &str) -> Result<Option<(u32, String)>> {
    if line.starts_with('{') {
        return Ok(None);
    }
    let (seconds, kind, text): (f64, String, String) =
        serde_json::from_str(line).with_context(|| format!("cannot read {line}"))?;
    let at = u32::try_from(Duration::try_from_secs_f64(seconds)?.as_millis())?;
    Ok((kind == wanted).then_some((at, text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast(lines: &[&str]) -> Cast {
        let lines = lines.iter().zip(0..).map(|(line, at)| (at * 500, format!("{line}\r\n")));
        Cast { events: lines.collect(), ..Cast::new("a".to_owned()) }
    }

    #[test]
    fn a_recording_is_marked_where_the_notes_point_at() {
        let texts = ["b", "b", "nothing"].map(str::to_owned);
        let marked = cast(&["a", "b1", "c", "b2"]).marked(&texts);
        let text = marked.to_text();
        let events: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            events,
            [
                r#"[0.0,"o","a\r\n"]"#,
                r#"[0.5,"o","b1\r\n"]"#,
                r#"[0.5,"m","b"]"#,
                r#"[1.0,"o","c\r\n"]"#,
                r#"[1.5,"o","b2\r\n"]"#,
                r#"[1.5,"m","b"]"#
            ]
        );
        assert!(text.starts_with(
            r#"{"height":20,"idle_time_limit":1,"title":"a","version":2,"width":98}"#
        ));
        assert_eq!(Cast::of(&text).unwrap(), marked);
    }

    #[test]
    fn a_recording_stops_at_a_time() {
        let stopping = cast(&["a", "b", "c"]).stopping(&[(700, "b"), (1000, "c")]);
        let marks: Vec<_> = stopping.marks.iter().map(|(at, mark)| (*at, &**mark)).collect();
        assert_eq!(marks, [(1, "b"), (2, "c")]);
        let stops_at_b = stopping.clone().up_to(&["b".to_owned()]);
        assert_eq!((stops_at_b.events.len(), stops_at_b.marks.len()), (2, 1));
        assert_eq!(stopping.clone().up_to(&["b".to_owned(), "c".to_owned()]), stopping);
    }
}
