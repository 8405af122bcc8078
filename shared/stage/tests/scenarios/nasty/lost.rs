//! Events that no stage handles, and how a program learns of them.

use stage::{Keep, STOP_LIMIT};

use crate::*;

#[tokio::test(start_paused = true)]
async fn a_normal_end_tells_how_many_events_were_lost() {
    let (a, c) = (source(0..0), sink("C"));
    c.subscribe(&a, demand(0, 1)).unwrap();
    settle().await;
    c.stop();
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
    a.emit(0..100).await;
    assert_eq!((a.buffered().await, a.stage().lost()), (100, 0));

    a.stop();
    assert_eq!((end_of(a.stage()).await, a.stage().lost()), (Some(Exit::Normal), 100));
}

#[tokio::test(start_paused = true)]
async fn events_that_a_full_buffer_discarded_are_lost_too() {
    for keep in [Keep::First, Keep::Last] {
        let a = testing::source(named("A").buffer_size(3).buffer_keep(keep), 0..0);
        a.emit(0..2).await;
        a.emit(2..10).await;
        a.kill();
        assert_eq!((end_of(a.stage()).await, a.stage().lost()), (Some(Exit::Killed), 10));
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_crashes_has_lost_what_it_had_not_begun() {
    // The consumer holds a batch of 2. Of that message 4 are left, and another message has 2.
    let (a, (c, gate)) = (source(0..0), held_sink("C"));
    c.subscribe(&a, demand(8, 10)).unwrap();
    settle().await;
    a.emit(0..6).await;
    a.emit(6..8).await;
    gate.close();
    assert_eq!(end_of(c.stage()).await, Some(crashed("C", "its gate is closed")));
    assert_eq!(c.stage().lost(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_too_slow_for_the_limit_leaves_the_rest_with_its_producer() {
    let (a, (mut c, _gate)) = (source(0..0), held_sink("C"));
    c.subscribe(&a, demand(5, 10)).unwrap();
    settle().await;
    a.emit(0..10_000).await;
    a.stop();
    assert_eq!(c.stopped_within(STOP_LIMIT).await, Exit::Killed);
    assert_eq!(a.stopped().await, Exit::Normal);
    // The consumer was handed 5, and had not begun the other 5.
    assert_eq!((c.record().await.concat().len(), c.stage().lost()), (5, 5));
    assert_eq!(a.stage().lost(), 9_990);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_panics_leaves_a_debt_and_the_next_takes_it_over() {
    let (mut a, (c, gate), mut d) = (source(0..2), held_sink("C"), sink("D"));
    c.subscribe(&a, demand(0, 10)).unwrap();
    assert_eq!(a.record().await, [10]);
    gate.close();
    assert!(end_of(c.stage()).await.is_some());
    // The producer still owes 8 of the 10.
    d.subscribe(&a, demand(0, 10)).unwrap();
    assert_eq!(a.record().await, [2]);
    a.emit(2..12).await;
    assert_eq!((d.record().await, a.record().await), (vec![(2..12).collect()], vec![10]));
}
