//! A producer that fetches its events from somewhere else.

use std::time::Duration;

use stage::{Producer, ProducerHandle};
use tokio::time::sleep;

/// Where the events are.
pub trait Source: Clone + Send + Sync + 'static {
    /// Fetches this many events, or fails.
    fn fetch(&self, count: usize) -> impl Future<Output = Result<Vec<u32>, Unavailable>> + Send;
}

/// A fetch failed.
pub struct Unavailable;

const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Fetches as many events as it is asked for.
pub struct Fetcher<S: Source> {
    source: S,
    me: ProducerHandle<Self>,
}

impl<S: Source> Fetcher<S> {
    /// Starts a producer that fetches from `source`.
    pub fn start(source: S) -> ProducerHandle<Self> {
        stage::named("Fetcher").start_producer(|me| Self { source, me: me.clone() })
    }
}

impl<S: Source> Producer for Fetcher<S> {
    type Event = u32;
    type Cast = Vec<u32>;

    async fn handle_demand(&mut self, demand: usize) -> Vec<u32> {
        self.me.spawn(fetch(self.source.clone(), demand, self.me.clone()));
        Vec::new()
    }

    async fn handle_cast(&mut self, events: Vec<u32>) -> Vec<u32> {
        events
    }
}

async fn fetch<S: Source>(source: S, count: usize, fetcher: ProducerHandle<Fetcher<S>>) {
    let mut wait = Duration::from_secs(1);
    loop {
        if let Ok(events) = source.fetch(count).await {
            return fetcher.cast(events);
        }
        sleep(wait).await;
        wait = (2 * wait).min(LONGEST_WAIT);
    }
}

#[cfg(test)]
mod tests;
