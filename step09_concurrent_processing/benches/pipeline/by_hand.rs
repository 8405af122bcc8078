//! A loop written by hand, with the SDK as the ceiling, and without it as the floor. This very program runs as the
//! loop, in a process of its own, if it is given one of the flags.
//!
//! It does the same work as step 9: it receives ten messages at a time, streams files through gunzip,
//! counts lines, writes results as durably, and deletes messages in tens. It leaves out everything else
//! that a service needs: it has no stages and no demand, no leases, no retries, no orderly end and no
//! log, and it ends at the first error.

use std::env;
use std::io::{self, Write};
use std::mem;
use std::sync::Arc;

use aws_sdk_sqs::types::Message;
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

use super::requests::{Requests, Sdk, Unassisted};

#[derive(Parser)]
struct Args {
    /// How many files to work on at the same time
    #[arg(long)]
    workers: u16,

    #[command(flatten)]
    results: ResultsArgs,
}

#[derive(Clone)]
struct Loop<R> {
    requests: R,
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

/// Which loop this is.
#[derive(Clone, Copy)]
pub enum ByHand {
    Ceiling,
    Floor,
}

impl ByHand {
    /// The loop with this flag.
    pub fn from_flag(flag: &str) -> Option<Self> {
        [Self::Ceiling, Self::Floor].into_iter().find(|it| it.flag() == flag)
    }

    pub fn flag(self) -> &'static str {
        match self {
            Self::Ceiling => "--as-ceiling",
            Self::Floor => "--as-floor",
        }
    }

    /// Runs this program as the loop.
    pub fn main(self) -> Result<(), Error> {
        let args = Args::parse_from(env::args().skip(1));
        Runtime::new()?.block_on(async {
            match self {
                Self::Ceiling => run(args, Sdk::new().await?).await,
                Self::Floor => run(args, Unassisted::new()?).await,
            }
        })
    }
}

async fn run<R: Requests>(args: Args, requests: R) -> Result<(), Error> {
    let results = Results::open(&args.results, None, &[]).await?;
    let by_hand = Loop { requests, results };

    let (put, stock) = mpsc::channel(2 * BATCH);
    let (done, to_delete) = mpsc::channel(2 * BATCH);
    let stock = Arc::new(Mutex::new(stock));
    let mut tasks = JoinSet::new();
    tasks.spawn(by_hand.clone().receive(put));
    tasks.spawn(by_hand.clone().delete(to_delete));
    for _ in 0..args.workers {
        tasks.spawn(by_hand.clone().work(stock.clone(), done.clone()));
    }
    drop(done);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

impl<R: Requests> Loop<R> {
    /// Receives until the queue is empty. While the workers process ten messages, it receives the next
    /// ten.
    async fn receive(self, stock: mpsc::Sender<Message>) -> Result<(), Error> {
        loop {
            let room = stock.reserve_many(BATCH).await?;
            let messages = self.requests.receive().await?;
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
                let written = self.results.write_counted(&object, etag, count, &outcome).await;
                written.expect("the outcome is an object");
            }
            done.send(message.receipt_handle.unwrap_or_default()).await?;
        }
    }

    async fn count(&self, object: &S3Object) -> Result<Count, Error> {
        let mut body = self.requests.get(object).await?;
        let mut unzipped = MultiGzDecoder::new(Counter::default());
        while let Some(chunk) = R::next(&mut body).await? {
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
            if !handles.is_empty() {
                self.results.make_durable().await;
                self.requests.delete(mem::take(&mut handles)).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }
}
