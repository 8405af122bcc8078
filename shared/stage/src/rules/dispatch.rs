//! Rules 7, 8 and 10: which consumer is served, and in which order.

use super::*;

#[tokio::test(start_paused = true)]
async fn rule_07_the_largest_demand_is_met_completely_before_the_next() {
    let a = producer(0..0);
    let mut consumers = Vec::new();
    for (name, max) in [("C1", 5), ("C2", 10), ("C3", 10)] {
        let (c, gate) = held_consumer(name);
        c.subscribe(&a, demand(0, max)).unwrap();
        settle().await;
        consumers.push((c, gate));
    }

    // The pending demands are 5, 10, 10 ‖ 5, 0, 8 ‖ 5, 0, 5 ‖ 0, 0, 4. Of two equals, the one that has
    // waited the longest is served first.
    for events in [0..12, 12..15, 15..21] {
        a.emit(events).await;
    }
    let mut received = Vec::new();
    for (c, gate) in &mut consumers {
        // Until now each consumer has asked only once, so all these batches come from its first
        // ask.
        gate.add_permits(2);
        received.push(c.record().await);
    }
    assert_eq!(received[0], [vec![15, 16, 17, 18, 19]]);
    assert_eq!(received[1], [(0..10).collect::<Vec<_>>()]);
    assert_eq!(received[2], [vec![10, 11], vec![12, 13, 14], vec![20]]);
    assert_eq!(a.buffered().await, 0);
}

#[tokio::test(start_paused = true)]
async fn rule_07_two_consumers_that_want_the_same_take_turns() {
    for demand in [demand(0, 1), demand(9, 10)] {
        let (a, mut c1, mut c2) = (producer(0..0), consumer("C1"), consumer("C2"));
        c1.subscribe(&a, demand).unwrap();
        settle().await;
        c2.subscribe(&a, demand).unwrap();
        settle().await;
        for event in 0..6 {
            a.emit([event]).await;
        }
        assert_eq!(c1.record().await.concat(), [0, 2, 4]);
        assert_eq!(c2.record().await.concat(), [1, 3, 5]);
    }
}

#[tokio::test(start_paused = true)]
async fn rule_07_a_consumer_that_asks_for_as_much_as_another_is_behind_it() {
    let (a, (mut c1, gate), mut c2) = (producer(0..0), held_consumer("C1"), consumer("C2"));
    c1.subscribe(&a, demand(2, 4)).unwrap();
    settle().await;
    c2.subscribe(&a, demand(0, 3)).unwrap();
    settle().await;

    // C1 wants 4 and is sent 3, so it wants 1. When it has handled 2 of them, it wants 3, as C2 does.
    a.emit(0..3).await;
    gate.add_permits(1);
    settle().await;
    a.emit(3..5).await;
    assert_eq!(c2.record().await, [[3, 4]]);
    // C1 wants 3 still, and C2 wants 1.
    a.emit(5..6).await;
    open(&gate);
    assert_eq!(c1.record().await.concat(), [0, 1, 2, 5]);
}

#[tokio::test(start_paused = true)]
async fn rule_08_what_a_consumer_asked_for_and_left_is_not_asked_for_twice() {
    let leave: [fn(&ConsumerProbe, SubscriptionId); 3] =
        [|c, id| c.cancel(id), |c, _| c.stop(), |c, _| c.kill()];
    for leave in leave {
        let (mut a, c1, mut c2) = (producer(0..0), consumer("C1"), consumer("C2"));
        let id = c1.subscribe(&a, demand(0, 10)).unwrap();
        assert_eq!(a.record().await, [10]);
        leave(&c1, id);
        settle().await;

        // A owes 10 and emits 4 of them. C2 asks for 15: those 4 are there, and 6 are on their way.
        a.emit(0..4).await;
        c2.subscribe(&a, demand(0, 15)).unwrap();
        assert_eq!((c2.record().await, a.record().await), (vec![vec![0, 1, 2, 3]], vec![5]));

        // So A owes 11, and none of the debt to C1 is left.
        a.emit(4..15).await;
        assert_eq!(a.record().await, [15]);
    }
}

#[tokio::test(start_paused = true)]
async fn rule_08_a_debt_is_paid_only_once() {
    let (mut a, c1, mut c2) = (producer(0..0), consumer("C1"), consumer("C2"));
    let id = c1.subscribe(&a, demand(0, 2)).unwrap();
    c2.subscribe(&a, demand(0, 3)).unwrap();
    settle().await;
    c1.cancel(id);
    assert_eq!(a.record().await.iter().sum::<usize>(), 5);

    // C2 takes 3 of the 5 and asks for 3 more. A owes 2 already, so 1 is new.
    a.emit(0..3).await;
    assert_eq!(a.record().await, [1]);
    // Its next 3 are all new.
    a.emit(3..6).await;
    assert_eq!(a.record().await, [3]);
    assert_eq!(c2.record().await, [vec![0, 1, 2], vec![3, 4, 5]]);
}

#[tokio::test(start_paused = true)]
async fn rule_10_events_go_out_in_the_order_in_which_they_were_emitted() {
    let (mut a, (mut c, gate)) = (producer(0..2), held_consumer("C"));
    c.subscribe(&a, demand(0, 4)).unwrap();
    assert_eq!(a.record().await, [4]);

    // Events 0 and 1 come from the demand, the others from casts. Two were asked for, and the rest
    // is buffered.
    a.emit(2..6).await;
    a.emit(6..7).await;
    open(&gate);
    assert_eq!(c.record().await, [vec![0, 1], vec![2, 3], vec![4, 5, 6]]);
    assert_eq!(a.record().await, [1]);
}
