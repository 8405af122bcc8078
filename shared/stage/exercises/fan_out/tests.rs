//! The tests of this exercise. The clock is paused: a wait takes no time, and every run is the same.

use std::time::Duration;

use stage::{Consumer, Producer, ProducerConsumerHandle, SubscribeOptions};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::{Words, connect};

struct Lines(std::vec::IntoIter<String>);

impl Producer for Lines {
    type Event = String;
    type Cast = std::convert::Infallible;

    async fn handle_demand(&mut self, demand: usize) -> Vec<String> {
        self.0.by_ref().take(demand).collect()
    }
}

/// Takes a second for each word.
struct Reader(UnboundedSender<String>);

impl Consumer for Reader {
    type Event = String;

    async fn handle_events(&mut self, words: Vec<String>) {
        for word in words {
            sleep(Duration::from_secs(1)).await;
            let _ = self.0.send(word);
        }
    }
}

fn read(lines: Vec<String>) -> (ProducerConsumerHandle<Words>, UnboundedReceiver<String>) {
    let (sender, read) = unbounded_channel();
    let lines = stage::named("Lines").start_producer(|_me| Lines(lines.into_iter()));
    let words = connect::<Lines>(&lines).unwrap();
    let reader = stage::named("Reader").start_consumer(Reader(sender));
    reader.subscribe(&words, SubscribeOptions::default().max_demand(1)).unwrap();
    (words, read)
}

/// The next words, or as many of them as come within an hour.
async fn next(read: &mut UnboundedReceiver<String>, count: usize) -> Vec<String> {
    let mut words = Vec::new();
    while words.len() < count {
        match timeout(Duration::from_hours(1), read.recv()).await {
            Ok(Some(word)) => words.push(word),
            _ => break,
        }
    }
    words
}

#[tokio::test(start_paused = true)]
async fn the_words_of_all_lines_come_in_their_order() {
    let lines = ["It was the", "best", "of  times"].map(str::to_owned).to_vec();
    let (_words, mut read) = read(lines);
    assert_eq!(next(&mut read, 6).await, ["It", "was", "the", "best", "of", "times"]);
}

#[tokio::test(start_paused = true)]
async fn a_line_without_words_gives_none_and_the_next_one_follows() {
    let lines = ["", "Chapter 1", "   ", "", "Loomings"].map(str::to_owned).to_vec();
    let (_words, mut read) = read(lines);
    assert_eq!(next(&mut read, 3).await, ["Chapter", "1", "Loomings"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_words_wait_than_one_line_has() {
    let (words, mut read) = read(vec!["one two three four five".to_owned(); 2000]);
    for _ in 0..20 {
        assert_eq!(next(&mut read, 1).await.len(), 1, "the reader waits for a word");
        let waiting = words.buffered().await;
        assert!(waiting <= 5, "{waiting} words wait, and a line has 5");
    }
}
