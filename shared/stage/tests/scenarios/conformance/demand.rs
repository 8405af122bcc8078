//! Chains, and the batches that go through them.

use crate::*;

#[tokio::test(start_paused = true)]
async fn with_a_minimum_of_a_fifth_a_batch_of_80_is_followed_by_one_of_20() {
    let (a, mut c) = (source(0..280), sink("C"));
    c.subscribe(&a, demand(20, 100)).unwrap();
    let batches = c.record().await;
    assert_eq!(lengths(&batches), [80, 20, 80, 80, 20]);
    assert_eq!(batches.concat(), (0..280).collect::<Vec<_>>());
}

/// The order of the two subscriptions makes no difference.
#[tokio::test(start_paused = true)]
async fn a_chain_with_a_minimum_of_four_fifths_hands_on_batches_of_20() {
    for consumer_first in [true, false] {
        let (a, mut b, mut c) = (source(0..200), middle(2), sink("C"));
        if consumer_first {
            c.subscribe(&b, demand(50, 100)).unwrap();
            b.subscribe(&a, demand(80, 100)).unwrap();
        } else {
            b.subscribe(&a, demand(80, 100)).unwrap();
            c.subscribe(&b, demand(50, 100)).unwrap();
        }
        let (received, made) = (c.record().await, b.record().await);
        assert_eq!(lengths(&made), [20; 10]);
        assert_eq!(made.concat(), (0..200).collect::<Vec<_>>());
        assert_eq!(received.concat(), copies_of(0..200, 2));
        assert!(received.contains(&copies_of(0..20, 2)));
        assert!(received.contains(&copies_of(20..40, 2)));
        assert!(received.contains(&copies_of(120..125, 2)));
        assert!(received.contains(&copies_of(125..140, 2)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_chain_with_a_minimum_of_a_fifth_hands_on_what_the_consumer_wants() {
    for consumer_first in [true, false] {
        let (a, mut b, mut c) = (source(0..200), middle(2), sink("C"));
        if consumer_first {
            c.subscribe(&b, demand(50, 100)).unwrap();
            b.subscribe(&a, demand(20, 100)).unwrap();
        } else {
            b.subscribe(&a, demand(20, 100)).unwrap();
            c.subscribe(&b, demand(50, 100)).unwrap();
        }
        let (received, made) = (c.record().await, b.record().await);
        assert_eq!(made[0], (0..80).collect::<Vec<_>>());
        assert_eq!(made[2], (100..180).collect::<Vec<_>>());
        for (batch, events) in received.iter().zip([0..25, 25..50, 50..75]) {
            assert_eq!(*batch, copies_of(events, 2));
        }
        assert_eq!(received.concat(), copies_of(0..200, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_producer_consumer_stops_asking_when_its_consumer_does() {
    let (a, mut b, (mut c, _gate)) = (source(0..1000), middle(1), held_sink("C"));
    b.subscribe(&a, demand(8, 10)).unwrap();
    c.subscribe(&b, demand(5, 10)).unwrap();
    assert_eq!(b.record().await, [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]);
    assert_eq!(c.record().await, [[0, 1]]);
}

#[tokio::test(start_paused = true)]
async fn a_producer_consumer_that_discards_everything_goes_on() {
    let (a, mut b, mut c) = (source(0..1020), middle(0), sink("C"));
    b.subscribe(&a, demand(80, 100)).unwrap();
    c.subscribe(&b, demand(50, 100)).unwrap();
    let made = b.record().await;
    assert_eq!((lengths(&made), made.concat()), (vec![20; 51], (0..1020).collect()));
    assert!(c.record().await.is_empty());
}
