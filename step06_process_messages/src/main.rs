//! ```text
//! cargo run -p step06_process_messages -- --visibility-timeout 10
//!
//!     SQS ◀── Server ──▶ Producer ══▶ Consumer
//!               └─ loop ⟲ ──▲
//! ```
//!
//! # Changed since step05
//!
//! - `server.rs`: the loop receives messages from SQS, and reads from them which objects were created
//!   in S3. A loop that is terminated finishes its receive. If SQS fails, the loop backs off.
//! - `producer.rs`: stops the loop before the program ends.
//! - `consumer.rs`: shows where the objects are. It no longer pretends to work.
//! - `main.rs`: one consumer again, an SQS to connect to, and an orderly end.

mod consumer;
mod producer;
mod server;

use clap::Parser;
use shared::aws::AwsArgs;
use shared::stage::SubscribeOptions;

use consumer::SqsConsumer;
use producer::SqsProducer;
use server::Server;

/// Shows which files were uploaded to S3, as SQS announces them.
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
    Ok(())
}
