//! Turns the entries of a log into the rows, loops and bars of a picture of time.
//!
//! A row holds one thing that happens and its immediate consequences: an ask and the loop that it starts, or a loop's
//! run, the events that it finds, and the consumer that gets them.

mod names;
mod teller;

use anyhow::{Context, Result};

use super::counters::Count;
use super::recording::Line;
use super::time::Scene;
use teller::Teller;

/// A stage: its name in the log, and its title in the picture.
pub type Stage = (&'static str, &'static str);

/// One end of an arrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Step 1's server, which has no loops.
    Server,
    Loop(usize),
    Stage(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    pub from: Place,
    pub to: Place,
    pub is_ask: bool,
    pub label: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Tenths of a second.
    pub at: u32,
    pub arrows: Vec<Arrow>,
    pub run: Option<Run>,
    /// A note beside the first stage: on its buffer, or on demand that it cannot meet.
    pub note: String,
    /// A message is deleted.
    pub deletes: bool,
    /// The numbers of each stage after all of this.
    pub counts: Vec<Count>,
    /// How many events the first stage has pulled and not got after all of this.
    pub sought: u32,
    /// How many lines the program has logged after all of this.
    pub said: usize,
}

/// A run of a loop: it looks for events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub of: usize,
    pub label: String,
    pub finds: bool,
}

/// A loop of the server, from one row to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    pub id: u32,
    pub from: usize,
    /// `None` if it still runs when the picture ends.
    pub to: Option<usize>,
    pub is_terminated: bool,
    /// The server's column that it is in. A loop that replaces a running one stands to the right of it.
    pub lane: usize,
    /// How many events it still looks for.
    missing: u32,
    /// The row of its last action.
    last_act: usize,
}

/// A stage handles events, or has events waiting, from one row to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    pub stage: usize,
    pub from: usize,
    /// `None` if it has not ended when the picture ends.
    pub to: Option<usize>,
    /// Whether the events wait: the stage has them and does not handle them yet.
    pub waits: bool,
    /// The names of the files that it handles.
    pub note: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    pub rows: Vec<Row>,
    pub loops: Vec<Loop>,
    pub bars: Vec<Bar>,
    /// The lines that the program logs, and their tenths of a second.
    pub said: Vec<(u32, String)>,
}

/// Tells the story of a run.
///
/// # Errors
///
/// If the log contradicts itself.
pub fn tell(lines: &[Line], scene: &Scene) -> Result<Story> {
    let mut teller = Teller::of(scene);
    for line in lines {
        teller.now = line.at;
        teller
            .hear(line)
            .with_context(|| format!("{:?} makes no sense at {} s", line.message, line.at / 10))?;
        teller.count(line);
    }
    Ok(teller.story)
}
