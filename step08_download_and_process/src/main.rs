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
//! - `producer_consumer.rs`: a stage between the two. It downloads and unzips the file that an event
//!   is about.
//! - `consumer.rs`: counts the lines of the file, and writes the result. Then the event is released.
//! - `server.rs`: does not delete a message of which something is left to be done, and tells the queue
//!   when a receive came back empty.
//! - `main.rs`: all stages take one file at a time. The end is when it is asked for, or when there is
//!   nothing left to do.

mod consumer;
mod producer;
mod producer_consumer;
mod server;

use std::process::ExitCode;

use clap::Parser;
use shared::aws::AwsArgs;
use shared::results::{Results, ResultsArgs};
use shared::stage::SubscribeOptions;

use consumer::SqsConsumer;
use producer::SqsProducer;
use producer_consumer::SqsProducerConsumer;
use server::Server;

/// Counts the lines of the files that are put into S3, as SQS tells of them.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    aws: AwsArgs,

    #[command(flatten)]
    results: ResultsArgs,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, shared::Error> {
    let args = Args::parse();
    shared::init_with(&args.aws.log_format);
    let results = Results::open(&args.results)?;
    let aws = args.aws.connect().await?;
    results.show_progress(&aws.queue);

    let producer = SqsProducer::start(Server::start(aws.queue.clone()));
    let producer_consumer = SqsProducerConsumer::start(aws.clone(), results.clone());
    let consumer = SqsConsumer::start(aws.queue.clone(), results.clone());
    let one = SubscribeOptions::default().min_demand(0).max_demand(1);
    consumer.subscribe(&producer_consumer, one)?;
    producer_consumer.subscribe(&producer, one)?;

    tokio::select! {
        () = shared::stop_signal() => {}
        () = aws.queue.idle(), if args.results.until_idle => {}
        _ = consumer.stopped() => {}
    }
    // What is begun is finished, the rest is given back. Then the consumer stops too.
    aws.queue.stop();
    producer.stop();
    consumer.stopped().await.ok()?;
    Ok(results.summary(&aws.queue).await)
}
