//! Rules 1 to 4: how much a consumer asks for, and when.

use std::convert::Infallible;

use tokio::sync::{oneshot, watch};

use super::*;
use crate::buffer::Buffer;
use crate::dispatcher::Sealed;
use crate::kind::AConsumer;
use crate::mailbox::Message;
use crate::message::{End, FromConsumer, FromProducer};
use crate::subscription::Subscription;
use crate::testing::Recorder;
use crate::worker::Worker;

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
        assert_eq!(lengths(&c.record().await), chunks);
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
    // 10 are sent at once. With a minimum of 3, the 7 of the first chunk leave 3 outstanding, so
    // the consumer asks for 7. The 3 of the second chunk leave 7 outstanding, which is enough for
    // now.
    for (min, chunks, asks) in [
        (0, vec![10], vec![10]),
        (5, vec![5, 5], vec![5, 5]),
        (3, vec![7, 3], vec![7]),
        (8, vec![2, 2, 2, 2, 2], vec![2, 2, 2, 2, 2]),
    ] {
        let (mut a, mut c) = (producer(0..0), consumer("C"));
        c.subscribe(&a, demand(min, 10)).unwrap();
        assert_eq!(a.record().await, [10]);

        a.emit(0..10).await;
        let batches = c.record().await;
        assert_eq!((lengths(&batches), a.record().await), (chunks, asks));
        assert_eq!(batches.concat(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
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

/// A dispatcher never sends too much, so the test takes the part of the producer here.
#[tokio::test(start_paused = true)]
async fn rule_04_more_events_than_asked_for_are_logged_and_handled() {
    let log = Log::capture();
    let (batches, record) = unbounded_channel();
    let gate = Arc::new(Semaphore::new(1000));
    let (to_c, mailbox) = unbounded_channel();
    let dispatcher = Demand.make("C".into(), Arc::new(to_c.clone()), Buffer::new(0, Keep::Last));
    let (told, _) = watch::channel(End::default());
    let mailbox = (to_c.clone(), mailbox);
    let c = AConsumer(Recorder { batches, gate });
    let c = Worker::new("C".into(), c, mailbox, (dispatcher, false), Arc::default(), told);
    let (worker, ready) = oneshot::channel();
    assert!(worker.send(c).is_ok());
    tokio::spawn(Worker::run(ready));
    let mut c = Probe::new(to_c, record);

    let (to_a, mailbox) = unbounded_channel::<Message<Infallible, u32, Infallible>>();
    let mut a = Probe::new((), mailbox);
    let task = tokio::spawn(async {}).id();
    let subscription =
        Subscription::new(("A".into(), task), Arc::new(to_a), demand(5, 10)).unwrap();
    let id = subscription.id;
    assert!(c.send(Message::Subscribe(Box::new(subscription))).is_ok());
    assert_eq!(asks(a.record().await), [10]);

    let send = |events: Range<u32>| {
        let events = FromProducer::Events { id, events: events.collect() };
        assert!(c.send(Message::FromProducer(events)).is_ok());
    };
    send(0..12);
    settle().await;
    assert_eq!(log.lines(), ["ERROR C was sent 2 events more than it asked for stage=C excess=2"]);
    assert_eq!(asks(a.record().await), [5, 5]);

    // The consumer did not ask for the 2, so the 10 that it asked for last are still outstanding.
    send(12..22);
    settle().await;
    assert!(log.lines().is_empty());
    assert_eq!(asks(a.record().await), [5, 5]);
    let batches = c.record().await;
    assert_eq!(lengths(&batches), [5, 5, 2, 5, 5]);
    assert_eq!(batches.concat(), (0..22).collect::<Vec<_>>());
}

fn asks(messages: Vec<Message<Infallible, u32, Infallible>>) -> Vec<usize> {
    let counts = messages.into_iter().filter_map(|message| match message {
        Message::FromConsumer(FromConsumer::Ask { count, .. }) => Some(count),
        _ => None,
    });
    counts.collect()
}
