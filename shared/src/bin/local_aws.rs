//! The embedded SQS and S3 on their own, for several processes to share.

use std::path::PathBuf;

use clap::Parser;
use shared::aws::readable_file;
use shared::local_aws::{ACCESS_KEY, BUCKET, LocalAws, REGION};

/// Serves SQS and S3 at 127.0.0.1, and prints what a second terminal needs to use them.
#[derive(Parser)]
#[command(name = "local_aws")]
struct Args {
    /// The port to serve at; a free one, if it is 0
    #[arg(long, default_value_t = 0)]
    port: u16,

    /// The name of the queue
    #[arg(long, default_value = "warehouse_raw_events")]
    queue_name: String,

    /// Put the talk's twelve daily files into the bucket
    #[arg(long)]
    samples: bool,

    /// Files to put into the bucket
    #[arg(value_parser = readable_file)]
    files: Vec<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), shared::Error> {
    let args = Args::parse();
    shared::init_with("")?;
    let local = LocalAws::start(args.port, &args.queue_name).await?;
    if args.samples || !args.files.is_empty() {
        local.fill(&args.files).await?;
    }
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
    println!("export SQS_QUEUE_URL={}", local.aws().queue.url);
    shared::stop_signal().await;
    Ok(())
}
