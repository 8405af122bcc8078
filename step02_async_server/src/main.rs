//! ```text
//! cargo run -p step02_async_server
//!
//!     Server ──▶ Producer ══▶ Consumer
//!       └─ task ────▲
//! ```
//!
//! # Changed since step01
//!
//! - `server.rs`: `pull` returns nothing. It starts a task that looks for events, because a real queue
//!   takes its time to answer.
//! - `producer.rs`: the events come later, as a message. Until then the demand is pending.

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
