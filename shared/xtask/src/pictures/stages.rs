//! Draws the stages of a lesson: which stage asks which, where the events go, and what is new.

use std::fmt::Write;

use anyhow::{Context, Result};

use super::svg::{Anchor, FONT, LEAST_WIDTH, MARGIN, Svg, lines_of, width_of};

/// The contents of a picture.
pub struct Plan {
    /// How the picture's file name begins.
    pub picture: &'static str,
    pub title: &'static str,
    /// A sentence on what is new.
    pub lesson: &'static str,
    pub boxes: &'static [Box],
    pub edges: &'static [Edge],
}

/// A box: its name, a note below the name, and its column and row.
#[derive(Clone, Copy)]
pub struct Box {
    name: &'static str,
    note: &'static str,
    column: usize,
    row: u8,
    /// Its height in rows. A box of several rows is a frame around the other boxes of its column.
    rows: u8,
    is_new: bool,
}

/// An arrow from one box to another.
#[derive(Clone, Copy)]
pub struct Edge {
    from: &'static str,
    to: &'static str,
    label: &'static str,
    kind: Kind,
    way: Way,
    is_new: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Asks,
    Sends,
    /// Neither asks nor sends events.
    Does,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Along a row or a column. From one row to another, it bends twice between the columns.
    Straight,
    /// Along the row of its first box, then up or down.
    Corner,
    /// Below all boxes.
    Under,
    /// Past the last column, and below all boxes.
    Around,
}

pub const fn at(column: usize, row: u8, name: &'static str) -> Box {
    Box { name, note: "", column, row, rows: 1, is_new: false }
}

pub const fn asks(from: &'static str, to: &'static str, label: &'static str) -> Edge {
    Edge { from, to, label, kind: Kind::Asks, way: Way::Straight, is_new: false }
}

pub const fn sends(from: &'static str, to: &'static str, label: &'static str) -> Edge {
    Edge { kind: Kind::Sends, ..asks(from, to, label) }
}

pub const fn does(from: &'static str, to: &'static str, label: &'static str) -> Edge {
    Edge { kind: Kind::Does, ..asks(from, to, label) }
}

impl Box {
    pub const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    /// Makes it a frame around the other boxes of its column, with a height of this many rows.
    pub const fn frame(self, rows: u8) -> Self {
        Self { rows, ..self }
    }

    pub const fn is_new(self) -> Self {
        Self { is_new: true, ..self }
    }
}

impl Edge {
    pub const fn corner(self) -> Self {
        Self { way: Way::Corner, ..self }
    }

    pub const fn under(self) -> Self {
        Self { way: Way::Under, ..self }
    }

    pub const fn around(self) -> Self {
        Self { way: Way::Around, ..self }
    }

    pub const fn is_new(self) -> Self {
        Self { is_new: true, ..self }
    }

    fn shares_an_end(&self, other: &Self) -> bool {
        let ends = [other.from, other.to];
        ends.contains(&self.from) || ends.contains(&self.to)
    }
}

const HALF_HEIGHT: i32 = 25;
const ROW: i32 = 108;

/// Draws the picture.
///
/// # Errors
///
/// If an edge has no box at one of its ends.
pub fn draw(plan: &Plan) -> Result<String> {
    let layout = Layout::of(plan, width_of(plan.title) * 18 / FONT + 3 * MARGIN);
    let id = format!("{}-stages", plan.picture);
    let mut svg = Svg::new(&id, layout.width, layout.bottom + 54);
    svg.caption(plan.title, plan.lesson);
    for edge in plan.edges {
        layout.edge(&mut svg, plan, edge)?;
    }
    for it in plan.boxes {
        let ((x, y), (half_width, half_height)) = (layout.middle(it), plan.half(it));
        let corner = (x - half_width, y - half_height);
        let class = match (it.rows, it.is_new) {
            (1, false) => "box",
            (1, true) => "box new",
            _ => "frame",
        };
        svg.rect(class, corner, (2 * half_width, 2 * half_height), 8);
        if it.rows > 1 {
            // The name of a frame is not shown. Arrows refer to it.
        } else if it.note.is_empty() {
            svg.text("strong", (x, y + 5), Anchor::Middle, it.name);
        } else {
            svg.text("strong", (x, y - 4), Anchor::Middle, it.name);
            svg.text("muted", (x, y + 16), Anchor::Middle, it.note);
        }
    }
    layout.legend(&mut svg, plan);
    Ok(svg.finish(&format!("{}, its stages", plan.title), &in_words(plan)))
}

struct Layout {
    /// The middle of each column.
    columns: Vec<i32>,
    /// The middle of the first row.
    top: i32,
    width: i32,
    bottom: i32,
}

impl Layout {
    fn of(plan: &Plan, title: i32) -> Self {
        let count = plan.boxes.iter().map(|it| it.column + 1).max().unwrap_or_default();
        let widths: Vec<i32> = (0..count)
            .map(|column| {
                let boxes = plan.boxes.iter().filter(|it| it.column == column);
                2 * boxes.map(|it| plan.half(it).0.max(plan.beside(it))).max().unwrap_or_default()
            })
            .collect();
        let gaps: Vec<i32> = (1..count)
            .map(|column| {
                let labels = plan.edges.iter().filter(|edge| plan.crosses(edge, column));
                let room = labels.map(|edge| width_of(edge.label) + plan.bends(edge)).max();
                room.unwrap_or_default().max(20) + 44
            })
            .collect();
        let right = if plan.has(Way::Around) { 26 } else { 0 };
        let least = widths.iter().chain(&gaps).sum::<i32>() + 2 * MARGIN + right;
        let width = least.max(title).max(LEAST_WIDTH);
        // Spare room is shared out.
        let spare = (width - least) / i32::try_from(gaps.len() + 1).unwrap_or(1);

        let mut columns = Vec::new();
        let mut x = MARGIN + spare / 2;
        for (width, gap) in widths.iter().zip(gaps.iter().chain([&0])) {
            columns.push(x + width / 2);
            x += width + gap + spare;
        }
        let caption = lines_of(plan.lesson, width - 2 * MARGIN).len();
        let top = 72 + 20 * i32::try_from(caption).unwrap_or_default() + HALF_HEIGHT;
        let lowest = plan.boxes.iter().map(|it| it.row).max().unwrap_or_default();
        let under = if plan.has(Way::Under) || plan.has(Way::Around) { 40 } else { 0 };
        let bottom = top + i32::from(lowest) * ROW + HALF_HEIGHT + under;
        Self { columns, top, width, bottom }
    }

    fn middle(&self, it: &Box) -> (i32, i32) {
        let y = self.top + i32::from(it.row) * ROW + i32::from(it.rows - 1) * ROW / 2;
        (self.columns[it.column], y)
    }

    fn edge(&self, svg: &mut Svg, plan: &Plan, edge: &Edge) -> Result<()> {
        let from = self.end(plan, plan.find(edge.from)?);
        let to = self.end(plan, plan.find(edge.to)?);
        // Two boxes with arrows both ways have them side by side.
        let is_both = plan.edges.iter().any(|it| it.from == edge.to && it.to == edge.from);
        let shift = match edge.kind {
            Kind::Asks if is_both => -9,
            Kind::Sends if is_both => 9,
            _ => 0,
        };
        let Route { points, label, anchor } = match edge.way {
            Way::Straight if from.x == to.x => Route::along_a_column(&from, &to, shift),
            Way::Straight => Route::across(&from, &to, shift, edge, plan),
            Way::Corner => Route::around_a_corner(&from, &to),
            Way::Under | Way::Around => {
                let past = (edge.way == Way::Around).then_some(self.width - MARGIN);
                Route::below(&from, &to, self.bottom - 12, past)
            }
        };
        let class = match edge.kind {
            Kind::Asks => "ask",
            Kind::Sends => "event",
            Kind::Does => "does",
        };
        let class = if edge.is_new { format!("{class} new") } else { class.to_owned() };
        svg.arrow(&class, &points);
        if !edge.label.is_empty() {
            svg.text(&format!("{class} halo"), label, anchor, edge.label);
        }
        Ok(())
    }

    fn end(&self, plan: &Plan, it: &Box) -> End {
        let ((x, y), (half_width, half_height)) = (self.middle(it), plan.half(it));
        End { x, y, half_width, half_height, row: it.row, is_frame: it.rows > 1 }
    }

    fn legend(&self, svg: &mut Svg, plan: &Plan) {
        let y = self.bottom + 34;
        let mut x = MARGIN;
        for (class, text) in [("ask", "asks"), ("event", "sends events")] {
            svg.arrow(class, &[(x, y), (x + 38, y)]);
            svg.text("muted", (x + 46, y + 5), Anchor::Start, text);
            x += 46 + width_of(text) + 20;
        }
        if plan.boxes.iter().any(|it| it.is_new) || plan.edges.iter().any(|edge| edge.is_new) {
            svg.rect("box new", (x, y - 10), (28, 20), 5);
            svg.text("muted", (x + 36, y + 5), Anchor::Start, "new here");
        }
    }
}

/// The box at one end of an edge: its middle, and half of its size.
struct End {
    x: i32,
    y: i32,
    half_width: i32,
    half_height: i32,
    row: u8,
    is_frame: bool,
}

impl End {
    /// Its left or right side, the one that faces `other`.
    fn side(&self, other: &Self) -> i32 {
        self.x + (other.x - self.x).signum() * self.half_width
    }

    /// Its upper or lower side, the one that faces `other`.
    fn level(&self, other: &Self) -> i32 {
        self.y + if self.y < other.y { self.half_height } else { -self.half_height }
    }
}

/// The way of an arrow, and where its label is.
struct Route {
    points: Vec<(i32, i32)>,
    label: (i32, i32),
    anchor: Anchor,
}

impl Route {
    fn along_a_column(from: &End, to: &End, shift: i32) -> Self {
        let x = from.x + shift;
        let (label, anchor) = if shift < 0 { (x - 8, Anchor::End) } else { (x + 8, Anchor::Start) };
        let label = (label, i32::midpoint(from.y, to.y) + 5);
        Self { points: vec![(x, from.level(to)), (x, to.level(from))], label, anchor }
    }

    /// From a row to the same or another one, which takes two bends.
    fn across(from: &End, to: &End, shift: i32, edge: &Edge, plan: &Plan) -> Self {
        // A frame can be reached at any height.
        let y1 = shift + if from.is_frame { to.y } else { from.y };
        let y2 = shift + if to.is_frame { from.y } else { to.y };
        // Several arrows go to or come from the upper box, and part near it.
        let is_down = from.row < to.row || from.row == to.row && from.x < to.x;
        let (x1, x2) = (from.side(to), to.side(from));
        let (upper, lower) = if is_down { (x1, x2) } else { (x2, x1) };
        let side = (lower - upper).signum();
        let mut points = vec![(x1, y1), (x2, y2)];
        if y1 != y2 {
            let bend = upper + side * if edge.kind == Kind::Asks { 20 } else { 34 };
            points.splice(1..1, [(bend, y1), (bend, y2)]);
        }
        let bends = plan.edges.iter().any(|it| plan.bends(it) > 0 && edge.shares_an_end(it));
        let from_x = if bends { upper + side * 34 } else { upper };
        let y = if is_down { y2 } else { y1 } + if shift > 0 { 19 } else { -8 };
        Self { points, label: (i32::midpoint(from_x, lower), y), anchor: Anchor::Middle }
    }

    fn around_a_corner(from: &End, to: &End) -> Self {
        let x = from.side(to);
        let points = vec![(x, from.y), (to.x, from.y), (to.x, to.level(from))];
        Self { points, label: (i32::midpoint(x, to.x), from.y - 8), anchor: Anchor::Middle }
    }

    /// Below all boxes, or first to the right, past all of them.
    fn below(from: &End, to: &End, lane: i32, past: Option<i32>) -> Self {
        let mut points = match past {
            Some(x) => vec![(from.x + from.half_width, from.y), (x, from.y), (x, lane)],
            None => vec![(from.x, from.y + from.half_height), (from.x, lane)],
        };
        points.extend([(to.x, lane), (to.x, to.y + to.half_height)]);
        let label = (i32::midpoint(from.x, to.x), lane - 8);
        Self { points, label, anchor: Anchor::Middle }
    }
}

impl Plan {
    fn find(&self, name: &str) -> Result<&Box> {
        let found = self.boxes.iter().find(|it| it.name == name);
        found.with_context(|| format!("{} has no box {name}", self.picture))
    }

    fn has(&self, way: Way) -> bool {
        self.edges.iter().any(|edge| edge.way == way)
    }

    /// Half the size of a box.
    fn half(&self, it: &Box) -> (i32, i32) {
        if it.rows > 1 {
            let others =
                self.boxes.iter().filter(|other| other.column == it.column && other.rows == 1);
            let width = others.map(|other| self.half(other).0).max().unwrap_or_default();
            return (width + 12, HALF_HEIGHT + i32::from(it.rows - 1) * ROW / 2 + 12);
        }
        (width_of(it.name).max(width_of(it.note)) / 2 + 16, HALF_HEIGHT)
    }

    /// The width, left of a box's middle, of the label of an arrow up or down.
    fn beside(&self, it: &Box) -> i32 {
        let labels = self.edges.iter().filter(|edge| {
            let is_below = self.find(edge.to).is_ok_and(|to| to.column == it.column);
            edge.from == it.name && edge.kind == Kind::Asks && is_below
        });
        labels.map(|edge| width_of(edge.label) + 20).max().unwrap_or_default()
    }

    /// The width of an edge's bends.
    fn bends(&self, edge: &Edge) -> i32 {
        let row = |name| self.find(name).map(|it| (it.row, it.rows)).ok();
        match (row(edge.from), row(edge.to)) {
            (Some((from, 1)), Some((to, 1))) if from != to => 24,
            _ => 0,
        }
    }

    /// Whether the label of an edge is just left of this column.
    fn crosses(&self, edge: &Edge, column: usize) -> bool {
        let (Ok(from), Ok(to)) = (self.find(edge.from), self.find(edge.to)) else { return false };
        let (first, last) = (from.column.min(to.column), from.column.max(to.column));
        edge.way == Way::Straight && first + 1 == column && last == column
    }
}

/// Describes the picture for screen readers.
fn in_words(plan: &Plan) -> String {
    let mut words = plan.lesson.to_owned();
    for Edge { from, to, label, kind, is_new, .. } in plan.edges {
        let verb = match kind {
            Kind::Asks => "asks",
            Kind::Sends => "sends events to",
            Kind::Does => "to",
        };
        let new = if *is_new { ", which is new" } else { "" };
        let label = if label.is_empty() { String::new() } else { format!(": {label}") };
        let _ = write!(words, " {from} {verb} {to}{label}{new}.");
    }
    words
}
