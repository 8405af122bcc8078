//! A program is told where events come from, which are discarded, when all are handled, and which stages there are.

use futures_util::FutureExt;
use tokio::sync::mpsc::UnboundedSender;

use super::CancelMode::Temporary;
use super::*;

/// Records the events of each subscription, and emits the first of them.
struct Sorter(UnboundedSender<(SubscriptionId, Vec<u32>)>);

impl Consumer for Sorter {
    type Event = u32;

    async fn handle_events(&mut self, _: Vec<u32>) {
        panic!("it has no say in this");
    }

    async fn handle_events_from(&mut self, from: SubscriptionId, events: Vec<u32>) {
        let _ = self.0.send((from, events));
    }
}

impl ProducerConsumer for Sorter {
    type Input = u32;
    type Event = u32;

    async fn handle_events(&mut self, _: Vec<u32>) -> Vec<u32> {
        panic!("it has no say in this");
    }

    async fn handle_events_from(&mut self, from: SubscriptionId, events: Vec<u32>) -> Vec<u32> {
        let first = events[0];
        let _ = self.0.send((from, events));
        vec![first]
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_can_know_which_subscription_its_events_came_by() {
    let (told, record) = unbounded_channel();
    let mut b = Probe::new(named("B").start_producer_consumer(Sorter(told)), record);
    let (told, record) = unbounded_channel();
    let mut c = Probe::new(named("C").start_consumer(Sorter(told)), record);
    let (one, two) = (producer(1..3), producer(20..40));
    let from_one = b.subscribe(&one, demand(0, 2)).unwrap();
    let from_two = c.subscribe(&two, demand(2, 4).cancel(Temporary)).unwrap();
    let from_b = c.subscribe(&b, demand(0, 1)).unwrap();
    assert_eq!(b.record().await, [(from_one, vec![1, 2])]);
    let sorted = c.record().await;
    assert!(sorted.contains(&(from_b, vec![1])));
    assert!(sorted.contains(&(from_two, vec![20, 21])));
    // A subscription that has ended has the same number still.
    c.cancel(from_two);
    assert!(c.record().await.iter().all(|(from, _)| *from == from_two));
}

/// Emits the events that are cast to it, and records the discarded ones.
struct Careful(UnboundedSender<Vec<u32>>);

impl Producer for Careful {
    type Event = u32;
    type Cast = Vec<u32>;

    async fn handle_demand(&mut self, _demand: usize) -> Vec<u32> {
        Vec::new()
    }

    async fn handle_cast(&mut self, events: Vec<u32>) -> Vec<u32> {
        events
    }

    fn handle_discarded(&mut self, events: Vec<u32>) {
        let _ = self.0.send(events);
    }
}

impl ProducerConsumer for Careful {
    type Input = u32;
    type Event = u32;

    async fn handle_events(&mut self, events: Vec<u32>) -> Vec<u32> {
        events.into_iter().flat_map(|event| [event; 2]).collect()
    }

    fn handle_discarded(&mut self, events: Vec<u32>) {
        let _ = self.0.send(events);
    }
}

impl CastProducerConsumer for Careful {
    type Cast = Infallible;
}

#[tokio::test(start_paused = true)]
async fn a_producer_is_handed_the_events_that_its_buffer_discards() {
    for (keep, discarded) in [(Keep::Last, [0, 1]), (Keep::First, [3, 4])] {
        let (told, record) = unbounded_channel();
        let options = named("A").buffer_size(3).buffer_keep(keep);
        let mut a = Probe::new(options.start_producer(|_| Careful(told)), record);
        a.cast(vec![0, 1, 2]);
        assert!(a.record().await.is_empty());
        a.cast(vec![3, 4]);
        assert_eq!(a.record().await, [discarded]);
        a.kill();
        a.stopped().await;
        assert_eq!(a.stage().lost(), 5);
    }

    let (told, record) = unbounded_channel();
    let options = named("A").buffer_size(1).partition(2, |event: &u32| u64::from(*event));
    let mut a = Probe::new(options.start_producer(|_| Careful(told)), record);
    a.cast((0..6).collect());
    assert_eq!(a.record().await, [[0, 2, 1, 3]]);
}

#[tokio::test(start_paused = true)]
async fn so_is_a_producer_consumer_whether_or_not_it_is_cast_to() {
    let options = || named("B").buffer_size(1);
    let (told, record) = unbounded_channel();
    let mut b1 = Probe::new(options().start_producer_consumer(Careful(told)), record);
    let (told, record) = unbounded_channel();
    let mut b2 = Probe::new(options().start_cast_producer_consumer(|_| Careful(told)), record);
    let (a1, a2, c1, c2) = (producer(0..2), producer(0..2), consumer("C1"), consumer("C2"));
    b1.subscribe(&a1, demand(0, 2)).unwrap();
    b2.subscribe(&a2, demand(0, 2)).unwrap();
    for (c, id) in [
        (&c1, c1.subscribe(&b1, SubscribeOptions::default().manual()).unwrap()),
        (&c2, c2.subscribe(&b2, SubscribeOptions::default().manual()).unwrap()),
    ] {
        c.ask(id, 1);
    }
    assert_eq!((b1.record().await, b2.record().await), (vec![vec![0, 1]], vec![vec![0, 1]]));
}

#[tokio::test(start_paused = true)]
async fn that_everything_emitted_is_handled_can_be_awaited() {
    let (a, (c, gate), d) = (producer(0..0), held_consumer("C"), consumer("D"));
    assert_eq!(a.handled().now_or_never(), None, "it replies in its turn");
    a.handled().await;
    a.emit(0..1).await;
    assert!(timeout(MOMENT, a.handled()).await.is_err(), "nobody has asked for it");

    c.subscribe(&a, demand(0, 2)).unwrap();
    d.subscribe(&a, demand(0, 2)).unwrap();
    settle().await;
    a.emit(1..4).await;
    let handled = tokio::spawn(handled_by_all(a.clone()));
    for _ in 0..2 {
        settle().await;
        assert!(!handled.is_finished());
        gate.add_permits(1);
    }
    settle().await;
    assert!(handled.is_finished());
}

async fn handled_by_all(a: Handle<Infallible, u32, Order<u32>>) {
    a.handled().await;
}

#[tokio::test(start_paused = true)]
async fn events_that_wait_at_a_producer_consumer_are_not_handled() {
    let (a, mut b, c) = (producer(0..0), producer_consumer(named("B")), consumer("C"));
    b.subscribe(&a, demand(0, 9)).unwrap();
    a.emit(0..2).await;
    a.emit(2..4).await;
    let handled =
        [tokio::spawn(handled_by_all(a.clone())), tokio::spawn(handled_by_all(a.clone()))];
    let manual = c.subscribe(&b, SubscribeOptions::default().manual()).unwrap();
    for events in [[0, 1], [2, 3]] {
        settle().await;
        assert!(handled.iter().all(|it| !it.is_finished()));
        c.ask(manual, 2);
        assert_eq!(b.record().await, [events]);
    }
    assert!(handled.iter().all(tokio::task::JoinHandle::is_finished));
    a.emit(4..6).await;
    b.kill();
    a.handled().await; // B has lost them, and handles nothing any more.
}

#[tokio::test(start_paused = true)]
async fn the_events_of_tasks_are_handled_when_their_tasks_have_ended() {
    let a = producer(0..0);
    let s = named("S").start_consumer_supervisor(Restart::Temporary, |seconds: u32| async move {
        sleep(Duration::from_secs(seconds.into())).await;
    });
    s.subscribe(&a, demand(9, 10)).unwrap();
    a.emit([60, 10]).await;
    let start = tokio::time::Instant::now() - MOMENT;
    sleep(Duration::from_secs(1)).await;
    // This one begins later and ends earlier.
    a.cast(Order::Emit(vec![1]));
    a.handled().await;
    assert_eq!(start.elapsed(), Duration::from_mins(1));
}

#[tokio::test(start_paused = true)]
async fn whether_demand_has_arrived_can_be_awaited() {
    let (mut a, c) = (producer(0..0), consumer("C"));
    let gate = Gate::new(Semaphore::new(0));
    a.cast(Order::Wait(gate.clone()));
    let manual = c.subscribe(&a, SubscribeOptions::default().manual()).unwrap();
    c.ask(manual, 3);
    assert!(timeout(MOMENT, c.subscribed(manual)).await.is_err());
    gate.add_permits(1);
    assert!(c.subscribed(manual).await);
    assert_eq!(a.next().now_or_never(), Some(Some(3)));

    let halves = producer_with(named("A").partition(2, |event: &u32| u64::from(*event)), 0..0);
    let third = c.subscribe(&halves, demand(0, 1).partition(2).cancel(Temporary)).unwrap();
    let second = c.subscribe(&halves, demand(0, 1).partition(1).cancel(Temporary)).unwrap();
    assert!(!c.subscribed(third).await);
    assert!(c.subscribed(second).await);
    let other = consumer("D").subscribe(&a, demand(0, 1)).unwrap();
    assert!(!c.subscribed(other).await, "it is another stage's");
}

#[tokio::test(start_paused = true)]
async fn a_topology_has_the_stages_that_run_and_how_much_each_asks_of_which() {
    let (a, b, c) = (producer(0..0), producer_consumer(named("B")), consumer("the \"last\""));
    let (gone, elsewhere) = (producer(0..0), producer(0..0));
    b.subscribe(&a, demand(0, 10)).unwrap();
    let manual = c.subscribe(&b, SubscribeOptions::default().manual()).unwrap();
    let other = c.subscribe(&elsewhere, demand(0, 2)).unwrap();
    c.ask(manual, 2);
    settle().await;
    a.emit(0..6).await;
    gone.kill();
    settle().await;

    let now = topology(&[c.stage(), gone.stage(), a.stage(), b.stage()]).await;
    let kinds: Vec<_> = now.stages.iter().map(|it| (it.kind, it.buffered)).collect();
    assert_eq!(kinds, [(Kind::Consumer, 0), (Kind::Producer, 0), (Kind::ProducerConsumer, 4)]);
    let [c, a, b] = &now.stages[..] else { panic!("{now:?}") };
    assert_eq!(now.producer(&b.subscriptions[0]), Some(a));
    let [one, two] = &c.subscriptions[..] else { panic!("{c:?}") };
    assert_eq!((one.id, one.outstanding, one.max_demand), (manual, 0, usize::MAX));
    assert_eq!((two.id, two.outstanding, &*two.producer), (other, 2, "A"));
    assert_eq!((now.producer(one), now.producer(two)), (Some(b), None));
    assert_eq!(
        now.to_string(),
        format!(
            r#"flowchart LR
    0["the #34;last#34;"]
    1["A"]
    2["B<br>4"]
    2 -->|"0"| 0
    of{other}["A"] -->|"2 of 2"| 0
    1 -->|"4 of 10"| 2"#
        )
    );
}
