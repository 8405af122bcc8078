//! ```text
//! cargo run -p step01_basic_pipeline
//!
//!     Server ──▶ Producer ══▶ Consumer
//! ```
//!
//! A pipeline of two stages. The consumer asks the producer for 10 events, the producer pulls them
//! from a server, and when the consumer is done with them it asks for the next 10.

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
