//! The facts of a run that a picture of time does not show, as JSON for the book's player: the numbers of each stage,
//! the lines of the log, and the moment and the height of each row.
//!
//! The player lights up elements of the picture by the numbers of their rows: `data-row`, or `data-from` and `data-to`.

use anyhow::Result;
use serde::Serialize;

use super::story::{Place, Story};
use super::time::{Heights, Scene, group_of, row_in_words};

#[derive(Serialize)]
struct Head<'a> {
    picture: &'a str,
    /// Where the first stage's events come from, if it pulls them.
    source: Option<&'a str>,
    stages: Vec<StageHead<'a>>,
    /// Where the rows end.
    end: i32,
}

#[derive(Serialize)]
struct StageHead<'a> {
    /// As arrows have it.
    name: String,
    title: &'a str,
    group: Option<&'a str>,
    asks: bool,
    is_asked: bool,
}

#[derive(Serialize)]
struct Moment<'a> {
    /// Tenths of a second.
    at: u32,
    y: i32,
    /// In words, as screen readers get it.
    words: String,
    /// The ends of each arrow, whether it is an ask, and its label.
    arrows: Vec<(String, String, bool, &'a str)>,
    /// Whether a loop of the server runs.
    #[serde(skip_serializing_if = "is_false")]
    run: bool,
    sought: u32,
    /// Of each stage: its demand, its buffer, and the numbers of events that it has asked for and that it holds.
    counts: Vec<[u32; 4]>,
    /// How many lines of the log there are by then.
    said: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(it: &bool) -> bool {
    !it
}

/// The JSON, with a line for each row and for each line of the log.
///
/// # Errors
///
/// Never: no number or text in it is one that JSON lacks.
pub fn json(scene: &Scene, story: &Story, heights: &Heights) -> Result<String> {
    let asks = |stage| {
        let arrows = story.rows.iter().flat_map(|row| &row.arrows);
        arrows.filter(|it| it.is_ask).any(|it| it.from == Place::Stage(stage))
    };
    let is_asked = |stage| {
        let arrows = story.rows.iter().flat_map(|row| &row.arrows);
        arrows.filter(|it| it.is_ask).any(|it| it.to == Place::Stage(stage))
    };
    let stages = scene.stages.iter().enumerate().map(|(index, stage)| StageHead {
        name: scene.name_of(index),
        title: stage.1,
        group: group_of(*stage),
        asks: index > 0 && asks(index),
        is_asked: index == 0 || is_asked(index),
    });
    let head = Head {
        picture: scene.picture,
        source: scene.pulls.then_some(scene.source),
        stages: stages.collect(),
        end: heights.end,
    };
    let name = |place| match place {
        Place::Server | Place::Loop(_) => scene.source.to_owned(),
        Place::Stage(stage) => scene.name_of(stage),
    };
    let mut rows = Vec::new();
    for (index, (row, y)) in story.rows.iter().zip(&heights.rows).enumerate() {
        let mut words = row_in_words(scene, story, row);
        let ended = story.bars.iter().filter(|bar| bar.to == Some(index) && !bar.waits);
        if words.is_empty() {
            let done = ended.map(|bar| format!("{} is done", name(Place::Stage(bar.stage))));
            words = done.collect::<Vec<_>>().join("; ");
        }
        rows.push(serde_json::to_string(&Moment {
            at: row.at,
            y: *y,
            words,
            arrows: row
                .arrows
                .iter()
                .map(|it| (name(it.from), name(it.to), it.is_ask, &*it.label))
                .collect(),
            run: row.run.is_some(),
            sought: row.sought,
            counts: row
                .counts
                .iter()
                .map(|it| [it.demand, it.buffer, it.asked, it.holds])
                .collect(),
            said: row.said,
        })?);
    }
    let said: Result<Vec<_>, _> = story.said.iter().map(serde_json::to_string).collect();
    let (head, rows, said) = (serde_json::to_string(&head)?, rows.join(",\n"), said?.join(",\n"));
    Ok(format!("{},\n\"rows\":[\n{rows}],\n\"said\":[\n{said}]}}\n", head.trim_end_matches('}')))
}
