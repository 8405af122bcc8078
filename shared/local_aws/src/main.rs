//! The embedded SQS and S3 on their own, for several processes to share.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use local_aws::{ACCESS_KEY, BUCKET, LocalAws, REGION};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

/// Serves SQS and S3 at 127.0.0.1, and prints the commands that a second terminal needs to use
/// them.
#[derive(Parser)]
#[command(name = "local_aws")]
struct Args {
    /// The port to serve at; a free one, if it is 0
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    port: u16,

    /// The name of the queue
    #[arg(long, default_value = "warehouse_raw_events")]
    queue_name: String,

    /// Put the talk's twelve daily files into the bucket
    #[arg(long)]
    samples: bool,

    /// How long each answer takes at least, such as 300ms, as if SQS and S3 were far away
    #[arg(long, value_name = "TIME", value_parser = local_aws::latency, allow_hyphen_values = true)]
    latency: Option<Duration>,

    /// Files to put into the bucket
    files: Vec<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    log_errors();
    let local = LocalAws::start(args.port, &args.queue_name).await?;
    if args.samples || !args.files.is_empty() {
        local.fill(&args.files).await?;
    }
    local.answer_after(args.latency.unwrap_or_default());
    println!(
        "# SQS and S3 are here until Ctrl-C. The bucket {BUCKET} tells the queue of its files."
    );
    println!("# In another terminal:");
    println!(
        "# (The AWS CLI before version 2 also needs --endpoint-url \"$AWS_ENDPOINT_URL\" for sqs.)"
    );
    println!("export AWS_ENDPOINT_URL={}", local.endpoint_url());
    println!("export AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={ACCESS_KEY}");
    println!("export AWS_REGION={REGION} AWS_DEFAULT_REGION={REGION}");
    println!("export SQS_QUEUE_URL={}", local.queue_url());
    told_to_stop().await?;
    Ok(())
}

/// Logs only what no answer tells the client: rustack and s3s report their failures to it.
fn log_errors() {
    let [ours, quiet] = [LevelFilter::ERROR, LevelFilter::OFF];
    let filter = Targets::new().with_default(ours).with_target("rustack", quiet);
    let filter = filter.with_target("s3s", quiet);
    let log = layer().with_writer(io::stderr).with_ansi(false);
    registry().with(log.with_filter(filter)).init();
}

/// Waits for Ctrl-C or SIGTERM.
#[cfg(unix)]
async fn told_to_stop() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
async fn told_to_stop() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
