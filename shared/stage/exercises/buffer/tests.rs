//! The tests of this exercise. The clock is paused: a wait takes no time, and every run is the same.

use std::time::Duration;

use stage::{Consumer, ConsumerHandle, SubscribeOptions};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::Postbox;

/// Takes a second for each letter, and shows it here.
struct Postman(UnboundedSender<u32>);

impl Consumer for Postman {
    type Event = u32;

    async fn handle_events(&mut self, letters: Vec<u32>) {
        for letter in letters {
            sleep(Duration::from_secs(1)).await;
            let _ = self.0.send(letter);
        }
    }
}

/// A postman whose bag has room for `max_demand` letters.
fn postman() -> (ConsumerHandle<Postman>, UnboundedReceiver<u32>) {
    let (sender, letters) = unbounded_channel();
    (stage::named("Postman").start_consumer(Postman(sender)), letters)
}

fn bag(max_demand: usize) -> SubscribeOptions {
    SubscribeOptions::default().max_demand(max_demand).min_demand(0)
}

/// The next letters, or as many of them as come within some hours.
async fn next(letters: &mut UnboundedReceiver<u32>, count: usize) -> Vec<u32> {
    let mut got = Vec::new();
    while got.len() < count {
        match timeout(Duration::from_hours(12), letters.recv()).await {
            Ok(Some(letter)) => got.push(letter),
            _ => break,
        }
    }
    got
}

#[tokio::test(start_paused = true)]
async fn letters_that_nobody_has_asked_for_are_kept_by_the_postbox() {
    let postbox = Postbox::start();
    for letter in 0..3 {
        postbox.cast(letter);
    }
    let emitted = postbox.buffered().await;
    assert_eq!(emitted, 0, "so many letters were emitted, and nobody has asked for any");
}

#[tokio::test(start_paused = true)]
async fn no_letter_is_lost_however_many_there_are() {
    let (postbox, (postman, mut letters)) = (Postbox::start(), postman());
    for letter in 0..20_000 {
        postbox.cast(letter);
    }
    postman.subscribe(&postbox, bag(10)).unwrap();
    let got = next(&mut letters, 20_000).await;
    assert_eq!(got.len(), 20_000, "so many letters came");
    assert!(got.is_sorted(), "they come in the order in which they were thrown in");
}

#[tokio::test(start_paused = true)]
async fn an_ask_that_could_not_be_met_is_met_later() {
    let (postbox, (postman, mut letters)) = (Postbox::start(), postman());
    postman.subscribe(&postbox, bag(2)).unwrap();
    // Now it has asked for 2.
    postman.buffered().await;
    for letter in [1, 2] {
        postbox.cast(letter);
        assert_eq!(next(&mut letters, 1).await, [letter], "the postman had asked for 2 letters");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_is_emitted_than_was_asked_for() {
    let (postbox, (postman, mut letters)) = (Postbox::start(), postman());
    postman.subscribe(&postbox, bag(2)).unwrap();
    postman.buffered().await;
    for letter in 0..10 {
        postbox.cast(letter);
    }
    assert_eq!(postbox.buffered().await, 0, "so many letters were emitted beyond the 2 asked for");
    assert_eq!(next(&mut letters, 10).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn letters_that_are_left_are_delivered_when_the_postbox_stops() {
    let (postbox, (postman, mut letters)) = (Postbox::start(), postman());
    postman.subscribe(&postbox, bag(2)).unwrap();
    postman.buffered().await;
    for letter in 0..7 {
        postbox.cast(letter);
    }
    postbox.stop();
    assert_eq!(next(&mut letters, 7).await, [0, 1, 2, 3, 4, 5, 6]);
}
