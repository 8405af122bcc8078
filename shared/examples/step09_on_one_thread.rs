//! Step 9, on one thread.
//!
//! Its own stages, and its own `main`, but for the runtime: a clock can be paused where there is one thread only,
//! and with one thread no two runs differ. The picture of step 9 is made of it (`cargo x pictures`).

#[path = "../../step09_concurrent_processing/src/consumer.rs"]
mod consumer;
#[path = "../../step09_concurrent_processing/src/pipeline.rs"]
mod pipeline;
#[path = "../../step09_concurrent_processing/src/producer.rs"]
mod producer;
#[path = "../../step09_concurrent_processing/src/producer_consumer.rs"]
mod producer_consumer;
#[path = "../../step09_concurrent_processing/src/server.rs"]
mod server;

use clap::Parser;
use shared::stage::Supervisor;
use shared::work::WorkArgs;

use producer::SqsProducer;
use server::Server;

/// Counts the lines of the files that are put into S3, as SQS tells of them.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    work: WorkArgs,

    /// How many files to work on at the same time
    #[arg(long, value_name = "N", env = "PALLETO_PIPELINES", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pipelines: u16,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), shared::Error> {
    let args = Args::parse();
    let work = args.work.begin().await?;

    let producer = SqsProducer::start(Server::start(&work.aws.queue));
    let mut pipelines = Supervisor::default();
    for name in (1..=args.pipelines).map(|number| format!("Pipeline{number}")) {
        let (producer, work) = (producer.clone(), work.clone());
        pipelines.start_group(name.clone(), move || pipeline::start(&name, &producer, &work));
    }

    tokio::select! {
        () = shared::stop_signal() => {}
        () = work.all_done() => {}
        _ = pipelines.stopped() => {}
    }
    // What is begun is finished, the rest is given back. Then the pipelines stop too.
    work.stop();
    producer.stop();
    pipelines.stopped().await?;
    producer.stopped().await.ok()?;
    work.summary().await?;
    Ok(())
}
