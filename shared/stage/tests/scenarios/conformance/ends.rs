//! Stages that end, and the others beside them.

use stage::CancelMode::{Permanent, Temporary, Transient};
use tokio::sync::oneshot;

use crate::*;

#[tokio::test(start_paused = true)]
async fn a_producer_that_ends_takes_a_producer_consumer_with_it_or_not() {
    let end: [fn(&Source<u32>); 3] = [|a| a.stop(), |a| a.cast(Order::Panic), |a| a.kill()];
    let crashed = Some(crashed("A", "out of order"));
    for (mode, ends) in [
        (Permanent, [Some(Exit::Normal), crashed.clone(), Some(Exit::Killed)]),
        (Transient, [None, crashed, Some(Exit::Killed)]),
        (Temporary, [None, None, None]),
    ] {
        for (end, expected) in end.into_iter().zip(ends) {
            let (a, b, c) = (source(0..0), middle(1), sink("C"));
            b.subscribe(&a, demand(0, 10).cancel(mode)).unwrap();
            c.subscribe(&b, demand(0, 10)).unwrap();
            settle().await;
            end(&a);
            settle().await;
            assert_eq!(end_of(b.stage()).await, expected, "{mode:?}");
            assert_eq!(end_of(c.stage()).await, expected, "{mode:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_at_a_producer_consumer_outlives_the_producer() {
    let end: [fn(&Source<u32>); 3] = [|a| a.stop(), |a| a.cast(Order::Panic), |a| a.kill()];
    for end in end {
        let (a, b, mut c) = (source(0..0), middle(1), sink("C"));
        b.subscribe(&a, demand(0, 10).cancel(Temporary)).unwrap();
        settle().await;
        a.emit(0..3).await;
        a.emit(3..6).await;
        end(&a);
        settle().await;
        c.subscribe(&b, demand(0, 10)).unwrap();
        assert_eq!(c.record().await.concat(), [0, 1, 2, 3, 4, 5]);
    }
}

#[tokio::test(start_paused = true)]
async fn another_consumer_takes_over_at_a_producer_consumer() {
    let (a, b, (mut c, _gate)) = (source(0..9), middle(1), held_sink("C"));
    b.subscribe(&a, demand(0, 3)).unwrap();
    c.subscribe(&b, demand(0, 3)).unwrap();
    assert_eq!(c.record().await, [[0, 1, 2]]);
    c.kill();
    settle().await;

    let mut other = sink("D");
    other.subscribe(&b, demand(0, 3)).unwrap();
    assert_eq!(other.record().await, [[3, 4, 5], [6, 7, 8]]);
}

#[tokio::test(start_paused = true)]
async fn a_producer_can_buffer_without_limit() {
    let (a, mut c) = (testing::source(named("A").buffer_size(usize::MAX), 0..0), sink("C"));
    a.emit(0..50_000).await;
    assert_eq!((a.buffered().await, a.stage().lost()), (50_000, 0));
    c.subscribe(&a, demand(0, 50_000)).unwrap();
    assert_eq!(c.record().await, [(0..50_000).collect::<Vec<_>>()]);
}

/// This producer has this many events, and stops itself.
struct Finite {
    events: std::ops::Range<u32>,
    me: ProducerHandle<Self>,
}

impl Producer for Finite {
    type Event = u32;
    /// Asks how many events are left.
    type Cast = oneshot::Sender<usize>;

    async fn handle_demand(&mut self, demand: usize) -> Vec<u32> {
        let events: Vec<_> = self.events.by_ref().take(demand).collect();
        if events.len() < demand {
            self.me.stop();
        }
        events
    }

    async fn handle_cast(&mut self, reply: oneshot::Sender<usize>) -> Vec<u32> {
        let _ = reply.send(self.events.len());
        self.events.by_ref().take(1).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_has_no_more_stops_itself_and_all_after_it() {
    let a = named("A").start_producer(|me| Finite { events: 0..25, me: me.clone() });
    let mut c = sink("C");
    c.subscribe(&a, demand(0, 10)).unwrap();
    assert_eq!(lengths(&c.record().await), [10, 10, 5]);
    assert_eq!(end_of(c.stage()).await, Some(Exit::Normal));
    assert_eq!((end_of(a.stage()).await, a.stage().lost()), (Some(Exit::Normal), 0));
}

#[tokio::test(start_paused = true)]
async fn a_cast_can_carry_a_way_to_reply() {
    let a = named("A").start_producer(|me| Finite { events: 0..25, me: me.clone() });
    let (reply, left) = oneshot::channel();
    a.cast(reply);
    assert_eq!(left.await.unwrap(), 25);
    assert_eq!(a.buffered().await, 1);
}
