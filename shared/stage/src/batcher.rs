//! Batches of events, by number or by time.

use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::ProducerConsumer;
use super::casts::CastProducerConsumer;
use super::dispatcher::Dispatcher;
use super::handle::Handle;
use super::options::Options;

impl<D> Options<D> {
    /// Starts a producer-consumer that makes batches of `size` events, or of fewer when the first of them has
    /// waited for `longest`. At its end it emits the rest.
    ///
    /// It asks as its subscription says. With a `max_demand` below `size`, it still fills its batches: an event
    /// in a batch counts as handled. Its consumers' demand counts batches, and not the events in them: a database
    /// that writes one batch at a time subscribes with a `max_demand` of 1.
    ///
    /// ```
    /// use futures_util::{StreamExt, stream};
    /// use stage::SubscribeOptions;
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let numbers = stage::named("Numbers").start_stream(stream::iter(0..5));
    /// let batches = stage::named("Batches").start_batcher(2, Duration::from_secs(1));
    /// batches.subscribe(&numbers, SubscribeOptions::default())?;
    /// let batches = batches.stream(SubscribeOptions::default().max_demand(1))?;
    /// assert_eq!(batches.collect::<Vec<_>>().await, [vec![0, 1], vec![2, 3], vec![4]]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or if `size` is 0.
    pub fn start_batcher<T: Send + 'static>(
        self,
        size: usize,
        longest: Duration,
    ) -> Handle<T, Vec<T>, TimeIsUp>
    where
        D: Dispatcher<Vec<T>>,
    {
        assert!(size > 0, "a batch of 0 events is never full");
        self.start_cast_producer_consumer(|me| Batcher {
            size,
            longest,
            events: Vec::new(),
            batch: 0,
            timer: None,
            me: me.clone(),
        })
    }
}

struct Batcher<T: Send + 'static> {
    size: usize,
    longest: Duration,
    events: Vec<T>,
    /// The number of this batch.
    batch: u64,
    timer: Option<AbortHandle>,
    me: Handle<T, Vec<T>, TimeIsUp>,
}

/// The first event of this batch has waited for long enough.
#[derive(Debug)]
pub struct TimeIsUp(u64);

impl<T: Send + 'static> Batcher<T> {
    fn take_batch(&mut self) -> Vec<T> {
        self.batch += 1;
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
        std::mem::take(&mut self.events)
    }

    fn set_timer(&mut self) {
        let (longest, batch, me) = (self.longest, self.batch, self.me.clone());
        let timer = tokio::spawn(async move {
            sleep(longest).await;
            me.cast(TimeIsUp(batch));
        });
        self.timer = Some(timer.abort_handle());
    }
}

impl<T: Send + 'static> ProducerConsumer for Batcher<T> {
    type Input = T;
    type Event = Vec<T>;

    async fn handle_events(&mut self, events: Vec<T>) -> Vec<Vec<T>> {
        let mut batches = Vec::new();
        for event in events {
            self.events.push(event);
            if self.events.len() == self.size {
                batches.push(self.take_batch());
            }
        }
        if !self.events.is_empty() && self.timer.is_none() {
            self.set_timer();
        }
        batches
    }

    async fn finish(&mut self) -> Vec<Vec<T>> {
        let rest = self.take_batch();
        if rest.is_empty() { Vec::new() } else { vec![rest] }
    }
}

impl<T: Send + 'static> CastProducerConsumer for Batcher<T> {
    type Cast = TimeIsUp;

    async fn handle_cast(&mut self, TimeIsUp(batch): TimeIsUp) -> Vec<Vec<T>> {
        // A full batch can go while the timer's message is on its way.
        if batch == self.batch { vec![self.take_batch()] } else { Vec::new() }
    }
}

impl<T: Send + 'static> Drop for Batcher<T> {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
    }
}
