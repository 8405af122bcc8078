//! ```text
//! cargo run -p step07_release_messages
//!
//!     SQS ◀── Server ──▶ Producer ══▶ Consumer
//!      ▲        └─ loop ⟲ ──▲            │
//!      └──────────── release ────────────┘
//! ```
//!
//! # Changed since step06
//!
//! - `server.rs`: an event is a delivery, which keeps its message hidden from other receivers until it is
//!   released. A second loop deletes the messages whose events are all released.
//! - `consumer.rs`: releases the events that it has handled.
//! - `main.rs`: ends when nothing is in flight any more.

mod consumer;
mod producer;
mod server;

use clap::Parser;
use shared::aws::AwsArgs;
use shared::stage::SubscribeOptions;

use consumer::SqsConsumer;
use producer::SqsProducer;
use server::Server;

/// Shows which files were uploaded to S3, as SQS announces them, once each.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    aws: AwsArgs,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), shared::Error> {
    let args = Args::parse();
    let aws = args.aws.connect().await?;

    let producer = SqsProducer::start(Server::start(&aws.queue));
    let consumer = SqsConsumer::start();
    consumer.subscribe(&producer, SubscribeOptions::default().min_demand(0).max_demand(10))?;

    tokio::select! {
        () = shared::stop_signal() => {}
        _ = consumer.stopped() => {}
    }
    // The producer's events are still delivered, and handled. Then the consumer stops too.
    producer.stop();
    consumer.stopped().await.ok()?;
    aws.queue.in_flight.settled().await;
    Ok(())
}
