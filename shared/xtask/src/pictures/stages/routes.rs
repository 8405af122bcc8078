//! The ways of arrows from box to box.

use super::super::svg::Anchor;
use super::{Edge, Kind, Plan};

/// The box at one end of an edge: its middle, and half of its size.
pub(super) struct End {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) half_width: i32,
    pub(super) half_height: i32,
    pub(super) row: u8,
    pub(super) is_frame: bool,
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
pub(super) struct Route {
    pub(super) points: Vec<(i32, i32)>,
    pub(super) label: (i32, i32),
    pub(super) anchor: Anchor,
}

impl Route {
    pub(super) fn along_a_column(from: &End, to: &End, shift: i32) -> Self {
        let x = from.x + shift;
        let (label, anchor) = if shift < 0 { (x - 8, Anchor::End) } else { (x + 8, Anchor::Start) };
        let label = (label, i32::midpoint(from.y, to.y) + 5);
        Self { points: vec![(x, from.level(to)), (x, to.level(from))], label, anchor }
    }

    /// From a row to the same or another one, which takes two bends.
    pub(super) fn across(from: &End, to: &End, shift: i32, edge: &Edge, plan: &Plan) -> Self {
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

    pub(super) fn around_a_corner(from: &End, to: &End) -> Self {
        let x = from.side(to);
        let points = vec![(x, from.y), (to.x, from.y), (to.x, to.level(from))];
        Self { points, label: (i32::midpoint(x, to.x), from.y - 8), anchor: Anchor::Middle }
    }

    /// Below all boxes, or first to the right, past all of them.
    pub(super) fn below(from: &End, to: &End, lane: i32, past: Option<i32>) -> Self {
        let mut points = match past {
            Some(x) => vec![(from.x + from.half_width, from.y), (x, from.y), (x, lane)],
            None => vec![(from.x, from.y + from.half_height), (from.x, lane)],
        };
        points.extend([(to.x, lane), (to.x, to.y + to.half_height)]);
        let label = (i32::midpoint(from.x, to.x), lane - 8);
        Self { points, label, anchor: Anchor::Middle }
    }
}
