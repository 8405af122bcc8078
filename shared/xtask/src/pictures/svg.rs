//! Writes SVG with selectable text, in colours that follow the reader's theme.

use std::fmt::{Display, Write};

/// The font size, as in style.css. Everything else is measured by it.
pub const FONT: i32 = 15;
pub const MARGIN: i32 = 16;
/// In a narrower picture, browsers would scale the text up too much.
pub const LEAST_WIDTH: i32 = 540;
/// How much of a picture a telephone shows at once. A wider picture scrolls there, but the lines above and below it are no wider.
const TELEPHONE: i32 = 660;

/// A picture that is being drawn. Its id is the file's name, and every id and rule in it begins with that, so that one
/// page can hold several pictures.
pub struct Svg {
    id: String,
    width: i32,
    height: i32,
    body: String,
}

/// Which part of a text is at its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub fn new(id: &str, width: i32, height: i32) -> Self {
        Self { id: id.to_owned(), width, height, body: String::new() }
    }

    /// An element without contents.
    pub fn element(&mut self, name: &str, class: &str, attributes: &[(&str, &dyn Display)]) {
        let _ = write!(self.body, "<{name} class=\"{class}\"");
        for (attribute, value) in attributes {
            let _ = write!(self.body, " {attribute}=\"{}\"", escaped(&value.to_string()));
        }
        self.body.push_str("/>\n");
    }

    /// Draws the event of a row. The player finds it by the row's number.
    pub fn row(&mut self, row: usize, draw: impl FnOnce(&mut Self)) {
        self.marked(&[("data-row", row.to_string())], draw);
    }

    /// The same for an event that lasts from one row to another, or until the picture ends.
    pub fn stretch(&mut self, from: usize, to: Option<usize>, draw: impl FnOnce(&mut Self)) {
        let to = to.map(|to| to.to_string()).unwrap_or_default();
        self.marked(&[("data-from", from.to_string()), ("data-to", to)], draw);
    }

    /// Draws an element that the player finds by these attributes. Those that are empty are left out.
    pub fn marked(&mut self, attributes: &[(&str, String)], draw: impl FnOnce(&mut Self)) {
        let shown = attributes.iter().filter(|(_, value)| !value.is_empty());
        let shown: Vec<_> =
            shown.map(|(name, value)| format!(" {name}=\"{}\"", escaped(value))).collect();
        if shown.is_empty() {
            return draw(self);
        }
        let _ = writeln!(self.body, "<g{}>", shown.concat());
        draw(self);
        self.body.push_str("</g>\n");
    }

    pub fn line(&mut self, class: &str, (x1, y1): (i32, i32), (x2, y2): (i32, i32)) {
        self.element("line", class, &[("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)]);
    }

    pub fn rect(
        &mut self,
        class: &str,
        (x, y): (i32, i32),
        (width, height): (i32, i32),
        round: i32,
    ) {
        self.element(
            "rect",
            class,
            &[("x", &x), ("y", &y), ("width", &width), ("height", &height), ("rx", &round)],
        );
    }

    pub fn path(&mut self, class: &str, d: &str) {
        self.element("path", class, &[("d", &d)]);
    }

    pub fn circle(&mut self, class: &str, (x, y): (i32, i32), radius: i32) {
        self.element("circle", class, &[("cx", &x), ("cy", &y), ("r", &radius)]);
    }

    pub fn text(&mut self, class: &str, (x, y): (i32, i32), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        let _ = writeln!(
            self.body,
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    /// The title, and the sentence below it.
    pub fn caption(&mut self, title: &str, lesson: &str) {
        self.text("title", (MARGIN, 30), Anchor::Start, title);
        for (line, y) in lines_of(lesson, line_width(self.width)).iter().zip((54..).step_by(20)) {
            self.text("muted", (MARGIN, y), Anchor::Start, line);
        }
    }

    /// An arrow along these points. Each is straight above, below or beside the previous one.
    pub fn arrow(&mut self, class: &str, points: &[(i32, i32)]) {
        let &[.., before, tip] = points else { return };
        let (x, y) = ((tip.0 - before.0).signum(), (tip.1 - before.1).signum());
        // The line ends inside the head, because the tip is narrower than the line.
        let (back_x, back_y) = (tip.0 - 11 * x, tip.1 - 11 * y);
        let mut line = String::new();
        for (index, point) in points.iter().enumerate() {
            let step = if index == 0 { 'M' } else { 'L' };
            let end = if *point == tip { (tip.0 - 8 * x, tip.1 - 8 * y) } else { *point };
            let _ = write!(line, "{step}{} {}", end.0, end.1);
        }
        self.path(class, &line);
        let sides = [(back_x + 6 * y, back_y + 6 * x), (back_x - 6 * y, back_y - 6 * x)];
        let [(x1, y1), (x2, y2)] = sides;
        let (tip_x, tip_y) = tip;
        self.path(&format!("{class} head"), &format!("M{tip_x} {tip_y}L{x1} {y1}L{x2} {y2}Z"));
    }

    /// The whole file, with a title and a description for screen readers.
    pub fn finish(self, title: &str, description: &str) -> String {
        let Self { id, width, height, body } = self;
        let (title, description) = (escaped(title), escaped(description));
        let style = style(&id);
        let paper =
            format!("<rect class=\"paper\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>");
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" id=\"{id}\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-desc\">\n\
             <title id=\"{id}-title\">{title}</title>\n\
             <desc id=\"{id}-desc\">{description}</desc>\n\
             <style>\n{style}</style>\n{paper}\n{body}</svg>\n"
        )
    }
}

/// Estimates the width of a text in a wide font.
pub fn width_of(text: &str) -> i32 {
    let tenths: i32 = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | 't' | 'f' | 'r' | '.' | ',' | ':' | '\'' | '(' | ')' | ' ' | '/' => 4,
            'm' | 'w' | 'M' | 'W' | '…' | '×' => 9,
            'A'..='Z' => 7,
            _ => 6,
        })
        .sum();
    tenths * FONT / 10
}

/// Estimates the width of a text in bold.
pub fn bold_width_of(text: &str) -> i32 {
    width_of(text) * 11 / 10
}

/// The width of the lines above and below a picture of this width.
pub fn line_width(width: i32) -> i32 {
    width.min(TELEPHONE) - 2 * MARGIN
}

/// Breaks a text into lines of at most this width.
pub fn lines_of(text: &str, width: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width_of(line) + width_of(word) + FONT / 2 <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The rules of style.css, limited to this picture.
///
/// Its first two lines are the colours. The reader's system chooses light or dark, unless the page around the picture
/// does: mdBook by the name of its theme, other pages by `light` or `dark`. Text has a contrast of at least 4.5, and
/// no two things differ in colour alone.
fn style(id: &str) -> String {
    let mut style = String::new();
    for rule in include_str!("style.css").lines() {
        let (selectors, declarations) = rule.split_once('{').unwrap_or((rule, ""));
        let _ = match selectors {
            "light" => {
                writeln!(style, "#{id}{{{declarations}\n:is(.light,.rust) #{id}{{{declarations}")
            }
            "dark" => writeln!(
                style,
                "@media (prefers-color-scheme:dark){{#{id}{{{declarations}}}\n\
                 :is(.dark,.coal,.navy,.ayu) #{id}{{{declarations}"
            ),
            _ => {
                let selectors: Vec<_> =
                    selectors.split(',').map(|selector| format!("#{id} {selector}")).collect();
                writeln!(style, "{}{{{declarations}", selectors.join(","))
            }
        };
    }
    style
}
