//! A picture of time in words.

use std::fmt::Write;

use super::super::story::{Place, Row, Story};
use super::Scene;

/// Describes the picture for screen readers.
pub(super) fn in_words(scene: &Scene, story: &Story) -> String {
    let mut words = String::new();
    let mut at = None;
    for row in &story.rows {
        let said = row_in_words(scene, story, row);
        if said.is_empty() {
            continue;
        }
        if at != Some(row.at) {
            at = Some(row.at);
            let _ = write!(words, "At {}.{} s: ", row.at / 10, row.at % 10);
        }
        words += &said;
        words += ". ";
    }
    words.trim_end().to_owned()
}

/// Describes one row.
pub fn row_in_words(scene: &Scene, story: &Story, row: &Row) -> String {
    let name = |place: Place| match place {
        Place::Server => "the server".to_owned(),
        Place::Loop(it) => format!("#{}", story.loops[it].id),
        Place::Stage(stage) => scene.name_of(stage),
    };
    let mut said: Vec<String> = Vec::new();
    for arrow in &row.arrows {
        let verb = if arrow.is_ask { "asks" } else { "sends" };
        let label = arrow.label.trim_start_matches("asks ");
        said.push(format!("{} {verb} {}: {label}", name(arrow.from), name(arrow.to)));
    }
    if let Some(run) = &row.run {
        let found = if run.finds { "" } else { ", finds nothing" };
        said.insert(0, format!("{} {}{found}", name(Place::Loop(run.of)), run.label));
    }
    if !row.note.is_empty() {
        said.push(format!("{}: {}", name(Place::Stage(0)), row.note));
    }
    if row.deletes {
        said.push("the message is deleted".to_owned());
    }
    said.join("; ")
}
