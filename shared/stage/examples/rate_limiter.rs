//! At most five events in each second, however many there are.

use std::convert::Infallible;
use std::error::Error;
use std::ops::RangeFrom;
use std::time::Duration;

use stage::{CastConsumer, Consumer, Handle, Producer, SubscribeOptions, SubscriptionId};
use tokio::time::{Instant, interval};

const PER_SECOND: usize = 5;

struct RateLimiter {
    /// How many events it has asked for and not received.
    asked_for: usize,
    me: Handle<u32, Infallible, Second>,
    started: Instant,
}

/// Another second has begun: ask on this subscription.
struct Second(SubscriptionId);

impl Consumer for RateLimiter {
    type Event = u32;

    async fn handle_events(&mut self, events: Vec<u32>) {
        println!("{} s: {events:?}", self.started.elapsed().as_secs());
        self.asked_for -= events.len();
        if events.contains(&14) {
            self.me.stop();
        }
    }
}

impl CastConsumer for RateLimiter {
    type Cast = Second;

    async fn handle_cast(&mut self, Second(subscription): Second) {
        // A producer that had nothing to send for a while does not owe more and more.
        self.me.ask(subscription, PER_SECOND - self.asked_for);
        self.asked_for = PER_SECOND;
    }
}

/// Counts.
struct Numbers(RangeFrom<u32>);

impl Producer for Numbers {
    type Event = u32;
    type Cast = Infallible;

    async fn handle_demand(&mut self, demand: usize) -> Vec<u32> {
        self.0.by_ref().take(demand).collect()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let numbers = stage::named("Numbers").start_producer(|_| Numbers(0..));
    let limiter = stage::named("RateLimiter").start_cast_consumer(|me| RateLimiter {
        asked_for: 0,
        me: me.clone(),
        started: Instant::now(),
    });
    let subscription = limiter.subscribe(&numbers, SubscribeOptions::default().manual())?;

    let me = limiter.clone();
    limiter.spawn(async move {
        let mut seconds = interval(Duration::from_secs(1));
        loop {
            seconds.tick().await;
            me.cast(Second(subscription));
        }
    });
    limiter.stopped().await.ok()?;
    Ok(())
}
