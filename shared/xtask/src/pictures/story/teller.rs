//! Hears the entries of a log one after the other, and writes down the story.

mod rows;

use std::collections::VecDeque;

use anyhow::{Context, Result};

use super::super::counters::Counters;
use super::super::recording::{Line, Who};
use super::super::time::Scene;
use super::names::Names;
use super::{Arrow, Bar, Loop, Place, Run, Story};

pub(super) struct Teller<'a> {
    scene: &'a Scene,
    pub(super) story: Story,
    pub(super) now: u32,
    names: Names<'a>,
    /// Asks that are in the first stage's mailbox: by which stage, and for how many.
    asks: VecDeque<(usize, u32)>,
    /// How many events the first stage was asked for and has not emitted.
    pending: u32,
    /// How many of the events that the first stage has just emitted are not sent yet.
    emitted: u32,
    counters: Counters,
    /// Bars that have ended, and when, since the last row.
    done: Vec<(u32, usize)>,
}

impl<'a> Teller<'a> {
    pub(super) fn of(scene: &'a Scene) -> Self {
        Self {
            scene,
            story: Story::default(),
            now: 0,
            names: Names::of(scene),
            asks: VecDeque::new(),
            pending: 0,
            emitted: 0,
            counters: Counters::of(scene.stages.len()),
            done: Vec::new(),
        }
    }

    pub(super) fn hear(&mut self, line: &Line) -> Result<()> {
        self.time_passes();
        let is_first = line.stage == self.first();
        match (line.message.as_str(), line.span.name.as_str()) {
            ("ask", _) => self.ask(&line.who(), &line.producer, line.count),
            ("emit", _) if is_first => self.emit(line.count),
            ("buffer", _) => self.buffer(&line.stage, line.count),
            ("dispatch", _) => self.dispatch(&line.stage, &line.consumer(), line.count),
            ("new", "handle_demand") => {
                self.demand(line.span.count);
                Ok(())
            }
            ("new", "handle_events") => self.begin(&line.span.who()),
            ("close", "handle_events") => self.end(&line.span.who(), line.span.count),
            _ => self.hear_step(line),
        }
    }

    /// A line that the program itself logs.
    fn hear_step(&mut self, line: &Line) -> Result<()> {
        if let Some(task) = &line.started {
            self.start(task)?;
        } else if let Some(task) = &line.terminating {
            self.terminate(task)?;
        } else if let Some(missing) = line.missing {
            self.run(line.run, missing)?;
        } else if line.operation == "DeleteMessageBatch" && self.scene.deletes {
            self.row().deletes = true;
        } else if let Some((by, names)) = line.handled() {
            let bar = self.handling(&by)?;
            self.story.bars[bar].note = names;
        }
        Ok(())
    }

    fn ask(&mut self, by: &Who, of: &str, count: u32) -> Result<()> {
        let by = self.names.stage(by)?;
        if of == self.first() {
            self.asks.push_back((by, count));
        } else {
            let of = self.names.named(of, 0)?;
            self.counters.ask(by, of, count);
            self.row();
            self.arrow(Place::Stage(by), Place::Stage(of), true, format!("asks {count}"));
        }
        Ok(())
    }

    fn first(&self) -> &'static str {
        self.scene.stages[0].0
    }

    /// The first stage takes the next ask from its mailbox.
    fn hear_ask(&mut self) {
        self.row();
        if let Some((by, count)) = self.asks.pop_front() {
            self.counters.ask(by, 0, count);
            self.arrow(Place::Stage(by), Place::Stage(0), true, format!("asks {count}"));
        }
    }

    /// The first stage is asked for events that it does not have, and pulls everything that is pending, old and new.
    fn demand(&mut self, count: u32) {
        self.hear_ask();
        let all = self.pending + count;
        if self.scene.pulls {
            let label = match self.pending {
                0 => format!("pull {all}"),
                pending => format!("{pending} + {count} = {all}"),
            };
            // If a loop starts now, the arrow goes to that loop.
            self.arrow(Place::Stage(0), Place::Server, true, label);
        } else if let Some(row) = self.story.rows.last_mut() {
            row.note = format!("demand of {count}");
        }
        self.pending = all;
    }

    fn buffer(&mut self, of: &str, count: u32) -> Result<()> {
        let of = self.names.named(of, 0)?;
        self.counters.0[of].buffer = count;
        if of == 0 && self.emitted > 0 {
            self.emitted = 0;
            self.row().note = format!("buffer: {count}");
        }
        Ok(())
    }

    /// The first stage emits the events that a loop has found or, if there are no loops, the server's answer.
    fn emit(&mut self, count: u32) -> Result<()> {
        self.pending = self.pending.saturating_sub(count);
        self.emitted = count;
        if self.story.loops.is_empty() {
            self.row();
            self.arrow(Place::Server, Place::Stage(0), false, count.to_string());
            return Ok(());
        }
        let row = self.story.rows.iter().rposition(|row| row.run.is_some());
        let row = row.context("no loop has looked for events")?;
        if row + 1 < self.story.rows.len() || self.story.rows[row].at != self.now {
            self.row();
        }
        let last = self.last_row()?;
        let run = self.story.rows[row].run.as_mut().context("no loop has looked for events")?;
        run.finds = true;
        let by = run.of;
        let it = &mut self.story.loops[by];
        it.last_act = last;
        it.missing = it.missing.saturating_sub(count);
        if it.is_terminated || it.missing == 0 {
            it.to = Some(last);
        }
        self.arrow(Place::Loop(by), Place::Stage(0), false, format!("{}{count}", self.scene.verb));
        Ok(())
    }

    fn dispatch(&mut self, by: &str, to: &Who, count: u32) -> Result<()> {
        let (by, to) = (self.names.named(by, 0)?, self.names.stage(to)?);
        if by == 0 && self.emitted == 0 {
            // The events come from the buffer, so they answer an ask.
            self.hear_ask();
            self.row();
        }
        self.counters.send(by, to, count);
        let leaves = |arrow: &Arrow| !arrow.is_ask && arrow.from == Place::Stage(by);
        if !self.is_now() || self.story.rows[self.last_row()?].arrows.iter().any(leaves) {
            self.row();
        }
        self.arrow(Place::Stage(by), Place::Stage(to), false, count.to_string());
        if by == 0 {
            self.emitted = self.emitted.saturating_sub(count);
        }
        // A stage that has handled a file sends on that file.
        let handled = self.story.bars.iter().rfind(|bar| bar.stage == by && !bar.waits);
        let note = handled.map(|bar| bar.note.clone()).unwrap_or_default();
        self.bar(to, true, note)
    }

    fn begin(&mut self, who: &Who) -> Result<()> {
        let stage = self.names.stage(who)?;
        if !self.is_now() {
            self.row();
        }
        let now = self.last_row()?;
        let waits = |bar: &&mut Bar| bar.stage == stage && bar.waits && bar.to.is_none();
        let waiting = self.story.bars.iter_mut().find(waits);
        match waiting {
            // It has not waited.
            Some(bar) if self.story.rows[bar.from].at == self.now => {
                bar.waits = false;
                return Ok(());
            }
            Some(bar) => bar.to = Some(now),
            None => {}
        }
        self.bar(stage, false, String::new())
    }

    fn end(&mut self, who: &Who, count: u32) -> Result<()> {
        let bar = self.handling(who)?;
        self.counters.handled(self.story.bars[bar].stage, count);
        if self.story.rows[self.story.bars[bar].from].at == self.now {
            self.story.bars[bar].to = Some(self.last_row()?); // It has taken no time.
        } else {
            self.done.push((self.now, bar));
        }
        Ok(())
    }

    fn start(&mut self, task: &str) -> Result<()> {
        let from = self.last_row()?;
        // A loop that was not terminated has ended by itself by now.
        for it in &mut self.story.loops {
            it.to.get_or_insert(it.last_act);
        }
        let lane = match self.story.loops.last() {
            Some(last) if last.to == Some(from) => last.lane + 1,
            Some(last) => last.lane,
            None => 0,
        };
        let pull = self.story.rows[from].arrows.last_mut().context("nothing pulls")?;
        pull.to = Place::Loop(self.story.loops.len());
        let (id, to) = (self.names.id_of(task)?, None);
        let it = Loop { id, from, to, is_terminated: false, lane, missing: 0, last_act: from };
        self.story.loops.push(it);
        Ok(())
    }

    fn terminate(&mut self, task: &str) -> Result<()> {
        let (row, id) = (self.last_row()?, self.names.id_of(task)?);
        let it = self.story.loops.iter_mut().rfind(|it| it.id == id);
        let it = it.context("there is no such loop")?;
        (it.to, it.is_terminated) = (Some(row), true);
        Ok(())
    }

    /// The latest loop looks for events. The earlier ones were terminated or have ended, so they do not run again.
    fn run(&mut self, run: Option<u32>, missing: u32) -> Result<()> {
        let of = self.story.loops.len().checked_sub(1).context("there is no loop")?;
        let number = run.map(|run| format!("run {run} ")).unwrap_or_default();
        let label = format!("{number}looks for {missing}");
        self.row().run = Some(Run { of, label, finds: false });
        let last = self.last_row()?;
        let it = &mut self.story.loops[of];
        (it.missing, it.last_act) = (missing, last);
        Ok(())
    }

    /// Takes down the text of this line, and the numbers after it. Both belong to the last row, or, if that is of an
    /// earlier moment, to the next one.
    pub(super) fn count(&mut self, line: &Line) {
        if let Some(said) = line.said() {
            let said =
                if self.scene.has_network { self.names.renumbered(said) } else { said.to_owned() };
            self.story.said.push((line.at, said));
        }
        if self.is_now()
            && let Some(row) = self.story.rows.last_mut()
        {
            row.counts.clone_from(&self.counters.0);
            (row.sought, row.said) = (self.pending, self.story.said.len());
        }
    }
}
