//! A producer that polls SQS itself, after a blog post on GenStage and SQS. It keeps in its state how
//! much is asked for, and receives messages until that is met. However many consumers ask, one receive
//! is in the air at a time.
//!
//! ```text
//!     SQS ◀─── receive ─── SQSProducer ══▶ SQSConsumer ×2
//!      ▲                    ▲        │          │
//!      │                    └────────┘          │
//!      │                   :get_messages        │
//!      └──────────────── delete ────────────────┘
//! ```
//!
//! In place of the steps' server and its loop, the producer sends messages to itself: that it is to
//! poll, and what a poll has brought. While the queue is empty, or SQS does not work, it waits between
//! two polls, longer each time: the post leaves that to its reader.
//!
//! ```console
//! $ cargo run -p shared --features aws --example sqs_producer
//! Using the embedded SQS and S3 at http://127.0.0.1:39343
//! SQSProducer received demand for 10 messages, 10 in all
//! SQSProducer received demand for 10 messages, 20 in all
//! SQSProducer polls for 10 messages
//! SQSProducer received 10 messages
//! SQSProducer polls for 10 messages
//! Nothing to do for s3:TestEvent
//! SQSConsumer1 received 40ad27de-cf44-4704-9119-0cc26a0c9181: []
//! SQSConsumer1 received d9f59707-cd53-4c3f-b56d-25e13c85e608: ["warehouse.development/packrat/data/20160720.gz"]
//! SQSProducer received 3 messages
//! SQSProducer polls for 7 messages
//! SQSConsumer2 received 66411ae6-82c4-4aef-aac3-409f59a9601c: ["warehouse.development/packrat/data/20160729.gz"]
//! ...
//! SQSProducer received 0 messages
//! SQSProducer polls again in 0.2 seconds
//! SQSProducer polls for 10 messages
//! SQSProducer received 0 messages
//! SQSProducer polls again in 0.4 seconds
//! ...
//! ```
//!
//! It runs until Ctrl-C, with an SQS of its own, or yours (`--queue-url`, see `--help`).

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

    tokio::select! {
        () = shared::stop_signal() => {}
        _ = producer.stopped() => {}
    }
    // What a receive that is in the air brings is still delivered, and deleted. Then the consumers stop
    // too.
    producer.stop();
    producer.stopped().await.ok()?;
    for consumer in consumers {
        consumer.stopped().await.ok()?;
    }
    Ok(())
}
