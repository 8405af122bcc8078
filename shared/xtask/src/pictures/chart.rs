//! A frame for curves: axes with their labels, and a place for each pair of numbers.

use super::svg::{Anchor, Svg};

/// A rectangle of a picture in which numbers have places.
pub struct Chart {
    /// Its left end, and its right end.
    pub x: (i32, i32),
    /// Its lower end, and its upper end.
    pub y: (i32, i32),
    /// The numbers at the left end and at the right end.
    pub across: (f64, f64),
    /// The numbers at the lower end and at the upper end.
    pub up: (f64, f64),
}

impl Chart {
    pub fn x(&self, number: f64) -> i32 {
        place(number, self.across, self.x)
    }

    pub fn y(&self, number: f64) -> i32 {
        place(number, self.up, self.y)
    }

    /// Draws the axes, a label for each of these numbers, and a title above the upright axis.
    pub fn draw(&self, svg: &mut Svg, title: &str, across: &[(f64, String)], up: &[(f64, String)]) {
        let (left, right) = self.x;
        svg.text("muted", (left, self.y.1 - 14), Anchor::Start, title);
        for (number, label) in up {
            let y = self.y(*number);
            svg.line("life", (left, y), (right, y));
            svg.text("muted", (left - 8, y + 5), Anchor::End, label);
        }
        for (number, label) in across {
            let x = self.x(*number);
            svg.line("axis", (x, self.y.0), (x, self.y.0 + 5));
            svg.text("muted", (x, self.y.0 + 22), Anchor::Middle, label);
        }
        svg.line("axis", (left, self.y.0), (right, self.y.0));
    }

    /// Draws a curve through these points.
    pub fn curve(&self, svg: &mut Svg, class: &str, points: impl Iterator<Item = (f64, f64)>) {
        let points = points.map(|(x, y)| format!("{} {}", self.x(x), self.y(y)));
        svg.path(class, &format!("M{}", points.collect::<Vec<_>>().join("L")));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "pixels")]
fn place(number: f64, (low, high): (f64, f64), (first, last): (i32, i32)) -> i32 {
    let part = (number - low) / (high - low);
    (f64::from(first) + part * f64::from(last - first)).round() as i32
}

pub fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
