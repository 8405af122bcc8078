//! The plan of a picture: boxes and arrows, and the player's names for them.
//!
//! The player lights up arrows and boxes by their names in the recording of the lesson's run: `data-arrows` and `data-places`.
//! `data-run` is where a run of a loop shows.

use anyhow::{Context, Result};

use super::super::scenes::SCENES;
use super::super::svg::width_of;
use super::super::time::Scene;
use super::{HALF_HEIGHT, ROW};

/// The contents of a picture.
pub struct Plan {
    /// How the picture's file name begins.
    pub picture: &'static str,
    pub title: &'static str,
    /// A sentence on the new part.
    pub lesson: &'static str,
    pub boxes: &'static [Box],
    pub edges: &'static [Edge],
}

/// A box: its name, a note below the name, and its column and row.
#[derive(Clone, Copy)]
pub struct Box {
    pub(super) name: &'static str,
    pub(super) note: &'static str,
    pub(super) column: usize,
    pub(super) row: u8,
    /// Its height in rows. A box of several rows is a frame around the other boxes of its column.
    pub(super) rows: u8,
    pub(super) is_new: bool,
}

/// An arrow from one box to another.
#[derive(Clone, Copy)]
pub struct Edge {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) label: &'static str,
    pub(super) kind: Kind,
    pub(super) way: Way,
    pub(super) is_new: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Asks,
    Sends,
    /// Neither asks nor sends events.
    Does,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
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
        self.is_new_if(true)
    }

    pub const fn is_new_if(self, is_new: bool) -> Self {
        Self { is_new, ..self }
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
        self.is_new_if(true)
    }

    pub const fn is_new_if(self, is_new: bool) -> Self {
        Self { is_new, ..self }
    }

    pub(super) fn shares_an_end(&self, other: &Self) -> bool {
        let ends = [other.from, other.to];
        ends.contains(&self.from) || ends.contains(&self.to)
    }
}

/// Boxes that stand for the place where the first stage's events come from.
const SOURCES: [&str; 4] = ["Server", "Task", "Loop ⟲", "scrape_pages"];
impl Plan {
    pub(super) fn find(&self, name: &str) -> Result<&Box> {
        let found = self.boxes.iter().find(|it| it.name == name);
        found.with_context(|| format!("{} has no box {name}", self.picture))
    }

    /// The picture of time that shows a run of the same lesson.
    fn scene(&self) -> Option<&'static Scene> {
        SCENES.iter().find(|scene| scene.picture == self.picture)
    }

    /// The names of the places in the recording that a box shows.
    pub(super) fn places(&self, it: &Box) -> Vec<String> {
        let Some(scene) = self.scene() else { return Vec::new() };
        if SOURCES.contains(&it.name) {
            return vec![scene.source.to_owned()];
        }
        let names = (0..scene.stages.len()).map(|stage| scene.name_of(stage));
        names.filter(|name| name.split(' ').next() == Some(it.name) || name == it.name).collect()
    }

    /// The arrows in the recording that an arrow shows.
    pub(super) fn arrows(&self, edge: &Edge) -> Result<String> {
        let kind = match edge.kind {
            Kind::Asks => "asks",
            Kind::Sends => "sends",
            Kind::Does => return Ok(String::new()),
        };
        let (from, to) = (self.places(self.find(edge.from)?), self.places(self.find(edge.to)?));
        let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (from, to)));
        Ok(pairs.map(|(from, to)| format!("{from} {kind} {to}")).collect::<Vec<_>>().join("|"))
    }

    /// Whether a run of the server's loop shows here, as the value of an attribute.
    pub(super) fn runs(&self, name: &str) -> String {
        let is_played = self.scene().is_some();
        if is_played && name == "Loop ⟲" { "run".to_owned() } else { String::new() }
    }

    pub(super) fn has(&self, way: Way) -> bool {
        self.edges.iter().any(|edge| edge.way == way)
    }

    /// Half the size of a box.
    pub(super) fn half(&self, it: &Box) -> (i32, i32) {
        if it.rows > 1 {
            let others =
                self.boxes.iter().filter(|other| other.column == it.column && other.rows == 1);
            let width = others.map(|other| self.half(other).0).max().unwrap_or_default();
            return (width + 12, HALF_HEIGHT + i32::from(it.rows - 1) * ROW / 2 + 12);
        }
        (width_of(it.name).max(width_of(it.note)) / 2 + 16, HALF_HEIGHT)
    }

    /// The width, left of a box's middle, of the label of an arrow up or down.
    pub(super) fn beside(&self, it: &Box) -> i32 {
        let labels = self.edges.iter().filter(|edge| {
            let is_below = self.find(edge.to).is_ok_and(|to| to.column == it.column);
            edge.from == it.name && edge.kind == Kind::Asks && is_below
        });
        labels.map(|edge| width_of(edge.label) + 20).max().unwrap_or_default()
    }

    /// The width of an edge's bends.
    pub(super) fn bends(&self, edge: &Edge) -> i32 {
        let row = |name| self.find(name).map(|it| (it.row, it.rows)).ok();
        match (row(edge.from), row(edge.to)) {
            (Some((from, 1)), Some((to, 1))) if from != to => 24,
            _ => 0,
        }
    }

    /// Whether the label of an edge is just left of this column.
    pub(super) fn crosses(&self, edge: &Edge, column: usize) -> bool {
        let (Ok(from), Ok(to)) = (self.find(edge.from), self.find(edge.to)) else { return false };
        let (first, last) = (from.column.min(to.column), from.column.max(to.column));
        edge.way == Way::Straight && first + 1 == column && last == column
    }
}
