//! The probes themselves.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_source_meets_demand_out_of_its_supply_and_emits_what_it_is_told_to() {
    let mut a = source(named("A"), ["one", "two"]);
    let mut c = sink(named("C"));
    c.subscribe(&a, demand(0, 3)).unwrap();
    assert_eq!((a.record().await, c.record().await), (vec![3], vec![vec!["one", "two"]]));
    a.emit(["three", "four"]).await;
    assert_eq!(c.record().await, [["three"], ["four"]]);
    a.cast(Order::EmitLast(vec!["end"]));
    a.stop();
    assert_eq!(c.record().await, [["end"]]);
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
}

#[tokio::test(start_paused = true)]
async fn a_sink_can_be_given_a_demand_or_be_held_and_its_events_need_not_be_clones() {
    struct Event;
    let mut a = source(named("A"), (0..).map(|_| Event));
    let mut c = sink(named("C"));
    let manual = c.subscribe(&a, SubscribeOptions::default().manual()).unwrap();
    c.ask(manual, 3);
    assert_eq!(c.record().await.len(), 1);
    assert_eq!(a.record().await, [3]);

    let gate = Gate::new(Semaphore::new(0));
    let mut held = held_sink(named("D"), gate.clone());
    held.subscribe(&a, demand(1, 2)).unwrap();
    assert_eq!((held.record().await.len(), a.record().await), (1, vec![2]));
    gate.add_permits(1);
    assert_eq!((held.record().await.len(), a.record().await), (1, vec![1]));
    gate.close();
    assert_eq!(end_of(held.stage()).await, Some(crashed("D", "its gate is closed")));
}

#[tokio::test(start_paused = true)]
async fn settling_waits_for_everybody_and_moves_the_clock_by_a_moment() {
    let start = tokio::time::Instant::now();
    let first = named("B0").start_producer_consumer(Slow);
    let mut last = first.clone();
    for _ in 0..20 {
        let next = named("B").start_producer_consumer(Slow);
        next.subscribe(&last, demand(0, 1)).unwrap();
        last = next;
    }
    let (a, mut c) = (producer(0..1), consumer("C"));
    c.subscribe(&last, demand(0, 1)).unwrap();
    first.subscribe(&a, demand(0, 1)).unwrap();
    settle().await;
    assert_eq!(start.elapsed(), MOMENT);
    assert_eq!(c.next().await, Some(vec![0]));
    assert_eq!(start.elapsed(), MOMENT, "it was there");
}

/// Takes many turns, and no time.
struct Slow;

impl ProducerConsumer for Slow {
    type Input = u32;
    type Event = u32;

    async fn handle_events(&mut self, events: Vec<u32>) -> Vec<u32> {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        events
    }
}

#[tokio::test]
#[should_panic = "the clock must be paused"]
async fn settling_on_a_clock_that_runs_is_a_mistake() {
    settle().await;
}

#[tokio::test]
async fn on_a_clock_that_runs_the_next_record_can_be_awaited() {
    let (mut a, mut c) = (producer(0..2), consumer("C"));
    c.subscribe(&a, demand(0, 2)).unwrap();
    assert_eq!((a.next().await, c.next().await), (Some(2), Some(vec![0, 1])));
    a.kill();
    while a.next().await.is_some() {} // C may have asked again before.
    assert_eq!(c.next().await, None);
}
