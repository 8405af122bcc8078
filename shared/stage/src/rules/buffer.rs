//! Rules 5 and 6: events that are emitted and not asked for yet.

use super::*;
use crate::buffer::take_next;

#[tokio::test(start_paused = true)]
async fn rule_05_an_ask_drains_the_buffer_first_oldest_first() {
    let (mut a, mut c) = (producer(0..0), consumer("C"));
    a.emit(0..3).await;
    a.emit(3..5).await;
    assert_eq!(a.buffered().await, 5);

    // The buffer meets the first ask for 3, so the producer sees no demand at all, not even one of
    // 0. Of the second 3, the buffer has 2.
    c.subscribe(&a, demand(0, 3)).unwrap();
    assert_eq!(c.record().await, [vec![0, 1, 2], vec![3, 4]]);
    assert_eq!((a.record().await, a.buffered().await), (vec![1], 0));
}

#[tokio::test(start_paused = true)]
async fn rule_05_a_demand_that_was_not_met_is_not_repeated() {
    let (mut a, mut c) = (producer(0..4), consumer("C"));
    c.subscribe(&a, demand(0, 10)).unwrap();
    assert_eq!((c.record().await, a.record().await), (vec![vec![0, 1, 2, 3]], vec![10]));

    // The producer owes 6 more. It is not asked again until it has emitted them.
    a.emit(4..9).await;
    assert_eq!((c.record().await, a.record().await), (vec![vec![4, 5, 6, 7, 8]], vec![]));
    a.emit(9..10).await;
    assert_eq!((c.record().await, a.record().await), (vec![vec![9]], vec![10]));
}

#[tokio::test(start_paused = true)]
async fn rule_06_events_beyond_the_demand_are_buffered() {
    let (a, (mut c, _gate)) = (producer(0..0), held_consumer("C"));
    c.subscribe(&a, demand(0, 3)).unwrap();
    settle().await;

    a.emit(0..10).await;
    assert_eq!((c.record().await, a.buffered().await), (vec![vec![0, 1, 2]], 7));
}

#[tokio::test(start_paused = true)]
async fn rule_06_a_producer_buffers_10_000_events() {
    let log = Log::capture();
    let a = producer(0..0);
    a.emit(0..10_000).await;
    assert_eq!((a.buffered().await, log.lines()), (10_000, vec![]));

    a.emit(10_000..10_003).await;
    assert_eq!(a.buffered().await, 10_000);
    assert_eq!(log.lines(), [discarded("A", 3)]);
}

#[tokio::test(start_paused = true)]
async fn rule_06_a_full_buffer_keeps_the_last_or_the_first() {
    let log = Log::capture();
    let three = named("A").buffer_size(3);
    for (options, kept) in [
        (three.clone(), [7, 8, 9]),
        (three.clone().buffer_keep(Keep::Last), [7, 8, 9]),
        (three.buffer_keep(Keep::First), [0, 1, 2]),
    ] {
        let (a, mut c) = (producer_with(options, 0..0), consumer("C"));
        a.emit(0..2).await;
        a.emit(2..10).await;
        assert_eq!(log.lines(), [discarded("A", 7)]);

        c.subscribe(&a, demand(0, 10)).unwrap();
        assert_eq!(c.record().await, [kept]);
    }
}

#[tokio::test(start_paused = true)]
async fn rule_06_a_producer_consumer_buffers_without_limit_unless_it_has_one() {
    let log = Log::capture();
    // B handles all 20,001 at once, since one is wanted.
    for (options, buffered, lines) in
        [(named("B"), 20_000, vec![]), (named("B").buffer_size(5), 5, vec![discarded("B", 19_995)])]
    {
        let (a, b, (c, _gate)) =
            (producer(0..20_001), producer_consumer(options), held_consumer("C"));
        c.subscribe(&b, demand(0, 1)).unwrap();
        b.subscribe(&a, demand(0, 20_001)).unwrap();
        settle().await;
        assert_eq!((b.buffered().await, log.lines()), (buffered, lines));
    }
}

/// If the rest moved, a large message in small chunks would take quadratic time.
#[test]
fn the_next_events_are_taken_without_moving_the_rest() {
    let mut events = (0..1000).collect::<Vec<_>>().into_iter();
    let third = &raw const events.as_slice()[2];
    assert_eq!(take_next(&mut events, 2), [0, 1]);
    assert_eq!(&raw const events.as_slice()[0], third);

    let mut events = (0..3).collect::<Vec<_>>().into_iter();
    let first = &raw const events.as_slice()[0];
    let all = take_next(&mut events, 3);
    assert_eq!((all.as_ptr(), all.len(), events.len()), (first, 3, 0));
}

fn discarded(name: &str, count: usize) -> String {
    format!(
        "WARN GenStage producer {name} has discarded {count} events from buffer stage={name} discarded={count}"
    )
}
