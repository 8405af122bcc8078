//! Broadcast and partitions, and demand that accumulates.

use super::CancelMode::Temporary;
use super::*;

fn broadcast(supply: Range<u32>) -> ProducerProbe {
    producer_with(named("A").broadcast(), supply)
}

/// By the remainder of 2.
fn halves(supply: Range<u32>) -> ProducerProbe {
    producer_with(named("A").partition(2, |event: &u32| u64::from(*event)), supply)
}

fn of(partition: usize, min: usize, max: usize) -> SubscribeOptions {
    demand(min, max).partition(partition).cancel(Temporary)
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_reaches_all_and_the_slowest_sets_the_pace() {
    let (mut a, mut fast, (mut slow, gate)) =
        (broadcast(0..100), consumer("C1"), held_consumer("C2"));
    fast.subscribe(&a, demand(0, 3)).unwrap();
    // Alone, it gets as many as it asks for.
    let alone = fast.record().await.concat();
    assert_eq!(alone.len(), 100);
    drop(a.record().await);

    let mut a = broadcast(0..0);
    let subscription = fast.subscribe(&a, demand(0, 3).cancel(Temporary)).unwrap();
    slow.subscribe(&a, demand(0, 2)).unwrap();
    assert!(fast.subscribed(subscription).await);
    settle().await;
    a.emit(0..3).await;
    assert_eq!(fast.record().await, [[0, 1]]);
    assert_eq!(slow.record().await, [[0, 1]]);
    assert_eq!(a.buffered().await, 1);
    gate.add_permits(1);
    // The buffered one first: one of the three that the fast one asked for.
    assert_eq!(slow.record().await, [[2]]);
    assert_eq!(fast.record().await, [[2]]);
    let asked: usize = a.record().await.iter().sum();
    assert!(asked <= 3 + 2 + 1, "{asked}");
}

#[tokio::test(start_paused = true)]
async fn demand_is_passed_on_once_for_all_consumers() {
    let (mut a, c1, c2) = (broadcast(0..0), consumer("C1"), consumer("C2"));
    c1.subscribe(&a, demand(0, 10)).unwrap();
    assert_eq!(a.record().await, [10]);
    c2.subscribe(&a, demand(0, 10)).unwrap();
    assert!(a.record().await.is_empty(), "the ten are on their way");
    a.emit(0..10).await;
    assert_eq!(a.record().await, [10], "both want ten more, which are the same ten");
}

#[tokio::test(start_paused = true)]
async fn when_the_slowest_leaves_the_others_go_on() {
    let (mut a, mut fast, (slow, _gate)) = (broadcast(0..0), consumer("C1"), held_consumer("C2"));
    fast.subscribe(&a, demand(0, 4)).unwrap();
    slow.subscribe(&a, demand(0, 1).cancel(Temporary)).unwrap();
    settle().await;
    a.emit(0..4).await;
    assert_eq!(fast.record().await, [[0]]);
    slow.kill();
    assert_eq!(fast.record().await, [[1, 2, 3]], "what was buffered");
    let asked: usize = a.record().await.iter().sum();
    assert_eq!(asked, 4 + 4, "the first four, and four more");
}

#[tokio::test(start_paused = true)]
async fn a_late_subscriber_gets_what_comes_after_it_has_asked() {
    let (a, mut c1, mut c2) = (broadcast(0..0), consumer("C1"), consumer("C2"));
    c1.subscribe(&a, demand(0, 10)).unwrap();
    settle().await;
    a.emit(0..2).await;
    c2.subscribe(&a, demand(0, 10)).unwrap();
    settle().await;
    a.emit(2..4).await;
    assert_eq!(c1.record().await, [[0, 1], [2, 3]]);
    assert_eq!(c2.record().await, [[2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_gets_what_it_has_selected_and_asks_for_as_many_others() {
    let (a, mut even, mut all) = (broadcast(0..20), consumer("C1"), consumer("C2"));
    let four = demand(0, 4);
    even.subscribe_selected(&a, four, |event| event % 2 == 0).unwrap();
    assert_eq!(even.record().await.concat(), (0..20).step_by(2).collect::<Vec<_>>());

    let a = broadcast(0..0);
    even.subscribe_selected(&a, four.cancel(Temporary), |event| event % 2 == 0).unwrap();
    all.subscribe(&a, four.cancel(Temporary)).unwrap();
    settle().await;
    a.emit(0..8).await;
    assert_eq!(even.record().await.concat(), [0, 2, 4, 6]);
    assert_eq!(all.record().await.concat(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_of_more_than_the_buffer_holds_discards_nothing_that_all_want() {
    let a = producer_with(named("A").buffer_size(1).broadcast(), 0..0);
    let mut c = consumer("C");
    c.subscribe(&a, demand(0, 5)).unwrap();
    settle().await;
    a.emit(0..5).await;
    assert_eq!(c.record().await, [[0, 1, 2, 3, 4]]);
    assert_eq!(a.stage().lost(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_goes_to_its_partition() {
    let (a, mut even, mut odd) = (halves(0..20), consumer("C0"), consumer("C1"));
    even.subscribe(&a, of(0, 0, 3)).unwrap();
    odd.subscribe(&a, of(1, 0, 3)).unwrap();
    assert_eq!(even.record().await.concat(), (0..20).step_by(2).collect::<Vec<_>>());
    assert_eq!(odd.record().await.concat(), (1..20).step_by(2).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn no_more_events_wait_for_a_slow_partition_than_all_have_asked_for() {
    let (mut a, mut even, (odd, gate)) = (halves(0..1000), consumer("C0"), held_consumer("C1"));
    even.subscribe(&a, of(0, 0, 3)).unwrap();
    odd.subscribe(&a, of(1, 0, 3)).unwrap();
    settle().await;
    let waiting = a.buffered().await;
    assert!((1..=6).contains(&waiting), "{waiting}");
    assert!(a.record().await.iter().sum::<usize>() < 30);
    open(&gate);
    assert_eq!(even.record().await.concat().len(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_partition_without_a_consumer_keeps_its_events_for_the_one_that_comes() {
    let (mut a, mut even, mut odd) = (halves(0..10), consumer("C0"), consumer("C1"));
    let first = even.subscribe(&a, of(0, 0, 4)).unwrap();
    // 0, 2 and 1, 3; then 4 and 5; and so on, until as many wait as the consumer wants.
    let begun = even.record().await.concat();
    assert!(begun.len() < 5, "{begun:?}");
    odd.subscribe(&a, of(1, 0, 4)).unwrap();
    assert_eq!(odd.record().await.concat(), [1, 3, 5, 7, 9]);
    assert_eq!([begun, even.record().await.concat()].concat(), [0, 2, 4, 6, 8]);

    // Another consumer takes the place of one that leaves.
    even.cancel(first);
    settle().await;
    a.emit(20..22).await;
    let mut another = consumer("C2");
    another.subscribe(&a, of(0, 0, 4)).unwrap();
    assert_eq!(another.record().await.concat(), [20]);
    assert_eq!(odd.record().await.concat(), [21]);
    drop(a.record().await);
}

#[tokio::test(start_paused = true)]
async fn a_stage_with_partitions_ends_although_one_of_them_has_no_consumer() {
    let log = Log::capture();
    let (a, mut even) = (halves(0..0), consumer("C0"));
    even.subscribe(&a, of(0, 0, 4)).unwrap();
    settle().await;
    a.emit(0..3).await;
    a.stop();
    assert_eq!(end_of(a.stage()).await, Some(Exit::Normal));
    assert_eq!(even.record().await.concat(), [0, 2]);
    assert_eq!(a.stage().lost(), 2, "1, and 99, its last");
    assert_eq!(log.lines(), ["WARN A ended with 2 undelivered events stage=A lost=2"]);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_there_is_not_cannot_be_subscribed_to() {
    let log = Log::capture();
    let (a, c) = (halves(0..0), consumer("C"));
    c.subscribe(&a, demand(0, 1).partition(2)).unwrap();
    assert_eq!(end_of(c.stage()).await, Some(Exit::NoStage));
    let warning =
        "WARN C cannot subscribe to A: there is no partition 2, they are 0 to 1 stage=C producer=A";
    assert_eq!(log.lines(), [warning]);
    assert_eq!(end_of(a.stage()).await, None);
}

#[tokio::test(start_paused = true)]
async fn demand_accumulates_until_it_is_forwarded() {
    let options = named("A").broadcast().accumulate_demand();
    let (mut a, mut c1, mut c2) = (producer_with(options, 0..4), consumer("C1"), consumer("C2"));
    c1.subscribe(&a, demand(0, 10)).unwrap();
    assert!(a.record().await.is_empty());
    c2.subscribe(&a, demand(0, 10)).unwrap();
    settle().await;
    a.forward_demand();
    assert_eq!(a.record().await, [10]);
    assert_eq!(c1.record().await, [[0, 1, 2, 3]]);
    assert_eq!(c2.record().await, [[0, 1, 2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_accumulates_demand_still_delivers_what_it_has_at_its_end() {
    let (a, mut c) = (producer_with(named("A").accumulate_demand(), 0..4), consumer("C"));
    c.subscribe(&a, demand(0, 10)).unwrap();
    settle().await;
    a.stop();
    assert_eq!(c.stopped().await, Exit::Normal);
    assert_eq!(c.record().await, [[LAST]]);
}
