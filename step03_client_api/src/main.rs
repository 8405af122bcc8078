//! ```text
//! cargo run -p step03_client_api
//!
//!     Server ──▶ Producer ══▶ Consumer
//!       └─ task ────▲
//! ```
//!
//! # Changed since step02
//!
//! - `producer.rs`: offers `enqueue`, and keeps the form of its messages to itself.
//! - `server.rs`: calls `enqueue`, because that is now the one way to give the producer events.

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
