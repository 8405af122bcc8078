//! Counts the words of lines from a socket: no more than 100 lines in a second, the same word always in the same
//! worker, and a report in batches.
//!
//! ```text
//! cargo run -p stage --example words -- 7777
//! bash -c 'yes "to be or not to be" | head -n 250 > /dev/tcp/127.0.0.1/7777'
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use stage::{
    CancelMode, ProducerConsumer, STOP_LIMIT, SubscribeOptions, first_stopped, stop_in_order,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};

const WORKERS: usize = 4;
const LINES_PER_SECOND: u32 = 100;

/// Makes words of lines.
struct Words;

impl ProducerConsumer for Words {
    type Input = String;
    type Event = String;

    async fn handle_events(&mut self, lines: Vec<String>) -> Vec<String> {
        lines.iter().flat_map(|line| line.split_whitespace()).map(str::to_owned).collect()
    }
}

/// Counts the words of its partition, and tells the counts at the end.
#[derive(Default)]
struct Counter(HashMap<String, u64>);

impl ProducerConsumer for Counter {
    type Input = String;
    type Event = (String, u64);

    async fn handle_events(&mut self, words: Vec<String>) -> Vec<(String, u64)> {
        for word in words {
            *self.0.entry(word).or_default() += 1;
        }
        Vec::new()
    }

    async fn finish(&mut self) -> Vec<(String, u64)> {
        self.0.drain().collect()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).ok_or("name a port, for instance 7777")?;
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    eprintln!("listening on {}", listener.local_addr()?);
    let (socket, _) = listener.accept().await?;

    // A line for each tick: the socket is read when a consumer asks, and at most at this rate.
    let mut ticks = interval(Duration::from_secs(1) / LINES_PER_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let lines =
        stream::unfold((BufReader::new(socket).lines(), ticks), async |(mut lines, mut ticks)| {
            ticks.tick().await;
            lines.next_line().await.ok().flatten().map(|line| (line, (lines, ticks)))
        });
    let lines = stage::named("Lines").start_stream(lines);

    let hasher = RandomState::new();
    let of = move |word: &String| hasher.hash_one(word);
    let words = stage::named("Words").partition(WORKERS, of).start_producer_consumer(Words);
    words.subscribe(&lines, SubscribeOptions::default())?;

    let report = stage::named("Report").start_batcher(50, Duration::from_secs(1));
    // Several counters meet here, so it does not end with the first of them.
    let one_of_several = SubscribeOptions::default().cancel(CancelMode::Transient);
    let mut line = vec![lines.stage(), words.stage()];
    for partition in 0..WORKERS {
        let counter =
            stage::named(format!("Counter{partition}")).start_producer_consumer(Counter::default());
        counter.subscribe(&words, SubscribeOptions::default().partition(partition))?;
        report.subscribe(&counter, one_of_several)?;
        line.push(counter.stage());
    }
    line.push(report.stage());

    let batches = report.stream(SubscribeOptions::default().max_demand(1))?;
    let printed = tokio::spawn(batches.for_each(async |batch| {
        let mut out = std::io::stdout().lock();
        for (word, count) in batch {
            let _ = writeln!(out, "{count} {word}");
        }
    }));
    // The end of the socket ends the lines, and Ctrl-C does so earlier. All that was read is counted. If another stage ends,
    // it has crashed, and then there is nothing to wait for.
    tokio::select! {
        () = first_stopped(&line) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    stop_in_order(&line, STOP_LIMIT).await?;
    printed.await?;
    Ok(())
}
