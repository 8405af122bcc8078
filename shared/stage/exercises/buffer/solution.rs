//! A postbox, which keeps its letters until a postman asks for them.

use std::collections::VecDeque;

use stage::{Producer, ProducerHandle};

/// Emits letters in the order in which they were thrown in.
#[derive(Default)]
pub struct Postbox {
    letters: VecDeque<u32>,
    /// How many were asked for and not emitted yet.
    owed: usize,
}

impl Postbox {
    /// Starts a postbox. A letter is thrown in with `cast`.
    pub fn start() -> ProducerHandle<Self> {
        stage::named("Postbox").start_producer(|_me| Self::default())
    }

    fn emit(&mut self) -> Vec<u32> {
        let count = self.owed.min(self.letters.len());
        self.owed -= count;
        self.letters.drain(..count).collect()
    }
}

impl Producer for Postbox {
    type Event = u32;
    type Cast = u32;

    async fn handle_demand(&mut self, demand: usize) -> Vec<u32> {
        self.owed = self.owed.saturating_add(demand);
        self.emit()
    }

    async fn handle_cast(&mut self, letter: u32) -> Vec<u32> {
        self.letters.push_back(letter);
        self.emit()
    }

    async fn prepare_for_draining(&mut self) -> Vec<u32> {
        self.letters.drain(..).collect()
    }
}

#[cfg(test)]
mod tests;
