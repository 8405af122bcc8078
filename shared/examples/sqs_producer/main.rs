//! ```text
//! cargo run -p shared --features aws --example sqs_producer
//!
//!     SQS ◀─── receive ─── SQSProducer ══▶ SQSConsumer ×2
//!      ▲                    ▲        │          │
//!      │                    └────────┘          │
//!      │                    GetMessages         │
//!      └──────────────── delete ────────────────┘
//! ```
//!
//! A producer that polls SQS itself, after a blog post on `GenStage` and SQS. README.md explains it.

mod sqs_consumer;
mod sqs_producer;

use clap::Parser;
use shared::aws::AwsArgs;

use sqs_consumer::SqsConsumer;
use sqs_producer::SqsProducer;

/// Shows the messages of a queue, and deletes them.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    aws: AwsArgs,

    /// How many consumers ask for messages
    #[arg(long, value_name = "N", default_value_t = 2)]
    consumers: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), shared::Error> {
    let args = Args::parse();
    let queue = args.aws.connect().await?.queue;

    let producer = SqsProducer::start(queue.clone());
    let mut consumers = Vec::new();
    for number in 1..=args.consumers {
        consumers.push(SqsConsumer::start(format!("SQSConsumer{number}"), &producer, &queue)?);
    }

    let mut stages = vec![producer.stage()];
    stages.extend(consumers.iter().map(shared::stage::Handle::stage));
    tokio::select! {
        () = shared::stop_signal() => {}
        () = shared::stage::first_stopped(&stages) => {}
    }
    // The messages of a receive in flight are still delivered and deleted. Then the consumers stop too.
    producer.stop();
    producer.stopped().await.ok()?;
    shared::stage::all_stopped(&consumers).await?;
    Ok(())
}
