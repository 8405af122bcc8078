//! Text from outside, such as keys, error messages and file names, made safe to show in a terminal or a log.
//!
//! Such text could otherwise forge lines, or send commands to the terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a terminal or a reader of lines could take this character for more than text.
fn is_special(c: char) -> bool {
    // Both ranges of control characters, line and paragraph separators, and the marks that turn text around.
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text on one line, with special characters as Rust writes them: `\n` or `\u{1b}`.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, is_special, |line, c| line.extend(c.escape_default()))
}

/// The same JSON, with special characters as JSON writes them: `\u009b`. JSON never has the first 32 control
/// characters in a string, and ends a line with one of them.
pub(crate) fn plain_json(json: &str) -> Cow<'_, str> {
    let is_special = |c| c >= '\x7f' && is_special(c);
    escaped(json, is_special, |line, c| {
        let _ = write!(line, "\\u{:04x}", u32::from(c)); // Writing to a string never fails.
    })
}

fn escaped(
    text: &str,
    is_special: impl Fn(char) -> bool,
    escape: impl Fn(&mut String, char),
) -> Cow<'_, str> {
    if !text.contains(&is_special) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_special(c) {
            escape(&mut line, c);
        } else {
            line.push(c);
        }
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_does_no_harm_stays_as_it_is() {
        for text in ["", "plain", "ünï/日本/🦀", r"C:\new", "שלום"] {
            assert!(matches!(plain(text), Cow::Borrowed(it) if it == text));
            assert!(matches!(plain_json(text), Cow::Borrowed(it) if it == text));
        }
    }

    #[test]
    fn no_special_character_is_left() {
        assert_eq!(plain("a\nb\r\tc\0"), r"a\nb\r\tc\u{0}");
        assert_eq!(plain("\x1b[31m\u{9b}31m\x7f"), r"\u{1b}[31m\u{9b}31m\u{7f}");
        assert_eq!(plain("\u{202e}gpj.exe\u{2066}\u{2028}"), r"\u{202e}gpj.exe\u{2066}\u{2028}");
        let all: String = ('\0'..='\u{ffff}').collect();
        assert!(!plain(&all).contains(is_special));
    }

    #[test]
    fn json_keeps_its_value() {
        let all: String = ('\0'..='\u{ffff}').collect();
        let json = serde_json::to_string(&all).unwrap();
        let plain = plain_json(&json);
        assert!(!plain.contains(is_special));
        assert_eq!(serde_json::from_str::<String>(&plain).unwrap(), all);
    }
}
