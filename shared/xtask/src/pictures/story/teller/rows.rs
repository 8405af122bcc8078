//! Writes down the story: the rows, and the bars and arrows in them.

use anyhow::{Context, Result};

use super::super::super::recording::Who;
use super::super::{Arrow, Bar, Place, Row};
use super::Teller;

impl Teller<'_> {
    /// Whether the last row is at this moment, so that it can hold the next event.
    pub(super) fn is_now(&self) -> bool {
        self.done.is_empty() && self.story.rows.last().is_some_and(|row| row.at == self.now)
    }

    pub(super) fn bar(&mut self, stage: usize, waits: bool, note: String) -> Result<()> {
        let from = self.last_row()?;
        self.story.bars.push(Bar { stage, from, to: None, waits, note });
        Ok(())
    }

    /// The bar of the events that a stage is handling.
    pub(super) fn handling(&mut self, who: &Who) -> Result<usize> {
        let stage = self.names.stage(who)?;
        let bar = self.story.bars.iter().rposition(|bar| bar.stage == stage && !bar.waits);
        bar.context("it handles nothing")
    }

    pub(super) fn last_row(&self) -> Result<usize> {
        self.story.rows.len().checked_sub(1).context("nothing has happened yet")
    }

    /// Adds a row for this moment. Bars that have ended end there.
    pub(super) fn row(&mut self) -> &mut Row {
        self.row_at(self.now)
    }

    pub(super) fn row_at(&mut self, at: u32) -> &mut Row {
        for (_, bar) in self.done.drain(..) {
            self.story.bars[bar].to = Some(self.story.rows.len());
        }
        let (counts, said) = (self.counters.0.clone(), self.story.said.len());
        self.story.rows.push_mut(Row { at, counts, sought: self.pending, said, ..Row::default() })
    }

    /// If bars ended at an earlier moment and nothing has happened since, that moment gets a row of its own.
    pub(super) fn time_passes(&mut self) {
        if let Some(&(at, _)) = self.done.first().filter(|(at, _)| *at < self.now) {
            self.row_at(at);
        }
    }

    pub(super) fn arrow(&mut self, from: Place, to: Place, is_ask: bool, label: String) {
        if let Some(row) = self.story.rows.last_mut() {
            row.arrows.push(Arrow { from, to, is_ask, label });
        }
    }
}
