//! Many stages, many events, much demand.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use stage::CancelMode::Temporary;
use tokio::task::yield_now;

use crate::*;

#[tokio::test(start_paused = true)]
async fn a_consumer_that_has_subscribed_twice_gets_every_event_once() {
    let (a, mut c) = (source(0..0), sink("C"));
    c.subscribe(&a, demand(0, 3)).unwrap();
    c.subscribe(&a, demand(5, 10)).unwrap();
    settle().await;
    a.emit(0..50).await;
    a.stop();
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
    let mut events = c.record().await.concat();
    events.sort_unstable();
    assert_eq!(events, (0..50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_consumer_of_two_producers_ends_with_the_first_and_the_other_goes_on() {
    let (a1, a2, mut c) = (source(0..5), source(0..0), sink("C"));
    c.subscribe(&a1, demand(0, 10)).unwrap();
    c.subscribe(&a2, demand(0, 10)).unwrap();
    assert_eq!(c.record().await.concat().len(), 5);
    a1.stop();
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
    assert_eq!(end_of(a2.stage()).await, None);
    a2.emit(0..3).await;
    assert_eq!(a2.buffered().await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_consumers_cancel_and_return_no_event_is_lost_or_doubled() {
    const EVENTS: u32 = 20_000;
    let (a, mut c1, mut c2) = (source(0..EVENTS), sink("C1"), sink("C2"));
    let mut received = Vec::new();
    let mut ids = [&c1, &c2].map(|c| c.subscribe(&a, demand(3, 7).cancel(Temporary)).unwrap());
    while received.len() < EVENTS as usize {
        let (leaver, c, batch) = soon(async {
            tokio::select! {
                Some(batch) = c1.next() => (0, &c1, batch),
                Some(batch) = c2.next() => (1, &c2, batch),
            }
        })
        .await;
        received.extend(batch);
        c.cancel(ids[leaver]);
        ids[leaver] = c.subscribe(&a, demand(3, 7).cancel(Temporary)).unwrap();
    }
    received.sort_unstable();
    assert_eq!(received, (0..EVENTS).collect::<Vec<_>>());
    a.stop();
    assert_eq!((soon(a.stopped()).await, a.stage().lost()), (Exit::Normal, 0));
}

#[tokio::test(start_paused = true)]
async fn two_consumers_that_want_all_there_is_can_leave() {
    let (mut a, mut d) = (source(0..0), sink("D"));
    for name in ["C1", "C2"] {
        let c = sink(name);
        c.subscribe(&a, demand(0, usize::MAX)).unwrap();
        settle().await;
        c.stop();
        assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
    }
    let both = [sink("C1"), sink("C2")];
    for c in &both {
        c.subscribe(&a, demand(0, usize::MAX)).unwrap();
    }
    settle().await;
    for c in &both {
        c.kill();
        assert_eq!(end_of(c.stage()).await, Some(Exit::Killed));
    }
    assert_eq!(a.record().await[0], usize::MAX);
    d.subscribe(&a, demand(0, usize::MAX)).unwrap();
    a.emit(0..3).await;
    assert_eq!((d.record().await, end_of(a.stage()).await), (vec![vec![0, 1, 2]], None));
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_thousands_of_stages_drains() {
    let a = source(0..10);
    let stages: Vec<_> = (0..2000).map(|_| middle(1)).collect();
    let mut c = sink("C");
    c.subscribe(&stages[1999], demand(0, 2)).unwrap();
    for pair in stages.windows(2) {
        pair[1].subscribe(&pair[0], demand(0, 2)).unwrap();
    }
    stages[0].subscribe(&a, demand(0, 2)).unwrap();
    settle().await;
    a.stop();
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
    assert_eq!(c.record().await.concat(), (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn thousands_of_consumers_of_one_producer_share_evenly() {
    let a = source(0..4000);
    let mut consumers: Vec<_> = (0..1000).map(|_| sink("C")).collect();
    for c in &consumers {
        c.subscribe(&a, demand(0, 1)).unwrap();
    }
    settle().await;
    a.stop();
    for c in &mut consumers {
        assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
        assert_eq!(c.record().await.len(), 4);
    }
}

/// A ring has no beginning, so nothing comes round, and no stop can drain it. It can be killed.
#[tokio::test(start_paused = true)]
async fn a_ring_of_stages_waits_and_one_kill_ends_it() {
    let (b1, b2) = (middle(1), middle(1));
    b1.subscribe(&b2, demand(0, 5)).unwrap();
    b2.subscribe(&b1, demand(0, 5)).unwrap();
    assert_eq!(end_of(b1.stage()).await, None);
    b1.kill();
    assert_eq!(end_of(b2.stage()).await, Some(Exit::Killed));

    let alone = middle(1);
    alone.subscribe(&alone, demand(0, 5)).unwrap();
    assert_eq!(end_of(alone.stage()).await, None);
    alone.stop();
    assert_eq!(end_of(alone.stage()).await, Some(Exit::Normal));
}

#[tokio::test(start_paused = true)]
async fn a_large_message_goes_in_small_chunks_through_a_consumer_and_a_producer_consumer() {
    const MANY: u32 = 50_000;
    let (a, b, mut c) = (source(0..MANY), middle(1), sink("C"));
    let one_by_one = demand(MANY as usize - 1, MANY as usize);
    b.subscribe(&a, one_by_one).unwrap();
    c.subscribe(&b, demand(0, MANY as usize)).unwrap();
    settle().await;
    a.stop();
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
    assert_eq!(c.record().await, (0..MANY).map(|event| [event]).collect::<Vec<_>>());
}

/// Records how often another task had its turn before each batch.
struct Watcher {
    turns: Arc<AtomicUsize>,
    seen: UnboundedSender<usize>,
}

impl Consumer for Watcher {
    type Event = u32;

    async fn handle_events(&mut self, _events: Vec<u32>) {
        let _ = self.seen.send(self.turns.load(Relaxed));
    }
}

impl ProducerConsumer for Watcher {
    type Input = u32;
    type Event = u32;

    async fn handle_events(&mut self, events: Vec<u32>) -> Vec<u32> {
        let _ = self.seen.send(self.turns.load(Relaxed));
        events
    }
}

fn watcher() -> (Watcher, Probe<(), usize>) {
    let (seen, record) = unbounded_channel();
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = turns.clone();
    tokio::spawn(async move {
        while Arc::strong_count(&counted) > 1 {
            counted.fetch_add(1, Relaxed);
            yield_now().await;
        }
    });
    (Watcher { turns, seen }, Probe::new((), record))
}

async fn turns_during(seen: &mut Probe<(), usize>) -> usize {
    let mut turns = Vec::new();
    while turns.len() < 1000 {
        turns.push(soon(seen.next()).await.unwrap());
    }
    turns[999] - turns[0]
}

#[tokio::test]
async fn other_tasks_have_their_turn_between_the_chunks_of_a_large_message() {
    let (watcher, mut seen) = watcher();
    let (a, c) = (source(0..1000), named("C").start_consumer(watcher));
    c.subscribe(&a, demand(999, 1000)).unwrap();
    assert!(turns_during(&mut seen).await > 5);
    c.kill();
}

#[tokio::test]
async fn other_tasks_have_their_turn_while_many_waiting_messages_are_handled() {
    let (watcher, mut seen) = watcher();
    let (a, b) = (source(0..0), named("B").start_producer_consumer(watcher));
    b.subscribe(&a, demand(0, 1000)).unwrap();
    b.buffered().await; // By now it has asked, so each event is a message of its own.
    for event in 0..1000 {
        a.cast(Order::Emit(vec![event]));
    }
    a.buffered().await;
    b.buffered().await; // By now all messages wait.
    let c = sink("C");
    c.subscribe(&b, demand(0, 1000)).unwrap();
    assert!(turns_during(&mut seen).await > 5);
    b.kill();
}
