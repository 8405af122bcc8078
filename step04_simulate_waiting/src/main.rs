//! ```text
//! cargo run -p step04_simulate_waiting
//!
//!     Server ──▶ Producer ══▶ Consumer
//!       └─ loop ⟲ ──▲
//! ```
//!
//! # Changed since step03
//!
//! - `server.rs`: the task is a loop. It finds nothing at first, then two events at a time, and runs
//!   until it has found as many events as were asked for.

mod consumer;
mod producer;
mod server;

use shared::stage::SubscribeOptions;

use consumer::SqsConsumer;
use producer::SqsProducer;
use server::Server;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), shared::Error> {
    shared::init().unwrap_or_else(|error| error.exit());

    let producer = SqsProducer::start(Server::start());
    let consumer = SqsConsumer::start();
    consumer.subscribe(&producer, SubscribeOptions::default().min_demand(0).max_demand(10))?;

    consumer.stopped().await.ok()?;
    Ok(())
}
