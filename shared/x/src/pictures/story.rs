//! What a picture of time shows: the columns, and, row by row, what happens.
//!
//! A row is one thing that happens and what follows from it at once: an ask and the loop that it starts, or a
//! loop's run, the events that it finds, and the consumer that gets them.

use anyhow::{Context, Result};

use super::recording::{Entry, What, Who};

/// A stage: its name in the log, and its title in the picture.
pub type Stage = (&'static str, &'static str);

/// Where an arrow begins or ends.
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
    /// A loop looks for events: the loop, what it says, and whether it finds any.
    pub run: Option<Run>,
    /// A message is deleted.
    pub deletes: bool,
}

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
    /// Which column of the server's: a loop that takes over from another one stands beside it.
    pub lane: usize,
}

/// A stage handles events, from one row to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    pub stage: usize,
    pub from: usize,
    /// `None` if it still does when the picture ends.
    pub to: Option<usize>,
    /// The events wait: they are with the stage, which does not handle them yet.
    pub waits: bool,
    /// What it handles.
    pub note: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    pub rows: Vec<Row>,
    pub loops: Vec<Loop>,
    pub bars: Vec<Bar>,
}

/// Tells the story of a run. `stages` are its stages, those before others that ask them.
///
/// # Errors
///
/// If the log tells of something that cannot be.
pub fn tell(entries: &[Entry], stages: &[Stage], verb: &str) -> Result<Story> {
    let mut teller = Teller { stages, verb, ..Teller::default() };
    for entry in entries {
        teller.now = entry.at;
        teller.time_passes();
        teller.hear(&entry.what).with_context(|| format!("{entry:?} makes no sense"))?;
    }
    Ok(teller.story)
}

#[derive(Default)]
struct Teller<'a> {
    stages: &'a [Stage],
    /// What a loop does with events: step 3 "enqueues" them.
    verb: &'a str,
    story: Story,
    now: u32,
    /// Stages of one name, in the order in which they come up.
    known: Vec<Who>,
    /// Asked of the producer, which has not come to it yet.
    asks: Vec<(usize, u32)>,
    demand: u32,
    /// Loops that have found events, which the producer has not got yet, and the rows of those runs.
    found: Vec<(usize, usize)>,
    /// The last thing that a loop did.
    last_act: Vec<usize>,
    /// Whether it runs once only.
    is_task: Vec<bool>,
    /// What it looks for, and has not found. A loop that has found all is at its end.
    missing: Vec<u32>,
    /// Handling that has ended, and when, if nothing else has happened since.
    done: Vec<(u32, usize)>,
}

impl Teller<'_> {
    fn hear(&mut self, what: &What) -> Result<()> {
        match what {
            What::Ask { by, of, count } => {
                let by = self.stage(by)?;
                if of == self.stages[0].0 {
                    self.asks.push((by, *count));
                } else {
                    let of = self.named(of, 0)?;
                    self.row();
                    self.arrow(Place::Stage(by), Place::Stage(of), true, format!("asks {count}"));
                }
            }
            What::Demand { count } => {
                self.demand = *count;
                self.row();
                if !self.asks.is_empty() {
                    let (by, count) = self.asks.remove(0);
                    self.arrow(Place::Stage(by), Place::Stage(0), true, format!("asks {count}"));
                }
            }
            What::Seeks { count } => {
                let unmet = count - self.demand;
                let label = if unmet == 0 {
                    format!("pull {count}")
                } else {
                    format!("{unmet} + {} = {count}", self.demand)
                };
                // Where to, is not known yet.
                self.arrow(Place::Stage(0), Place::Server, true, label);
            }
            What::Pulled { count } if *count > 0 => {
                self.row();
                self.arrow(Place::Server, Place::Stage(0), false, count.to_string());
            }
            What::Dispatch { by, to, count } => {
                let (by, to) = (self.named(by, 0)?, self.stage(to)?);
                let leaves = |arrow: &Arrow| !arrow.is_ask && arrow.from == Place::Stage(by);
                if !self.is_now() || self.story.rows[self.last_row()?].arrows.iter().any(leaves) {
                    self.row();
                }
                self.arrow(Place::Stage(by), Place::Stage(to), false, count.to_string());
                // What comes of a file is about that file.
                let handled = |bar: &&Bar| bar.stage == by && !bar.waits;
                let note = self.story.bars.iter().rfind(handled).map(|bar| bar.note.clone());
                self.bar(to, true)?;
                if let (Some(bar), Some(note)) = (self.story.bars.last_mut(), note) {
                    bar.note = note;
                }
            }
            What::Begins { who } => {
                let stage = self.stage(who)?;
                if !self.is_now() {
                    self.row();
                }
                let now = self.last_row()?;
                let waits = |bar: &Bar| bar.stage == stage && bar.waits && bar.to.is_none();
                let waiting = self.story.bars.iter_mut().find(|bar| waits(bar));
                match waiting {
                    // It did not have to wait.
                    Some(bar) if self.story.rows[bar.from].at == self.now => bar.waits = false,
                    waiting => {
                        if let Some(bar) = waiting {
                            bar.to = Some(now);
                        }
                        self.bar(stage, false)?;
                    }
                }
            }
            What::Done { who } => {
                let stage = self.stage(who)?;
                let bars = &mut self.story.bars;
                let bar = bars.iter().rposition(|bar| bar.stage == stage && !bar.waits);
                let bar = bar.context("it had not begun")?;
                if self.story.rows[bars[bar].from].at == self.now {
                    bars[bar].to = Some(self.story.rows.len() - 1); // It takes no time.
                } else {
                    self.done.push((self.now, bar));
                }
            }
            What::Files { by, names } => {
                let stage = self.stage(by)?;
                let bars = &mut self.story.bars;
                let bar = bars.iter_mut().rfind(|bar| bar.stage == stage && !bar.waits);
                bar.context("it handles nothing")?.note.clone_from(names);
            }
            _ => self.hear_server(what)?,
        }
        Ok(())
    }

    fn hear_server(&mut self, what: &What) -> Result<()> {
        match what {
            What::Looping { count: 0 } => self.all_loops_end(),
            What::Terminates { id } => {
                let row = self.last_row()?;
                let ended = self.loop_of(Some(*id))?;
                self.story.loops[ended].to = Some(row);
                self.story.loops[ended].is_terminated = true;
            }
            What::Starts { id } => self.start(*id)?,
            What::Run { id, run, missing } => {
                let of = self.loop_of(*id)?;
                let label = match run {
                    Some(run) => format!("run {run} looks for {missing}"),
                    None => format!("looks for {missing}"),
                };
                let row = self.row();
                self.story.rows[row].run = Some(Run { of, label, finds: false });
                self.last_act[of] = row;
                self.is_task[of] = run.is_none();
                self.missing[of] = *missing;
            }
            What::Found => {
                let row = self.story.rows.iter().rposition(|row| row.run.is_some());
                let row = row.context("nobody looks")?;
                let run = self.story.rows[row].run.as_mut().context("nobody looks")?;
                run.finds = true;
                let of = run.of;
                self.found.push((of, row));
                if self.is_task[of] {
                    self.story.loops[of].to = Some(row);
                }
            }
            What::Notified { count } => {
                let (by, row) =
                    if self.found.is_empty() { None } else { Some(self.found.remove(0)) }
                        .context("nobody found any")?;
                if self.story.rows.len() > row + 1 || self.story.rows[row].at != self.now {
                    self.row();
                }
                let last = self.last_row()?;
                self.last_act[by] = last;
                self.missing[by] = self.missing[by].saturating_sub(*count);
                if self.story.loops[by].is_terminated || self.missing[by] == 0 {
                    self.story.loops[by].to = Some(last);
                }
                let label = format!("{}{count}", self.verb);
                self.arrow(Place::Loop(by), Place::Stage(0), false, label);
            }
            What::Deletes => {
                let row = self.row();
                self.story.rows[row].deletes = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// Which of the stages of this name it is.
    fn stage(&mut self, who: &Who) -> Result<usize> {
        if !self.known.contains(who) {
            self.known.push(who.clone());
        }
        let same = self.known.iter().filter(|known| known.name == who.name);
        let nth = same.take_while(|known| *known != who).count();
        self.named(&who.name, nth)
    }

    fn named(&self, name: &str, nth: usize) -> Result<usize> {
        let mut same = (0..self.stages.len()).filter(|stage| self.stages[*stage].0 == name);
        same.nth(nth).with_context(|| format!("there is no column for {name}"))
    }

    /// Whether what happens now belongs to the last row.
    fn is_now(&self) -> bool {
        self.done.is_empty() && self.story.rows.last().is_some_and(|row| row.at == self.now)
    }

    fn bar(&mut self, stage: usize, waits: bool) -> Result<()> {
        let from = self.last_row()?;
        self.story.bars.push(Bar { stage, from, to: None, waits, note: String::new() });
        Ok(())
    }

    fn last_row(&self) -> Result<usize> {
        self.story.rows.len().checked_sub(1).context("nothing has happened yet")
    }

    /// A new row, for what happens now.
    fn row(&mut self) -> usize {
        self.story.rows.push(Row { at: self.now, ..Row::default() });
        let row = self.story.rows.len() - 1;
        self.done_by(row);
        row
    }

    /// What is done is done by that row.
    fn done_by(&mut self, row: usize) {
        for (_, bar) in self.done.drain(..) {
            self.story.bars[bar].to = Some(row);
        }
    }

    /// What was done before now, and nothing else happened then, gets a row of its own.
    fn time_passes(&mut self) {
        if let Some(&(at, _)) = self.done.first().filter(|(at, _)| *at < self.now) {
            self.story.rows.push(Row { at, ..Row::default() });
            self.done_by(self.story.rows.len() - 1);
        }
    }

    fn arrow(&mut self, from: Place, to: Place, is_ask: bool, label: String) {
        if let Some(row) = self.story.rows.last_mut() {
            row.arrows.push(Arrow { from, to, is_ask, label });
        }
    }

    fn start(&mut self, id: u32) -> Result<()> {
        let from = self.last_row()?;
        let lane = match self.story.loops.last() {
            Some(last) if last.to == Some(from) => last.lane + 1,
            Some(last) => last.lane,
            None => 0,
        };
        let it = Place::Loop(self.story.loops.len());
        self.story.loops.push(Loop { id, from, to: None, is_terminated: false, lane });
        self.last_act.push(from);
        self.is_task.push(false);
        self.missing.push(0);
        let pull = self.story.rows[from].arrows.last_mut().context("nobody pulls")?;
        pull.to = it;
        Ok(())
    }

    /// The loop of that number, or the last one.
    fn loop_of(&self, id: Option<u32>) -> Result<usize> {
        let is_it = |it: &Loop| id.is_none_or(|id| it.id == id);
        self.story.loops.iter().rposition(is_it).context("there is no such loop")
    }

    fn all_loops_end(&mut self) {
        for (it, last_act) in self.story.loops.iter_mut().zip(&self.last_act) {
            it.to.get_or_insert(*last_act);
        }
    }
}
