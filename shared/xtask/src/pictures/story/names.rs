//! The names in a log: columns of stages, and numbers of loops.

use anyhow::{Context, Result};

use super::super::recording::Who;
use super::super::time::Scene;

/// The stages and loops that have come up so far.
pub(super) struct Names<'a> {
    scene: &'a Scene,
    /// In the order in which they came up.
    known: Vec<Who>,
    /// The tasks of the loops.
    tasks: Vec<String>,
}

impl<'a> Names<'a> {
    pub(super) fn of(scene: &'a Scene) -> Self {
        Self { scene, known: Vec::new(), tasks: Vec::new() }
    }

    /// The number of a loop: that of its task, which the log shows, too. With SQS and S3, the tasks' numbers depend on how these
    /// work, so the loops are numbered from 1.
    pub(super) fn id_of(&mut self, task: &str) -> Result<u32> {
        if !self.scene.has_network {
            return Ok(task.parse()?);
        }
        if !self.tasks.iter().any(|known| known == task) {
            self.tasks.push(task.to_owned());
        }
        let position = self.tasks.iter().position(|known| known == task);
        Ok(u32::try_from(position.map_or(0, |position| position + 1))?)
    }

    /// The column of a stage. Stages of one name take their columns in the order in which they come up.
    pub(super) fn stage(&mut self, who: &Who) -> Result<usize> {
        if !self.known.contains(who) {
            self.known.push(who.clone());
        }
        let same = self.known.iter().filter(|known| known.name == who.name);
        let nth = same.take_while(|known| *known != who).count();
        self.named(&who.name, nth)
    }

    pub(super) fn named(&self, name: &str, nth: usize) -> Result<usize> {
        let mut same =
            (0..self.scene.stages.len()).filter(|stage| self.scene.stages[*stage].0 == name);
        same.nth(nth).with_context(|| format!("there is no column for {name}"))
    }

    /// A line with the numbers that [`id_of`](Self::id_of) gives the loops.
    pub(super) fn renumbered(&self, said: &str) -> String {
        let Some((before, rest)) = said.split_once("#Task<") else { return said.to_owned() };
        let (task, after) = rest.split_once('>').unwrap_or((rest, ""));
        match self.tasks.iter().position(|known| known == task) {
            Some(position) => format!("{before}#Task<{}>{after}", position + 1),
            None => format!("{before}#Task<…>{after}"),
        }
    }
}
