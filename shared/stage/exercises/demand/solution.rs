//! A baker, who asks for flour.

use std::time::Duration;

use stage::{Consumer, SubscribeOptions};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep};

/// How the baker asks for flour.
pub fn demand() -> SubscribeOptions {
    // When 6 are left, 6 more are asked for. They come after 3 seconds, and the 6 last for 6.
    SubscribeOptions::default().max_demand(12).min_demand(6)
}

/// Makes a loaf of each portion of flour, and says when it is done.
pub struct Baker(pub UnboundedSender<Instant>);

impl Consumer for Baker {
    type Event = Flour;

    async fn handle_events(&mut self, flour: Vec<Flour>) {
        for _ in flour {
            sleep(Duration::from_secs(1)).await;
            let _ = self.0.send(Instant::now());
        }
    }
}

/// A portion of flour.
pub struct Flour;

#[cfg(test)]
mod tests;
