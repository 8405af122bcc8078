//! ```text
//! cargo run -p step05_multiple_consumers
//!
//!     Server ──▶ Producer ══▶ Consumer ×3
//!       └─ loop ⟲ ──▲
//! ```
//!
//! # Changed since step04
//!
//! - `main.rs`: three consumers subscribe to the producer, each for 10 events. With
//!   `--watch` the terminal shows them at work.
//! - `server.rs`: new demand terminates the running loop, and starts one that looks for the rest too.
//! - `server.rs`, `consumer.rs`: log the id of their task.

mod consumer;
mod producer;
mod server;

use shared::stage::SubscribeOptions;

use consumer::SqsConsumer;
use producer::SqsProducer;
use server::Server;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), shared::Error> {
    shared::init_with_watch().unwrap_or_else(|error| error.exit());

    let producer = SqsProducer::start(Server::start());
    let consumers = [SqsConsumer::start(), SqsConsumer::start(), SqsConsumer::start()];
    for consumer in &consumers {
        consumer.subscribe(&producer, SubscribeOptions::default().min_demand(0).max_demand(10))?;
    }

    shared::stage::all_stopped(&consumers).await?;
    Ok(())
}
