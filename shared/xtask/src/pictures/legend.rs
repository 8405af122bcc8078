//! The legend of a picture of time.

use super::story::Story;
use super::svg::{Anchor, Svg, width_of};
use super::time::HALF;

/// The signs that a picture uses, and their meanings.
pub struct Legend {
    lines: Vec<Vec<(Sign, &'static str)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Ask,
    Event,
    Bar,
    Waits,
    None,
    Some,
    Cross,
}

impl Legend {
    /// The legend of this story, in lines of at most this width.
    pub fn of(story: &Story, width: i32) -> Self {
        let mut signs = vec![(Sign::Ask, "ask"), (Sign::Event, "events")];
        if !story.bars.is_empty() {
            signs.push((Sign::Bar, "handles events"));
        }
        if story.bars.iter().any(|bar| bar.waits) {
            signs.push((Sign::Waits, "has events, and is not asked"));
        }
        let has_run = |finds| {
            story.rows.iter().filter_map(|row| row.run.as_ref()).any(|run| run.finds == finds)
        };
        if has_run(false) {
            signs.push((Sign::None, "finds nothing"));
        }
        if has_run(true) {
            signs.push((Sign::Some, "finds events"));
        }
        if story.loops.iter().any(|it| it.is_terminated) {
            signs.push((Sign::Cross, "terminated"));
        }
        let mut lines = vec![Vec::new()];
        let mut x = 0;
        for sign in signs {
            let takes = sign.width();
            if x + takes > width {
                lines.push(Vec::new());
                x = 0;
            }
            x += takes;
            lines.last_mut().expect("there is one").push(sign);
        }
        Self { lines }
    }

    pub fn height(&self) -> i32 {
        24 * i32::try_from(self.lines.len()).unwrap_or_default()
    }

    pub fn draw(&self, svg: &mut Svg, (left, top): (i32, i32)) {
        for (line, y) in self.lines.iter().zip((top..).step_by(24)) {
            let mut x = left;
            for sign in line {
                sign.0.draw(svg, (x, y - 5));
                svg.text("muted", (x + sign.0.room(), y), Anchor::Start, sign.1);
                x += sign.width();
            }
        }
    }
}

trait Wide {
    fn width(&self) -> i32;
}

impl Wide for (Sign, &str) {
    fn width(&self) -> i32 {
        self.0.room() + width_of(self.1) + 18
    }
}

impl Sign {
    fn room(self) -> i32 {
        match self {
            Sign::Ask | Sign::Event => 46,
            _ => 22,
        }
    }

    fn draw(self, svg: &mut Svg, (x, y): (i32, i32)) {
        match self {
            Sign::Ask => svg.arrow("ask", &[(x + 38, y), (x, y)]),
            Sign::Event => svg.arrow("event", &[(x, y), (x + 38, y)]),
            Sign::Bar => svg.rect("bar", (x, y - 9), (2 * HALF, 18), 3),
            Sign::Waits => svg.rect("waits", (x, y - 9), (2 * HALF, 18), 3),
            Sign::None => svg.circle("none", (x + 7, y), 5),
            Sign::Some => svg.circle("some", (x + 7, y), 5),
            Sign::Cross => {
                let (right, top, bottom) = (x + 14, y - 7, y + 7);
                svg.path(
                    "cross",
                    &format!("M{x} {top}L{right} {bottom}M{right} {top}L{x} {bottom}"),
                );
            }
        }
    }
}
