//! Rule 9: the stage between two others.

use super::*;

#[tokio::test(start_paused = true)]
async fn rule_09_a_producer_consumer_asks_without_waiting_for_demand() {
    let (mut a, b) = (producer(0..0), producer_consumer(named("B")));
    b.subscribe(&a, demand(0, 10)).unwrap();
    assert_eq!(a.record().await, [10]);
}

#[tokio::test(start_paused = true)]
async fn rule_09_messages_wait_for_demand_and_are_handled_one_whole_one_at_a_time() {
    let (mut a, mut b) = (producer(0..0), producer_consumer(named("B")));
    b.subscribe(&a, demand(0, 9)).unwrap();
    settle().await;
    for events in [0..3, 3..6, 6..9] {
        a.emit(events).await;
    }
    assert!(b.record().await.is_empty(), "nobody wants any");
    assert_eq!((a.record().await, b.buffered().await), (vec![9], 0));

    // 2 are wanted, so B handles 3, and 1 is left.
    let (mut c, gate) = held_consumer("C");
    c.subscribe(&b, demand(0, 2)).unwrap();
    assert_eq!((c.record().await, b.record().await), (vec![vec![0, 1]], vec![vec![0, 1, 2]]));
    assert_eq!(b.buffered().await, 1);

    // That 1 goes to the next 2 that are wanted. For the other, B handles 3 more.
    gate.add_permits(1);
    assert_eq!((c.record().await, b.record().await), (vec![vec![2]], vec![vec![3, 4, 5]]));
    assert_eq!(b.buffered().await, 2);

    // When B has handled the last of the 9, it asks for the next 9.
    assert!(a.record().await.is_empty());
    open(&gate);
    assert_eq!((b.record().await, a.record().await), (vec![vec![6, 7, 8]], vec![9]));
    assert_eq!(c.record().await.concat(), [3, 4, 5, 6, 7, 8]);
}

#[tokio::test(start_paused = true)]
async fn rule_09_a_slow_consumer_holds_up_the_whole_pipeline() {
    let (mut a, mut b, (mut c, gate)) =
        (producer(0..1000), producer_consumer(named("B")), held_consumer("C"));
    c.subscribe(&b, demand(0, 2)).unwrap();
    b.subscribe(&a, demand(0, 2)).unwrap();

    // C holds 2. B has handled these, and has the next 2, which C does not want yet.
    assert_eq!((b.record().await, a.record().await), (vec![vec![0, 1]], vec![2, 2]));
    for next in [2, 4, 6] {
        gate.add_permits(1);
        assert_eq!((b.record().await, a.record().await), (vec![vec![next, next + 1]], vec![2]));
    }
    assert_eq!(c.record().await.concat(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test(start_paused = true)]
async fn rule_14_a_producer_consumer_without_a_consumer_stops_and_counts_the_events_that_waited() {
    let (a, mut b) = (producer(0..5), producer_consumer(named("B")));
    b.subscribe(&a, demand(0, 5)).unwrap();
    settle().await;
    b.stop();
    assert_eq!(end_of(b.stage()).await, Some(Exit::Normal));
    assert_eq!((b.record().await, b.stage().lost()), (vec![], 5));
}
