//! Draws the stages of a lesson: which stage asks which, where the events go, and which parts are
//! new.

mod plan;
mod routes;

use std::fmt::Write;

use anyhow::Result;

use super::svg::{Anchor, FONT, LEAST_WIDTH, MARGIN, Svg, line_width, lines_of, width_of};
pub use plan::{Box, Edge, Plan, asks, at, does, sends};
use plan::{Kind, Way};
use routes::{End, Route};

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
        let places = plan.places(it).join("|");
        let class = match (it.rows, it.is_new) {
            (1, false) => "box",
            (1, true) => "box new",
            _ => "frame",
        };
        svg.marked(&[("data-places", places), ("data-run", plan.runs(it.name))], |svg| {
            svg.rect(class, corner, (2 * half_width, 2 * half_height), 8);
            if it.rows > 1 {
                // The name of a frame is not shown. Arrows refer to it.
            } else if it.note.is_empty() {
                svg.text("strong", (x, y + 5), Anchor::Middle, it.name);
            } else {
                svg.text("strong", (x, y - 4), Anchor::Middle, it.name);
                svg.text("muted", (x, y + 16), Anchor::Middle, it.note);
            }
        });
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
        let caption = lines_of(plan.lesson, line_width(width)).len();
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
        let run = if edge.kind == Kind::Asks { plan.runs(edge.from) } else { String::new() };
        svg.marked(&[("data-arrows", plan.arrows(edge)?), ("data-run", run)], |svg| {
            svg.arrow(&class, &points);
            if !edge.label.is_empty() {
                svg.text(&format!("{class} halo"), label, anchor, edge.label);
            }
        });
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
