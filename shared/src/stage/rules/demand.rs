//! Rules 1 to 4: how much a consumer asks for, and when.

use std::convert::Infallible;

use tokio_util::sync::CancellationToken;

use super::super::buffer::Buffer;
use super::super::dispatcher::Dispatcher;
use super::super::message::{FromConsumer, FromProducer, Message};
use super::super::subscription::Subscription;
use super::super::worker::{AConsumer, Worker};
use super::*;

#[tokio::test(start_paused = true)]
async fn rule_01_max_demand_is_1000_and_min_demand_half_of_max() {
    // Half of 1 is 0, which is less than 1, as it must be.
    for (options, max, chunks) in [
        (SubscribeOptions::default(), 1000, vec![500, 500]),
        (SubscribeOptions::default().max_demand(10), 10, vec![5, 5]),
        (SubscribeOptions::default().max_demand(5), 5, vec![3, 2]),
        (SubscribeOptions::default().max_demand(1), 1, vec![1]),
    ] {
        let (mut a, mut c) = (producer(0..0), consumer("C"));
        c.subscribe(&a, options).unwrap();
        assert_eq!(a.record().await, [max]);

        a.emit(0..u32::try_from(max).unwrap()).await;
        let lengths: Vec<_> = c.record().await.iter().map(Vec::len).collect();
        assert_eq!(lengths, chunks);
    }
}

#[tokio::test(start_paused = true)]
async fn rule_01_a_demand_that_makes_no_sense_is_a_clear_error() {
    let (mut a, c) = (producer(0..0), consumer("C"));
    for (options, error) in [
        (demand(0, 0), "max_demand is 0: ask for at least 1 event"),
        (
            demand(10, 10),
            "min_demand is 10, max_demand is 10: min_demand must be less than max_demand",
        ),
        (
            SubscribeOptions::default().min_demand(1000),
            "min_demand is 1000, max_demand is 1000: min_demand must be less than max_demand",
        ),
    ] {
        assert_eq!(c.subscribe(&a, options).unwrap_err().to_string(), error);
    }
    assert!(a.record().await.is_empty());

    c.subscribe(&a, demand(9, 10)).unwrap();
    assert_eq!(a.record().await, [10]);
}

#[tokio::test(start_paused = true)]
async fn rule_02_subscribing_asks_for_max_demand_at_once() {
    let (mut a, c) = (producer(0..0), consumer("C"));
    assert!(a.record().await.is_empty());
    c.subscribe(&a, demand(2, 7)).unwrap();
    assert_eq!(a.record().await, [7]);
}

#[tokio::test(start_paused = true)]
async fn rule_03_events_are_handled_in_chunks_of_max_minus_min() {
    // 10 are sent at once. With a minimum of 3, the 7 of the first chunk leave 3 outstanding, so 7
    // are asked for; the 3 of the second leave 7 outstanding, which is enough for now.
    for (min, chunks, asks) in [
        (0, vec![0..10], vec![10]),
        (5, vec![0..5, 5..10], vec![5, 5]),
        (3, vec![0..7, 7..10], vec![7]),
        (8, vec![0..2, 2..4, 4..6, 6..8, 8..10], vec![2, 2, 2, 2, 2]),
    ] {
        let (mut a, mut c) = (producer(0..0), consumer("C"));
        c.subscribe(&a, demand(min, 10)).unwrap();
        assert_eq!(a.record().await, [10]);

        a.emit(0..10).await;
        let chunks: Vec<Vec<u32>> = chunks.into_iter().map(Iterator::collect).collect();
        assert_eq!((c.record().await, a.record().await), (chunks, asks));
    }
}

#[tokio::test(start_paused = true)]
async fn rule_03_messages_are_never_merged() {
    let (mut a, (mut c, gate)) = (producer(0..0), held_consumer("C"));
    c.subscribe(&a, demand(0, 10)).unwrap();
    assert_eq!(a.record().await, [10]);

    // All three wait for the consumer before it has handled the first.
    for events in [0..3, 3..6, 6..10] {
        a.emit(events).await;
    }
    gate.add_permits(2);
    assert_eq!(c.record().await, [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7, 8, 9]]);
    assert!(a.record().await.is_empty(), "4 are still outstanding");
    gate.add_permits(1);
    assert_eq!(a.record().await, [10]);
}

#[tokio::test(start_paused = true)]
async fn rule_03_more_is_asked_for_after_a_chunk_is_handled_and_not_before() {
    let (mut a, (mut c, gate)) = (producer(0..10), held_consumer("C"));
    c.subscribe(&a, demand(5, 10)).unwrap();
    assert_eq!((c.record().await, a.record().await), (vec![vec![0, 1, 2, 3, 4]], vec![10]));

    gate.add_permits(1);
    assert_eq!((c.record().await, a.record().await), (vec![vec![5, 6, 7, 8, 9]], vec![5]));
}

/// The dispatcher never sends too much, so this consumer is sent letters by hand.
#[tokio::test(start_paused = true)]
async fn rule_04_more_events_than_asked_for_are_logged_and_handled() {
    let log = Log::capture();
    let (recorder, record, _gate) = recorder(Semaphore::MAX_PERMITS);
    let (mailbox, letters) = unbounded_channel();
    let dispatcher = Dispatcher::new(Buffer::new(0, Keep::Last));
    let worker =
        Worker::new("C".into(), AConsumer(recorder), (mailbox.clone(), letters), dispatcher);
    tokio::spawn(worker.run(CancellationToken::new()));
    let mut c = Probe { handle: (), record };

    let (producer, asks) = unbounded_channel::<Message<Infallible, u32, Infallible>>();
    let mut producer = Probe { handle: (), record: asks };
    let subscription = Subscription::new(Arc::new(producer_mailbox), demand(5, 10)).unwrap();
}
