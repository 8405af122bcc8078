//! Demand by hand, and casts to stages that are not producers.

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::*;

type Me<Out> = Handle<u32, Out, &'static str>;

/// Records events and casts. A cast of `stop` stops it.
struct Listener {
    record: UnboundedSender<String>,
    me: Me<Infallible>,
}

impl Consumer for Listener {
    type Event = u32;

    async fn handle_events(&mut self, events: Vec<u32>) {
        let _ = self.record.send(format!("{events:?}"));
    }
}

impl CastConsumer for Listener {
    type Cast = &'static str;

    async fn handle_cast(&mut self, message: &'static str) {
        let _ = self.record.send(message.to_owned());
        if message == "stop" {
            self.me.stop();
        }
    }
}

fn listener() -> Probe<Me<Infallible>, String> {
    let (told, record) = unbounded_channel();
    let handle = named("C").start_cast_consumer(|me| Listener { record: told, me: me.clone() });
    Probe::new(handle, record)
}

#[tokio::test(start_paused = true)]
async fn a_manual_subscription_asks_for_what_it_is_told_to_and_for_nothing_else() {
    let (mut a, mut c) = (producer(0..100), listener());
    let subscription = c.subscribe(&a, SubscribeOptions::default().manual()).unwrap();
    assert!(a.record().await.is_empty());
    c.ask(subscription, 3);
    assert_eq!(a.record().await, [3]);
    assert_eq!(c.record().await, ["[0, 1, 2]"]);
    c.ask(subscription, 0);
    c.ask(subscription, 1);
    c.ask(subscription, 1);
    assert_eq!(a.record().await, [1, 1]);
    assert_eq!(c.record().await, ["[3]", "[4]"]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_has_ended_or_is_about_to_asks_for_nothing() {
    let (mut a, c) = (producer(0..100), listener());
    let manual = SubscribeOptions::default().manual().cancel(CancelMode::Temporary);
    let subscription = c.subscribe(&a, manual).unwrap();
    settle().await;
    c.ask(subscription, 1);
    assert_eq!(a.record().await, [1]);
    c.cancel(subscription);
    c.ask(subscription, 1);
    settle().await;
    c.ask(subscription, 1);
    let another = c.subscribe(&a, manual).unwrap();
    settle().await;
    c.stop();
    c.ask(another, 1);
    assert!(a.record().await.is_empty());
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
}

#[tokio::test(start_paused = true)]
async fn an_automatic_subscription_can_ask_for_more_by_hand() {
    let (mut a, c) = (producer(0..0), consumer("C"));
    let subscription = c.subscribe(&a, demand(0, 2)).unwrap();
    c.ask(subscription, 3);
    assert_eq!(a.record().await, [2, 3]);
    a.emit(0..4).await;
    assert!(a.record().await.is_empty());
    a.emit(4..5).await;
    assert_eq!(a.record().await, [2]);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_handles_casts_in_their_turn_and_can_stop_itself() {
    let (a, mut c) = (producer(0..0), listener());
    c.subscribe(&a, demand(0, 10)).unwrap();
    settle().await;
    c.cast("before");
    a.emit(0..2).await;
    c.cast("after");
    assert_eq!(c.record().await, ["before", "[0, 1]", "after"]);
    c.cast("stop");
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
}

/// Adds up the numbers that it receives, and emits the sum at the next cast.
struct Adder(u32);

impl ProducerConsumer for Adder {
    type Input = u32;
    type Event = u32;

    async fn handle_events(&mut self, events: Vec<u32>) -> Vec<u32> {
        self.0 += events.into_iter().sum::<u32>();
        Vec::new()
    }
}

impl CastProducerConsumer for Adder {
    type Cast = u32;

    async fn handle_cast(&mut self, more: u32) -> Vec<u32> {
        vec![std::mem::take(&mut self.0) + more]
    }
}

#[tokio::test(start_paused = true)]
async fn a_producer_consumer_emits_at_a_cast_even_if_nobody_wants_it_now() {
    let a = producer(0..0);
    let b = named("B").start_cast_producer_consumer(|_| Adder(0));
    let mut c = consumer("C");
    b.subscribe(&a, demand(0, 10)).unwrap();
    b.cast(7);
    assert_eq!(b.buffered().await, 1);
    c.subscribe(&b, demand(0, 10)).unwrap();
    assert_eq!(c.record().await, [[7]]);
    a.emit(1..4).await;
    b.cast(10);
    assert_eq!(c.record().await, [[16]]);
}
