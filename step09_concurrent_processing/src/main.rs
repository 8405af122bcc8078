//! ```text
//! cargo run -p step09_concurrent_processing
//!
//!                                   ┌─ Pipeline1 ──────────────────────┐
//!                              ╔══▶ │ ProducerConsumer ══▶ Consumer    │ ──▶ output/
//!     SQS ◀── Server ──▶ Producer   ├─ Pipeline2 ──────────────────────┤
//!               └─ loop ⟲ ──▲  ╠══▶ │ ProducerConsumer ══▶ Consumer    │ ──▶ output/
//!                              ║    ├─ Pipeline3 ──────────────────────┤
//!                              ╚══▶ │ ProducerConsumer ══▶ Consumer    │ ──▶ output/
//!                                   └──────────────────────────────────┘
//! ```
//!
//! # Changed since step08
//!
//! - `pipeline.rs`: starts a producer-consumer and a consumer under a name. They are supervised as a
//!   unit: if one of them fails, both are started again, and the other pipelines go on.
//! - `producer_consumer.rs`, `consumer.rs`: say which pipeline they are of.
//! - `main.rs`: starts several pipelines, on all processors.

mod consumer;
mod pipeline;
mod producer;
mod producer_consumer;
mod server;

use std::process::ExitCode;

use clap::{Parser, value_parser};
use shared::aws::{AwsArgs, CheckArgs};
use shared::metrics::MetricsArgs;
use shared::results::{Results, ResultsArgs};
use shared::stage::{SubscribeOptions, Supervisor};

use producer::SqsProducer;
use server::Server;

/// Counts the lines of the files that are put into S3, as SQS tells of them.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    aws: AwsArgs,

    #[command(flatten)]
    results: ResultsArgs,

    #[command(flatten)]
    metrics: MetricsArgs,

    #[command(flatten)]
    check: CheckArgs,

    /// How many files to work on at the same time
    #[arg(long, value_name = "N", env = "PALLETO_PIPELINES", default_value_t = 3, value_parser = value_parser!(u16).range(1..))]
    pipelines: u16,

    /// How many files each stage asks for at a time: 1 for large ones, 20 for many small ones
    #[arg(long, value_name = "N", env = "PALLETO_MAX_DEMAND", default_value_t = 1, value_parser = value_parser!(u16).range(1..))]
    max_demand: u16,
}

#[tokio::main]
async fn main() -> Result<ExitCode, shared::Error> {
    let args = Args::parse();
    shared::init_with(&args.aws.log_format);
    if args.check.is_asked_for() {
        return Ok(args.check.run(&args.aws, &args.results).await);
    }
    let results = Results::open(&args.results)?;
    let aws = args.aws.connect().await?;
    results.show_progress(&aws.queue);
    args.metrics.serve(&aws.queue).await?;

    let producer = SqsProducer::start(Server::start(aws.queue.clone()));
    let demand = SubscribeOptions::default().max_demand(args.max_demand.into());
    let mut pipelines = Supervisor::default();
    for number in 1..=args.pipelines {
        let name = format!("Pipeline{number}");
        let (producer, aws, results) = (producer.clone(), aws.clone(), results.clone());
        pipelines.start_group(name.clone(), move || {
            pipeline::start(&name, demand, &producer, &aws, &results)
        });
    }
    tokio::select! {
        () = shared::stop_signal() => {}
        () = aws.queue.idle(), if args.results.until_idle => {}
        _ = pipelines.stopped() => {}
    }
    // What is begun is finished, the rest is given back. Then the pipelines stop too.
    aws.queue.stop();
    producer.stop();
    pipelines.stopped().await?;
    producer.stopped().await.ok()?;
    Ok(results.summary(&aws.queue).await)
}
