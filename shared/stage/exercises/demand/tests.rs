//! The tests of this exercise. The clock is paused: a wait takes no time, and every run is the same.

use std::time::Duration;

use stage::{Producer, ProducerHandle};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep, timeout};

use super::{Baker, Flour, demand};

/// Brings the flour three seconds after each ask.
struct Cart {
    me: ProducerHandle<Cart>,
    asks: UnboundedSender<(Instant, usize)>,
}

impl Producer for Cart {
    type Event = Flour;
    type Cast = usize;

    async fn handle_demand(&mut self, portions: usize) -> Vec<Flour> {
        let _ = self.asks.send((Instant::now(), portions));
        let me = self.me.clone();
        self.me.spawn(async move {
            sleep(Duration::from_secs(3)).await;
            me.cast(portions);
        });
        Vec::new()
    }

    async fn handle_cast(&mut self, portions: usize) -> Vec<Flour> {
        (0..portions).map(|_| Flour).collect()
    }
}

struct Day {
    start: Instant,
    /// When each of 60 loaves was done.
    loaves: Vec<Instant>,
    /// When the baker asked, and for how many portions.
    asks: Vec<(Instant, usize)>,
}

async fn day() -> Day {
    let (asks, asked) = unbounded_channel();
    let (sender, mut done) = unbounded_channel();
    let start = Instant::now();
    let cart = stage::named("Cart").start_producer(|me| Cart { me: me.clone(), asks });
    let baker = stage::named("Baker").start_consumer(Baker(sender));
    baker.subscribe(&cart, demand()).unwrap();
    let mut loaves = Vec::new();
    while loaves.len() < 60 {
        let loaf = timeout(Duration::from_hours(1), done.recv()).await;
        loaves.push(loaf.expect("the baker goes on").expect("the baker goes on"));
    }
    Day { start, loaves, asks: all(asked) }
}

fn all<T>(mut channel: UnboundedReceiver<T>) -> Vec<T> {
    std::iter::from_fn(|| channel.try_recv().ok()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_baker_never_waits_after_the_first_delivery() {
    let day = day().await;
    for (number, loaf) in (1..).zip(&day.loaves) {
        let seconds = (*loaf - day.start).as_secs();
        assert_eq!(seconds, 3 + number, "loaf {number} is done after so many seconds");
    }
}

#[tokio::test(start_paused = true)]
async fn never_are_more_than_twelve_portions_at_the_bakery_or_on_the_way() {
    let day = day().await;
    let mut asked = 0;
    for (when, portions) in &day.asks {
        asked += portions;
        let used = day.loaves.iter().filter(|loaf| *loaf <= when).count();
        assert!(asked - used <= 12, "{} portions were asked for and not used yet", asked - used);
    }
}

#[tokio::test(start_paused = true)]
async fn the_cart_comes_every_three_seconds_at_most() {
    let day = day().await;
    for pair in day.asks.windows(2) {
        let seconds = (pair[1].0 - pair[0].0).as_secs();
        assert!(seconds >= 3, "the baker asked again after {seconds} seconds");
    }
}
