//! A postbox, which keeps its letters until a postman asks for them.

use stage::{Producer, ProducerHandle};

/// Emits letters in the order in which they were thrown in.
pub struct Postbox {}

impl Postbox {
    /// Starts a postbox. A letter is thrown in with `cast`.
    pub fn start() -> ProducerHandle<Self> {
        stage::named("Postbox").start_producer(|_me| Self {})
    }
}

impl Producer for Postbox {
    type Event = u32;
    type Cast = u32;

    async fn handle_demand(&mut self, _demand: usize) -> Vec<u32> {
        Vec::new()
    }

    async fn handle_cast(&mut self, letter: u32) -> Vec<u32> {
        vec![letter]
    }
}

#[cfg(test)]
mod tests;
