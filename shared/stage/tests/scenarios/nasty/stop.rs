//! An orderly stop, and the stages that can delay its end.

use stage::CancelMode::{Temporary, Transient};
use stage::STOP_LIMIT;

use crate::*;

type Kill = fn(&Source<u32>, &Middle<u32, u32>);

#[tokio::test(start_paused = true)]
async fn a_consumer_in_a_large_message_asks_for_nothing_more_once_it_is_stopped() {
    let (mut a, (mut c, gate)) = (source(0..100_000), held_sink("C"));
    c.subscribe(&a, demand(999, 1000)).unwrap();
    gate.add_permits(10);
    assert_eq!(a.record().await, [&[1000][..], &[1; 10]].concat());
    c.stop();
    gate.add_permits(OPEN);
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
    assert!(a.record().await.is_empty());
    assert_eq!(c.record().await.concat(), (0..1010).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_consumer_in_a_large_message_asks_for_nothing_more_once_it_cancels() {
    let (mut a, mut other, (mut c, gate)) = (source(0..100_000), source(0..0), held_sink("C"));
    c.subscribe(&other, demand(0, 1).cancel(Temporary)).unwrap();
    let id = c.subscribe(&a, demand(999, 1000).cancel(Temporary)).unwrap();
    gate.add_permits(10);
    assert_eq!(a.record().await, [&[1000][..], &[1; 10]].concat());
    assert_eq!(other.record().await, [1]);
    c.cancel(id);
    gate.add_permits(OPEN);
    assert!(a.record().await.is_empty());
    assert_eq!(c.record().await.concat(), (0..1010).collect::<Vec<_>>());

    // The other subscription goes on.
    for event in 0..3 {
        other.emit([event]).await;
    }
    assert_eq!(
        (c.record().await, other.record().await),
        (vec![vec![0], vec![1], vec![2]], vec![1; 3])
    );
}

#[tokio::test(start_paused = true)]
async fn an_ask_that_a_cancel_of_another_subscription_held_back_is_made_up_for() {
    let (mut a, mut other, (mut c, gate)) = (source(0..0), source(0..0), held_sink("C"));
    let options = demand(0, 1).cancel(Temporary);
    let id = c.subscribe(&a, options).unwrap();
    c.subscribe(&other, options).unwrap();
    settle().await;
    other.emit(0..1).await;
    a.emit(10..11).await;
    // The consumer holds the event of the other when it is told to cancel.
    c.cancel(id);
    gate.add_permits(OPEN);
    assert_eq!((a.record().await, other.record().await), (vec![1], vec![1, 1]));
    assert_eq!(c.record().await.concat(), [0, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_cancelled_at_once_asks_for_nothing() {
    let (mut a, c) = (source(0..0), sink("C"));
    let options = demand(0, 1).cancel(Temporary);
    let id = c.subscribe(&a, options).unwrap();
    c.cancel(id);
    assert!(a.record().await.is_empty());
    c.subscribe(&a, options).unwrap();
    assert_eq!(a.record().await, [1]);
}

/// Two producers and a slow consumer. One of them has nothing to deliver, and the other has a lot.
async fn fan_in(mode: stage::CancelMode) -> ([Source<u32>; 2], Sink<u32>) {
    let (a1, a2) = (source(0..0), source(0..0));
    let (c, gate) = held_sink("C");
    for a in [&a1, &a2] {
        c.subscribe(a, demand(5, 10).cancel(mode)).unwrap();
    }
    settle().await;
    a2.emit(0..5000).await;
    tokio::spawn(async move {
        loop {
            gate.add_permits(1);
            settle().await;
        }
    });
    ([a1, a2], c)
}

#[tokio::test(start_paused = true)]
async fn a_permanent_consumer_of_two_producers_ends_with_the_first() {
    let ([a1, a2], mut c) = fan_in(stage::CancelMode::Permanent).await;
    a1.stop();
    a2.stop();
    assert_eq!(c.stopped().await, Exit::Normal);
    assert_eq!(a2.stopped().await, Exit::Normal);
    let handled = c.record().await.concat().len();
    assert_eq!((handled < 100, handled + a2.stage().lost()), (true, 5000));
}

#[tokio::test(start_paused = true)]
async fn a_transient_consumer_of_two_producers_takes_all_and_is_stopped_last() {
    for mode in [Transient, Temporary] {
        let ([a1, a2], mut c) = fan_in(mode).await;
        a1.stop();
        a2.stop();
        assert_eq!([a1.stopped().await, a2.stopped().await], [Exit::Normal, Exit::Normal]);
        c.stop();
        assert_eq!(c.stopped().await, Exit::Normal);
        assert_eq!(c.record().await.concat(), (0..5000).collect::<Vec<_>>());
        assert_eq!([a1.stage().lost(), a2.stage().lost(), c.stage().lost()], [0; 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_whose_last_stage_is_killed_while_it_drains_needs_the_others_killed_too() {
    let (a, b, (c, _gate)) = (source(0..100), middle(1), held_sink("C"));
    c.subscribe(&b, demand(0, 2)).unwrap();
    b.subscribe(&a, demand(0, 2)).unwrap();
    settle().await;
    a.emit(0..10).await;
    a.stop();
    assert_eq!(c.stopped_within(STOP_LIMIT).await, Exit::Killed);
    // A waits for B to ask, and B for a consumer.
    assert_eq!((end_of(a.stage()).await, end_of(b.stage()).await), (None, None));
    a.kill();
    b.kill();
    assert_eq!(end_of(a.stage()).await, Some(Exit::Killed));
    assert_eq!(end_of(b.stage()).await, Some(Exit::Killed));
}

#[tokio::test(start_paused = true)]
async fn a_kill_of_another_stage_ends_a_pipeline_that_drains() {
    let kill: [Kill; 2] = [|a, _| a.kill(), |_, b| b.kill()];
    for kill in kill {
        let (a, b, (c, gate)) = (source(0..100), middle(1), held_sink("C"));
        c.subscribe(&b, demand(0, 2)).unwrap();
        b.subscribe(&a, demand(0, 2)).unwrap();
        settle().await;
        a.emit(0..10).await;
        a.stop();
        kill(&a, &b);
        gate.add_permits(OPEN);
        assert_eq!(end_of(c.stage()).await, Some(Exit::Killed));
        assert_eq!(end_of(b.stage()).await, Some(Exit::Killed));
        assert!(end_of(a.stage()).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn the_stop_of_an_idle_consumer_waits_for_a_producer_that_waits() {
    let (a, c) = (source(0..0), sink("C"));
    c.subscribe(&a, demand(0, 2)).unwrap();
    let gate = Arc::new(Semaphore::new(0));
    a.cast(Order::Wait(gate.clone()));
    settle().await;
    c.stop();
    assert_eq!(end_of(c.stage()).await, None);
    gate.add_permits(1);
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
}
