//! The ceiling: the speed that the SDK and a few tasks can reach. This very program runs as the
//! ceiling, in a process of its own, if it is given a flag.
//!
//! It does the same work as step 9: it receives ten messages at a time, streams files through gunzip,
//! counts lines, writes results as durably, and deletes messages in tens. It leaves out everything else
//! that a service needs: it has no stages and no demand, no leases, no retries, no orderly end and no
//! log, and it ends at the first error.

use std::env;
use std::io::{self, Write};
use std::sync::Arc;

use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use clap::Parser;
use flate2::write::MultiGzDecoder;
use serde_json::json;
use shared::Error;
use shared::aws::S3Object;
use shared::aws::notification::objects_in;
use shared::contents::Count;
use shared::results::{Results, ResultsArgs};
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::place::clients;

/// The flag that makes this program the ceiling.
pub const FLAG: &str = "--as-ceiling";

#[derive(Parser)]
struct Args {
    /// How many files to work on at the same time
    #[arg(long)]
    workers: u16,

    #[command(flatten)]
    results: ResultsArgs,
}

#[derive(Clone)]
struct Ceiling {
    sqs: aws_sdk_sqs::Client,
    s3: aws_sdk_s3::Client,
    queue_url: String,
    results: Results,
}

/// A writer that counts its bytes and lines.
#[derive(Default)]
struct Counter(Count);

impl Write for Counter {
    fn write(&mut self, unzipped: &[u8]) -> io::Result<usize> {
        self.0.add(unzipped);
        Ok(unzipped.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const BATCH: usize = 10;

pub fn main() -> Result<(), Error> {
    Runtime::new()?.block_on(run(Args::parse_from(env::args().skip(1))))
}

async fn run(args: Args) -> Result<(), Error> {
    let results = Results::open(&args.results, None, None).await?;
    let (sqs, s3) = clients(None).await;
    let queue_url = env::var("SQS_QUEUE_URL")?;
    let ceiling = Ceiling { sqs, s3, queue_url, results };

    let (put, stock) = mpsc::channel(2 * BATCH);
    let (done, to_delete) = mpsc::channel(2 * BATCH);
    let stock = Arc::new(Mutex::new(stock));
    let mut tasks = JoinSet::new();
    tasks.spawn(ceiling.clone().receive(put));
    tasks.spawn(ceiling.clone().delete(to_delete));
    for _ in 0..args.workers {
        tasks.spawn(ceiling.clone().work(stock.clone(), done.clone()));
    }
    drop(done);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

impl Ceiling {
    /// Receives until the queue is empty. While the workers process ten messages, it receives the next
    /// ten.
    async fn receive(self, stock: mpsc::Sender<Message>) -> Result<(), Error> {
        loop {
            let room = stock.reserve_many(BATCH).await?;
            let receive = self.sqs.receive_message().queue_url(&self.queue_url);
            let receive = receive.max_number_of_messages(10).wait_time_seconds(1);
            let messages = receive.send().await?.messages.unwrap_or_default();
            if messages.is_empty() {
                return Ok(());
            }
            room.zip(messages).for_each(|(place, message)| place.send(message));
        }
    }

    async fn work(
        self,
        stock: Arc<Mutex<mpsc::Receiver<Message>>>,
        done: mpsc::Sender<String>,
    ) -> Result<(), Error> {
        loop {
            let message = stock.lock().await.recv().await;
            let Some(message) = message else { return Ok(()) };
            for object in objects_in(&message).unwrap_or_default() {
                let count = self.count(&object).await?;
                let outcome = json!({ "line_count": count.lines() });
                let etag = object.etag.as_deref();
                self.results.write_counted(&object, etag, count, &outcome).await?;
            }
            done.send(message.receipt_handle.unwrap_or_default()).await?;
        }
    }

    async fn count(&self, object: &S3Object) -> Result<Count, Error> {
        let get = self.s3.get_object().bucket(&object.bucket).key(&object.key);
        let mut body = get.send().await?.body;
        let mut unzipped = MultiGzDecoder::new(Counter::default());
        while let Some(chunk) = body.try_next().await? {
            unzipped.write_all(&chunk)?;
        }
        Ok(unzipped.finish()?.0)
    }

    async fn delete(self, mut done: mpsc::Receiver<String>) -> Result<(), Error> {
        let mut handles = Vec::new();
        loop {
            let missing = BATCH - handles.len();
            let is_last = done.recv_many(&mut handles, missing).await == 0;
            if handles.len() < BATCH && !is_last {
                continue;
            }
            let entries = handles.drain(..).enumerate().filter_map(|(position, handle)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(position.to_string());
                entry.receipt_handle(handle).build().ok() // All required fields are set.
            });
            let entries: Vec<_> = entries.collect();
            if !entries.is_empty() {
                self.results.make_durable().await;
                let delete = self.sqs.delete_message_batch().queue_url(&self.queue_url);
                delete.set_entries(Some(entries)).send().await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }
}
