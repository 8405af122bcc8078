//! Where the events come from. There is no queue yet: the server makes them up.

use tracing::info;

/// One event. Later steps find their events in a queue.
pub type Event = &'static str;

pub struct Server {}

impl Server {
    pub fn start() -> Self {
        Self {}
    }

    /// Returns `count` events at once.
    pub fn pull(&mut self, count: usize) -> Vec<Event> {
        info!("Pulling {count} events from server");
        vec!["ho"; count]
    }
}
