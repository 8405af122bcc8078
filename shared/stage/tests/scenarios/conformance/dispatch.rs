//! Which of several consumers is served.

use stage::CancelMode::Temporary;

use crate::*;

#[tokio::test(start_paused = true)]
async fn of_two_subscriptions_of_one_consumer_one_can_be_cancelled() {
    let (mut a, mut c) = (source(0..0), sink("C"));
    let options = demand(0, 3).cancel(Temporary);
    let first = c.subscribe(&a, options).unwrap();
    c.subscribe(&a, options).unwrap();
    assert_eq!(a.record().await, [3, 3]);

    // The first leaves a debt of 3, which the other takes over with its next ask.
    c.cancel(first);
    settle().await;
    a.emit(0..5).await;
    assert_eq!(c.record().await, [vec![0, 1, 2], vec![3, 4]]);
    assert_eq!((a.record().await, a.buffered().await), (vec![], 0));
    a.emit(5..6).await;
    assert_eq!((c.record().await, a.record().await), (vec![vec![5]], vec![3]));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_comes_and_goes_leaves_the_demand_as_it_was() {
    let (mut a, mut c) = (source(0..0), sink("C"));
    c.subscribe(&a, demand(0, 4)).unwrap();
    assert_eq!(a.record().await, [4]);
    for _ in 0..10 {
        let other = sink("D");
        let id = other.subscribe(&a, demand(0, 3)).unwrap();
        settle().await;
        other.cancel(id);
        assert_eq!(end_of(other.stage()).await, Some(Exit::Normal));
    }
    // The first of the others left a debt of 3, and each after it took that over.
    assert_eq!(a.record().await, [3]);
    a.emit(0..7).await;
    assert_eq!(c.record().await, [vec![0, 1, 2, 3], vec![4, 5, 6]]);
    assert_eq!(a.record().await, [1]);
}

#[tokio::test(start_paused = true)]
async fn one_batch_goes_to_several_consumers_and_the_rest_waits() {
    let a = source(0..0);
    let mut consumers = Vec::new();
    for max in [2, 3, 4] {
        let (c, _gate) = held_sink("C");
        c.subscribe(&a, demand(0, max)).unwrap();
        settle().await;
        consumers.push(c);
    }
    a.emit(0..11).await;
    let mut received = Vec::new();
    for c in &mut consumers {
        received.push(c.record().await.concat());
    }
    assert_eq!(received, [vec![7, 8], vec![4, 5, 6], vec![0, 1, 2, 3]]);
    assert_eq!(a.buffered().await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_unknown_or_over_cannot_be_cancelled_and_that_does_no_harm() {
    let (a, mut c, other) = (source(0..0), sink("C"), sink("D"));
    let options = demand(0, 2).cancel(Temporary);
    let (old, of_other) =
        (c.subscribe(&a, options).unwrap(), other.subscribe(&a, options).unwrap());
    for id in [old, old, of_other] {
        c.cancel(id);
    }
    c.subscribe(&a, options).unwrap();
    settle().await;
    for events in [0..2, 2..4, 4..6, 6..8] {
        a.emit(events).await;
    }
    assert_eq!(c.record().await.concat().len(), 4);
    assert_eq!(end_of(other.stage()).await, None);
}
