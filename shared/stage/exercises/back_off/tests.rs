//! The tests of this exercise. The clock is paused: a wait takes no time, and every run is the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use stage::{Consumer, ConsumerHandle, SubscribeOptions};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep, timeout};

use super::{Fetcher, Source, Unavailable};

/// Fails as often as it is told to, and tells when it was asked.
#[derive(Clone)]
struct Flaky {
    failures: Arc<AtomicU32>,
    next: Arc<AtomicU32>,
    tries: UnboundedSender<Instant>,
}

impl Source for Flaky {
    async fn fetch(&self, count: usize) -> Result<Vec<u32>, Unavailable> {
        let _ = self.tries.send(Instant::now());
        let fails = self.failures.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        // A fetch takes some time. It is left out of the waits.
        sleep(Duration::from_millis(1)).await;
        if fails.is_ok() {
            return Err(Unavailable);
        }
        Ok((0..count).map(|_| self.next.fetch_add(1, Relaxed)).collect())
    }
}

struct Scene {
    source: Flaky,
    tries: UnboundedReceiver<Instant>,
    fetcher: stage::ProducerHandle<Fetcher<Flaky>>,
    events: UnboundedReceiver<u32>,
}

struct Eager(UnboundedSender<u32>);

impl Consumer for Eager {
    type Event = u32;

    async fn handle_events(&mut self, events: Vec<u32>) {
        for event in events {
            let _ = self.0.send(event);
        }
        // So that the next ask comes in another minute.
        sleep(Duration::from_mins(1)).await;
    }
}

/// A consumer that asks for 3 events at a time, and a source that fails so often.
fn scene(failures: u32) -> Scene {
    let (tell, tries) = unbounded_channel();
    let (sender, events) = unbounded_channel();
    let failures = Arc::new(failures.into());
    let source = Flaky { failures, next: Arc::default(), tries: tell };
    let fetcher = Fetcher::start(source.clone());
    let eager: ConsumerHandle<Eager> = stage::named("Eager").start_consumer(Eager(sender));
    eager.subscribe(&fetcher, SubscribeOptions::default().max_demand(3).min_demand(0)).unwrap();
    Scene { source, tries, fetcher, events }
}

impl Scene {
    /// The next events, or as many of them as come within a day.
    async fn next(&mut self, count: usize) -> Vec<u32> {
        let mut got = Vec::new();
        while got.len() < count {
            match timeout(Duration::from_hours(24), self.events.recv()).await {
                Ok(Some(event)) => got.push(event),
                _ => break,
            }
        }
        got
    }

    /// The seconds between the tries so far.
    fn waits(&mut self) -> Vec<u64> {
        let tries: Vec<_> = std::iter::from_fn(|| self.tries.try_recv().ok()).collect();
        tries.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_comes_although_the_first_fetches_fail() {
    let mut scene = scene(3);
    assert_eq!(scene.next(3).await, [0, 1, 2], "3 fetches fail, and the fourth does not");
}

#[tokio::test(start_paused = true)]
async fn each_wait_is_twice_as_long_and_none_longer_than_thirty_seconds() {
    let mut scene = scene(8);
    assert_eq!(scene.next(3).await.len(), 3, "8 fetches fail, and the ninth does not");
    assert_eq!(scene.waits(), [1, 2, 4, 8, 16, 30, 30, 30], "seconds between the fetches");
}

#[tokio::test(start_paused = true)]
async fn after_a_success_the_waits_begin_with_one_second_again() {
    let mut scene = scene(4);
    scene.next(3).await;
    scene.waits();
    scene.source.failures.store(2, Relaxed);
    assert_eq!(scene.next(3).await, [3, 4, 5], "2 fetches fail, and the third does not");
    assert_eq!(scene.waits(), [1, 2], "seconds between the fetches");
}

#[tokio::test(start_paused = true)]
async fn while_a_fetch_waits_the_producer_answers() {
    let scene = scene(1000);
    sleep(Duration::from_secs(100)).await;
    let answer = timeout(Duration::from_millis(100), scene.fetcher.buffered()).await;
    assert!(answer.is_ok(), "the producer itself waits, and hears nothing meanwhile");
}
