//! Writes SVG: text that can be selected, colours that follow the reader's theme, and no more.

use std::fmt::{Display, Write};

/// The size of the letters, as in style.css. All else is measured by it.
pub const FONT: i32 = 15;
pub const MARGIN: i32 = 16;
/// With less, the letters would be as large as the stages.
pub const LEAST_WIDTH: i32 = 540;

/// A picture under way. Its identifier is the file's name, and all that it defines is below that: several
/// pictures can be put into one page.
pub struct Svg {
    id: String,
    width: i32,
    height: i32,
    body: String,
}

/// Where a text is, seen from its point.
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

    /// The title, and what is to be seen.
    pub fn caption(&mut self, title: &str, lesson: &str) {
        self.text("title", (MARGIN, 30), Anchor::Start, title);
        for (line, y) in lines_of(lesson, self.width - 2 * MARGIN).iter().zip((54..).step_by(20)) {
            self.text("muted", (MARGIN, y), Anchor::Start, line);
        }
    }

    /// An arrow along these points, each straight above, below or beside the one before.
    pub fn arrow(&mut self, class: &str, points: &[(i32, i32)]) {
        let &[.., before, tip] = points else { return };
        let (x, y) = ((tip.0 - before.0).signum(), (tip.1 - before.1).signum());
        // The line ends within the head, which is sharper than the line is wide.
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

    /// The whole file, with what it is for those who do not see it.
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

/// About how wide a text is, in a font that is rather wide.
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

/// The same, in bold letters.
pub fn bold_width_of(text: &str) -> i32 {
    width_of(text) * 11 / 10
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

/// The rules of style.css, each for this picture alone.
///
/// Its first two lines are the colours. The reader's system chooses light or dark, unless the page around the picture
/// says which: mdBook by the name of a theme, other pages by `light` or `dark`. Each pair of colours has a contrast
/// of at least 4.5, and no two things differ in their colour alone.
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
