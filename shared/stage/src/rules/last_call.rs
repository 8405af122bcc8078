//! The last call of a stage, and the ends of its subscriptions.

use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use super::CancelMode::{Temporary, Transient};
use super::*;

/// Makes pairs of events, and emits a single one at the end.
struct Pairs(Vec<u32>);

impl ProducerConsumer for Pairs {
    type Input = u32;
    type Event = Vec<u32>;

    async fn handle_events(&mut self, events: Vec<u32>) -> Vec<Vec<u32>> {
        self.0.extend(events);
        let whole = self.0.len() / 2 * 2;
        self.0.drain(..whole).collect::<Vec<_>>().chunks(2).map(<[u32]>::to_vec).collect()
    }

    async fn finish(&mut self) -> Vec<Vec<u32>> {
        if self.0.is_empty() { Vec::new() } else { vec![self.0.split_off(0)] }
    }
}

/// Records the calls.
struct Diary(UnboundedSender<String>);

fn diary() -> (Diary, UnboundedReceiver<String>) {
    let (told, record) = unbounded_channel();
    (Diary(told), record)
}

impl Diary {
    fn write(&self, entry: String) {
        let _ = self.0.send(entry);
    }
}

impl<T: std::fmt::Debug + Send + 'static> Consumer for Told<T> {
    type Event = T;

    async fn handle_events(&mut self, events: Vec<T>) {
        self.0.write(format!("{events:?}"));
    }

    async fn handle_cancel(&mut self, _subscription: SubscriptionId, exit: &Exit) {
        self.0.write(exit.to_string());
    }

    async fn finish(&mut self) {
        sleep(Duration::from_secs(5)).await;
        self.0.write("flushed".into());
    }
}

struct Told<T>(Diary, std::marker::PhantomData<T>);

fn told<T: std::fmt::Debug + Send + 'static>() -> (ConsumerHandle<Told<T>>, Probe<(), String>) {
    let (diary, record) = diary();
    let handle = named("C").start_consumer(Told(diary, std::marker::PhantomData));
    (handle, Probe::new((), record))
}

#[tokio::test(start_paused = true)]
async fn what_a_producer_consumer_has_collected_is_delivered_before_the_end() {
    let start = async || {
        let a = producer(0..0);
        let b = named("B").start_producer_consumer(Pairs(Vec::new()));
        let (c, record) = told();
        b.subscribe(&a, demand(0, 10)).unwrap();
        c.subscribe(&b, demand(0, 1)).unwrap();
        settle().await;
        (a, b, c, record)
    };
    let (a, _, c, mut record) = start().await;
    a.emit(0..3).await;
    assert_eq!(record.record().await, ["[[0, 1]]"]);
    a.emit(3..4).await;
    a.emit(4..5).await;
    a.stop();
    // A's last event is 99.
    assert_eq!(c.stopped().await, Exit::Normal);
    assert_eq!(record.record().await, ["[[2, 3]]", "[[4, 99]]", "stopped", "flushed"]);

    let (a, b, c, mut record) = start().await;
    a.emit(0..2).await;
    a.stop();
    assert_eq!(c.stopped().await, Exit::Normal);
    assert_eq!(record.record().await, ["[[0, 1]]", "[[99]]", "stopped", "flushed"]);
    assert_eq!(b.stage().lost(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_over_and_nobody_takes_is_counted_as_lost() {
    let log = Log::capture();
    let a = producer(0..0);
    let b = named("B").start_producer_consumer(Pairs(Vec::new()));
    let (c, _record) = told();
    b.subscribe(&a, demand(0, 10).cancel(Temporary)).unwrap();
    let subscription = c.subscribe(&b, demand(0, 1).cancel(Temporary)).unwrap();
    settle().await;
    a.emit(0..1).await;
    c.cancel(subscription);
    settle().await;
    b.stop();
    assert_eq!(end_of(b.stage()).await, Some(Exit::Normal));
    assert_eq!(b.stage().lost(), 1);
    assert_eq!(log.lines(), ["WARN B ended with 1 undelivered events stage=B lost=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_flushes_before_it_has_stopped_unless_it_is_killed() {
    let (c, mut record) = told::<u32>();
    c.stop();
    assert_eq!(c.stopped().await, Exit::Normal);
    assert_eq!(record.record().await, ["flushed"]);

    let (c, mut record) = told::<u32>();
    c.stop();
    assert_eq!(c.stopped_within(Duration::from_secs(4)).await, Exit::Killed);
    assert!(record.record().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_consumer_hears_how_each_of_its_subscriptions_ended() {
    let (a1, a2, a3) = (producer(0..0), producer(0..0), producer(0..0));
    let (c, mut record) = told();
    for a in [&a1, &a2] {
        c.subscribe(a, demand(0, 10).cancel(Temporary)).unwrap();
    }
    let third = c.subscribe(&a3, demand(0, 10).cancel(Temporary)).unwrap();
    settle().await;
    a1.cast(Order::Panic);
    assert_eq!(record.record().await, ["A crashed: out of order"]);
    a2.kill();
    assert_eq!(record.record().await, ["was killed"]);
    c.cancel(third);
    assert_eq!(record.record().await, ["stopped"]);
    assert_eq!(end_of(c.stage()).await, None);
}

#[tokio::test(start_paused = true)]
async fn whether_a_stage_is_subscribed_can_be_awaited() {
    let (a, gone, c) = (producer(0..1), producer(0..0), consumer("C"));
    let there = c.subscribe(&a, demand(0, 1)).unwrap();
    assert!(c.subscribed(there).await);
    c.cancel(there);
    gone.kill();
    settle().await;
    assert!(!c.subscribed(there).await);

    let c = consumer("C");
    let dead = c.subscribe(&gone, demand(0, 1).cancel(Temporary)).unwrap();
    assert!(!c.subscribed(dead).await);
    c.kill();
    settle().await;
    let late = c.subscribe(&a, demand(0, 1)).unwrap();
    assert!(!c.subscribed(late).await);
}

#[tokio::test(start_paused = true)]
async fn a_line_is_stopped_from_its_beginning_and_killed_as_a_whole() {
    let (a, b, mut c) = (producer(0..5), producer_consumer(named("B")), consumer("C"));
    b.subscribe(&a, demand(0, 10).cancel(Temporary)).unwrap();
    c.subscribe(&b, demand(0, 10).cancel(Temporary)).unwrap();
    settle().await;
    stop_in_order(&[a.stage(), b.stage(), c.stage()], STOP_LIMIT).await.unwrap();
    assert_eq!(c.record().await.concat(), [0, 1, 2, 3, 4, LAST]);

    let (a, b, (c, _gate)) = (producer(0..5), producer_consumer(named("B")), held_consumer("C"));
    b.subscribe(&a, demand(0, 10)).unwrap();
    c.subscribe(&b, demand(0, 1)).unwrap();
    settle().await;
    let line = [a.stage(), b.stage(), c.stage()];
    let error = stop_in_order(&line, STOP_LIMIT).await.unwrap_err();
    assert_eq!(error.to_string(), "a stage was killed");
    assert_eq!(b.stopped().await, Exit::Killed);
    assert_eq!(c.stopped().await, Exit::Killed);
}

#[tokio::test(start_paused = true)]
async fn a_crash_anywhere_in_a_line_is_the_first_end_and_the_line_then_stops_with_its_cause() {
    for crashes in [0, 1] {
        let (a, b, c) = (producer(0..0), producer_consumer(named("B")), consumer("C"));
        let other = producer(0..0);
        c.subscribe(&other, demand(0, 10).cancel(Transient)).unwrap();
        c.subscribe(&b, demand(0, 10).cancel(Transient)).unwrap();
        b.subscribe(&a, demand(0, 10)).unwrap();
        let line = [other.stage(), a.stage(), b.stage(), c.stage()];
        settle().await;
        assert!(timeout(MOMENT, first_stopped(&line)).await.is_err());
        if crashes == 0 {
            a.cast(Order::Panic);
        } else {
            b.kill();
        }
        assert!(timeout(MOMENT, first_stopped(&line)).await.is_ok());
        let error = stop_in_order(&line, STOP_LIMIT).await.unwrap_err().to_string();
        assert!(error.contains(["out of order", "was killed"][crashes]), "{error}");
    }
}
