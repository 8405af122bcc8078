//! ```text
//! cargo run -p step08_download_and_process
//!
//!                                      S3
//!                                       │
//!     SQS ◀── Server ──▶ Producer ══▶ ProducerConsumer ══▶ Consumer ──▶ output/
//!      ▲        └─ loop ⟲ ──▲                                 │
//!      └────────────────────── release ───────────────────────┘
//! ```
//!
//! # Changed since step07
//!
//! - `producer_consumer.rs`: a stage between the two. It downloads and unzips an event's file, and
//!   settles an event that fails.
//! - `consumer.rs`: counts the lines of the file, and writes the result. Then the event is released.
//! - `main.rs`: all stages take one file at a time. The program ends when it is told to, or when there
//!   is nothing left to do.

mod consumer;
mod producer;
mod producer_consumer;
mod server;

use clap::Parser;
use shared::job::JobArgs;
use shared::stage::SubscribeOptions;

use consumer::SqsConsumer;
use producer::SqsProducer;
use producer_consumer::SqsProducerConsumer;
use server::Server;

/// Counts the lines of files uploaded to S3, as SQS announces them.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    job: JobArgs,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), shared::Error> {
    let args = Args::parse();
    let job = args.job.start().await?;

    let producer = SqsProducer::start(Server::start(&job.queue));
    let producer_consumer = SqsProducerConsumer::start("ProducerConsumer", &job);
    let consumer = SqsConsumer::start("Consumer", &job);
    let [first, second] = job.max_demand.map(|most| SubscribeOptions::default().max_demand(most));
    consumer.subscribe(&producer_consumer, second)?;
    producer_consumer.subscribe(&producer, first)?;

    tokio::select! {
        () = shared::stop_signal() => {}
        () = job.all_done() => {}
        _ = consumer.stopped() => {}
    }
    // Work that has begun is finished, and other events go back to the queue. When the producer stops, so does the
    // consumer.
    producer.stop();
    job.stop();
    consumer.stopped().await.ok()?;
    job.summary().await?;
    Ok(())
}
