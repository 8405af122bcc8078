//! A shop, which loses demand.

use std::collections::VecDeque;

use stage::{Producer, ProducerHandle};

/// Sells the articles on its shelf, and those that are delivered later.
#[derive(Default)]
pub struct Shop {
    shelf: VecDeque<u32>,
    /// How many articles were asked for and not emitted yet.
    owed: usize,
}

impl Shop {
    /// Starts a shop. A delivery comes with `cast`.
    pub fn start() -> ProducerHandle<Self> {
        stage::named("Shop").start_producer(|_me| Self::default())
    }

    fn emit(&mut self) -> Vec<u32> {
        let count = self.owed.min(self.shelf.len());
        self.owed = 0;
        self.shelf.drain(..count).collect()
    }
}

impl Producer for Shop {
    type Event = u32;
    type Cast = Vec<u32>;

    async fn handle_demand(&mut self, demand: usize) -> Vec<u32> {
        self.owed = demand;
        self.emit()
    }

    async fn handle_cast(&mut self, delivery: Vec<u32>) -> Vec<u32> {
        self.shelf.extend(delivery);
        self.emit()
    }
}

#[cfg(test)]
mod tests;
