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
//! - `server.rs`: sends several receives at the same time, and deletes in several loops.
//! - `main.rs`: starts several pipelines, on all processors, and a producer for each queue. `--check` checks that everything is
//!   set up, and `--backfill` sends messages about objects that are older than the bucket's notification.
//! - `producer_consumer.rs`: prints its name without a `#`, as the talk did.

mod consumer;
mod pipeline;
mod producer;
mod producer_consumer;
mod server;

use clap::Parser;
use shared::commands::CommandArgs;
use shared::concurrency::ConcurrencyArgs;
use shared::job::JobArgs;
use shared::stage::{Handle, Supervisor, all_stopped};

use producer::SqsProducer;
use server::Server;

/// Counts the lines of files uploaded to S3, as SQS announces them.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    job: JobArgs,

    #[command(flatten)]
    command: CommandArgs,

    #[command(flatten)]
    concurrency: ConcurrencyArgs,
}

fn main() -> Result<(), shared::Error> {
    // One thread per processor.
    shared::runtime()?.block_on(run(Args::parse()))
}

async fn run(args: Args) -> Result<(), shared::Error> {
    let Some(job) = args.command.run_or_start(&args.job).await? else { return Ok(()) };

    // Each queue has a producer, and each pipeline asks all of them.
    let producers: Vec<_> = job.queues.iter().map(Server::start).map(SqsProducer::start).collect();
    let (events, work) = (producers.clone(), job.clone());
    let start = move |name: &str, max_demand| pipeline::start(name, max_demand, &events, &work);
    let mut pipelines = Supervisor::default();

    tokio::select! {
        () = shared::stop_signal() => {}
        () = job.all_done() => {}
        // Another consumer asks for events too, and that is all it takes to be faster.
        () = args.concurrency.run(&job, &mut pipelines, start) => {}
    }
    // Work that has begun is finished, and other events go back to their queue. When a producer stops, so do the
    // pipelines.
    producers.iter().for_each(Handle::stop);
    job.stop();
    pipelines.stopped().await?;
    all_stopped(&producers).await?;
    job.summary().await?;
    Ok(())
}
