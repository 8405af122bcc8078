//! The rules that every pipeline must keep, checked in random ones. No event is lost, doubled or
//! overtaken. No stage is sent or asked for more than was wanted.
//!
//! A case is plain data, and runs on the paused clock on one thread, so a failing case fails again.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use stage::{
    CancelMode, Consumer, ConsumerHandle, Handle, Producer, ProducerConsumer,
    ProducerConsumerHandle, ProducerHandle, SubscribeOptions, SubscriptionId, named,
};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// The event's first producer, and a number that only grows on the way from there.
type Event = (usize, usize);

const OPEN: usize = 1_000_000;

#[derive(Clone, Debug)]
struct Case {
    /// For each producer, how many events more or fewer than asked for it returns, in turns.
    producers: Vec<Vec<isize>>,
    /// For each producer-consumer, how many events it makes from one event, by that event's number.
    fans: Vec<Vec<usize>>,
    consumers: usize,
    /// (min, max) of the subscriptions, in turns.
    demands: Vec<(usize, usize)>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    /// The producer has this many more events, and emits this many at once, wanted or not.
    Cast(usize, usize, usize),
    /// The consumer handles this many batches, and is held in the next.
    Gate(usize, usize),
    /// The consumer leaves. If it has left, it comes back: the same one if it cancelled, else a new
    /// one.
    ComeOrGo(usize, Leave),
}

#[derive(Clone, Copy, Debug)]
enum Leave {
    Cancel,
    Stop,
    Kill,
}

fn everyone_stays() -> BoxedStrategy<Step> {
    prop_oneof![
        (0..2_usize, 0..40_usize, 0..20_usize).prop_map(|(a, more, now)| Step::Cast(a, more, now)),
        (0..5_usize, select(&[0, 1, 2, 5, OPEN])).prop_map(|(c, batches)| Step::Gate(c, batches)),
    ]
    .boxed()
}

fn come_and_go() -> BoxedStrategy<Step> {
    let leave = select(&[Leave::Cancel, Leave::Stop, Leave::Kill]);
    let come_or_go = (0..5_usize, leave).prop_map(|(c, leave)| Step::ComeOrGo(c, leave));
    prop_oneof![2 => everyone_stays(), 1 => come_or_go].boxed()
}

fn case(step: BoxedStrategy<Step>) -> impl Strategy<Value = Case> {
    let producers = vec(vec(-15..8_isize, 1..4), 1..3);
    let fans = vec(vec(0..4_usize, 1..5), 0..4);
    let demand = (0..12_usize, 1..12_usize).prop_map(|(min, more)| (min, min + more));
    (producers, fans, 1..6_usize, vec(demand, 1..8), vec(step, 1..25)).prop_map(
        |(producers, fans, consumers, demands, steps)| Case {
            producers,
            fans,
            consumers,
            demands,
            steps,
        },
    )
}

/// A record of a stage's work.
#[derive(Default)]
struct Record {
    batches: Vec<Vec<Event>>,
    /// How many of the batches the stage has handled.
    done: usize,
    emitted: Vec<Event>,
    /// The number of events that a producer was asked for and has not emitted.
    owes: usize,
    /// The most events that it owed right after a demand, since the last check.
    owed: usize,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Record>>);

impl Shared {
    fn get(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap()
    }
}

struct Source {
    me: usize,
    answers: Vec<isize>,
    demands: usize,
    next: usize,
    supply: usize,
    record: Shared,
}

impl Source {
    fn emit(&mut self, count: usize) -> Vec<Event> {
        let first = self.next;
        self.next = self.supply.min(first + count);
        let events: Vec<_> = (first..self.next).map(|number| (self.me, number)).collect();
        let mut record = self.record.get();
        record.owes = record.owes.saturating_sub(events.len());
        record.emitted.extend(&events);
        events
    }
}

impl Producer for Source {
    type Event = Event;
    type Cast = (usize, usize);

    async fn handle_demand(&mut self, demand: usize) -> Vec<Event> {
        assert!(demand > 0);
        let answer = self.answers[self.demands % self.answers.len()];
        self.demands += 1;
        {
            let mut record = self.record.get();
            record.owes += demand;
            record.owed = record.owed.max(record.owes);
        }
        self.emit(demand.saturating_add_signed(answer))
    }

    async fn handle_cast(&mut self, (more, now): (usize, usize)) -> Vec<Event> {
        self.supply += more;
        self.emit(now)
    }
}

/// A producer-consumer, or a consumer, which emits nothing.
#[derive(Clone)]
struct Node {
    fan: Vec<usize>,
    /// Lets one batch through per permit.
    gate: Arc<Semaphore>,
    record: Shared,
}

impl Node {
    fn new(fan: &[usize]) -> Self {
        let gate = Arc::new(Semaphore::new(OPEN));
        Self { fan: fan.to_vec(), gate, record: Shared::default() }
    }

    async fn handle(&mut self, events: Vec<Event>) -> Vec<Event> {
        self.record.get().batches.push(events.clone());
        self.gate.acquire().await.unwrap().forget();
        let made: Vec<_> = events.into_iter().flat_map(|event| fan_out(&self.fan, event)).collect();
        let mut record = self.record.get();
        record.done += 1;
        record.emitted.extend(&made);
        made
    }
}

fn fan_out(fan: &[usize], (producer, number): Event) -> impl Iterator<Item = Event> + use<> {
    (0..fan[number % fan.len()]).map(move |i| (producer, number * 4 + i))
}

impl ProducerConsumer for Node {
    type Input = Event;
    type Event = Event;

    async fn handle_events(&mut self, events: Vec<Event>) -> Vec<Event> {
        self.handle(events).await
    }
}

impl Consumer for Node {
    type Event = Event;

    async fn handle_events(&mut self, events: Vec<Event>) {
        self.handle(events).await;
    }
}

/// A producer-consumer, or a consumer from its start to its end.
struct Life {
    /// The row that it subscribes to: row 0 holds the producers, each other row a
    /// producer-consumer.
    row: usize,
    seat: usize,
    node: Node,
    consumer: Option<ConsumerHandle<Node>>,
    /// Its subscriptions to the whole row. Empty while it is not subscribed.
    subscriptions: Vec<SubscriptionId>,
    ended: bool,
    killed: bool,
    /// The number of subscriptions to the same producer whose events it can hold. That is more than
    /// one if it cancelled and came back while held, because then it has not even begun to cancel.
    open: usize,
}

impl Life {
    /// Whether it waits for events and is not held at its gate.
    fn is_idle(&self) -> bool {
        self.killed || self.node.gate.available_permits() > 0
    }

    fn is_there(&self) -> bool {
        !self.subscriptions.is_empty()
    }
}

struct World {
    case: Case,
    sources: Vec<(ProducerHandle<Source>, Shared)>,
    middle: Vec<ProducerConsumerHandle<Node>>,
    /// The producer-consumers, and then all consumers, including those that have gone.
    lives: Vec<Life>,
    stopped: bool,
}

impl World {
    fn start(case: &Case) -> Self {
        let sources = case.producers.iter().enumerate().map(|(me, answers)| {
            let (record, answers) = (Shared::default(), answers.clone());
            let source =
                Source { me, answers, demands: 0, next: 0, supply: 0, record: record.clone() };
            (named("A").start_producer(|_| source), record)
        });
        let (sources, nodes) = (sources.collect(), case.fans.iter().map(|fan| Node::new(fan)));
        let mut world =
            Self { case: case.clone(), sources, middle: vec![], lives: vec![], stopped: false };
        for (row, node) in nodes.enumerate() {
            let handle = named("B").start_producer_consumer(node.clone());
            world.begin(row, 0, node, world.subscribe(&handle, row, 0), None);
            world.middle.push(handle);
        }
        (0..case.consumers).for_each(|seat| world.come_or_go(seat, Leave::Cancel));
        world
    }

    fn begin(
        &mut self,
        row: usize,
        seat: usize,
        node: Node,
        subscriptions: Vec<SubscriptionId>,
        consumer: Option<ConsumerHandle<Node>>,
    ) {
        let (ended, killed, open) = (false, false, 1);
        self.lives.push(Life { row, seat, node, consumer, subscriptions, ended, killed, open });
    }

    fn demand(&self, row: usize, seat: usize, producer: usize) -> (usize, usize) {
        self.case.demands[(5 * row + seat + 3 * producer) % self.case.demands.len()]
    }

    /// The number of stages in that row to subscribe to.
    fn width(&self, row: usize) -> usize {
        if row == 0 { self.sources.len() } else { 1 }
    }

    fn subscribe<Out: Send + 'static, Cast: Send + 'static>(
        &self,
        stage: &Handle<Event, Out, Cast>,
        row: usize,
        seat: usize,
    ) -> Vec<SubscriptionId> {
        let subscribe = |producer| {
            let (min, max) = self.demand(row, seat, producer);
            let options = SubscribeOptions::default().min_demand(min).max_demand(max);
            let options = options.cancel(CancelMode::Temporary);
            if row == 0 {
                stage.subscribe(&self.sources[producer].0, options).unwrap()
            } else {
                stage.subscribe(&self.middle[row - 1], options).unwrap()
            }
        };
        (0..self.width(row)).map(subscribe).collect()
    }

    /// The latest consumer in that seat.
    fn last(&self, seat: usize) -> Option<usize> {
        self.lives.iter().rposition(|life| life.consumer.is_some() && life.seat == seat)
    }

    fn come_or_go(&mut self, seat: usize, leave: Leave) {
        let row = self.middle.len();
        let Some(at) = self.last(seat).filter(|&at| !self.lives[at].ended) else {
            let node = Node::new(&[0]);
            let handle = named("C").start_consumer(node.clone());
            let subscriptions = self.subscribe(&handle, row, seat);
            return self.begin(row, seat, node, subscriptions, Some(handle));
        };
        let handle = self.lives[at].consumer.clone().unwrap();
        if !self.lives[at].is_there() {
            self.lives[at].subscriptions = self.subscribe(&handle, row, seat);
            self.lives[at].open += 1;
            return;
        }
        let life = &mut self.lives[at];
        let subscriptions = std::mem::take(&mut life.subscriptions);
        match leave {
            Leave::Cancel => return subscriptions.into_iter().for_each(|id| handle.cancel(id)),
            Leave::Stop => handle.stop(),
            Leave::Kill => {
                life.open = if life.is_idle() { 0 } else { life.open };
                life.killed = true;
                handle.kill();
            }
        }
        life.ended = true;
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Cast(producer, more, now) => {
                self.sources[producer % self.sources.len()].0.cast((more, now));
            }
            Step::Gate(seat, batches) => {
                let at = self.last(seat % self.case.consumers).unwrap();
                self.lives[at].node.gate.forget_permits(OPEN);
                self.lives[at].node.gate.add_permits(batches);
            }
            Step::ComeOrGo(seat, leave) => self.come_or_go(seat % self.case.consumers, leave),
        }
    }

    /// Checks everything that must hold when no stage has anything left to do.
    async fn check(&mut self) -> Result<(), TestCaseError> {
        // On the paused clock this time passes only when all stages wait.
        sleep(Duration::from_millis(1)).await;
        // While a stage is held, or no consumer is there, events can be under way.
        let quiet = self.lives.iter().all(Life::is_idle)
            && self.lives.iter().any(|life| life.consumer.is_some() && life.is_there());
        for row in 0..=self.middle.len() {
            for producer in 0..self.width(row) {
                let buffered = match row {
                    0 => self.sources[producer].0.buffered().await,
                    _ => self.middle[row - 1].buffered().await,
                };
                self.check_producer(row, producer, buffered, quiet)?;
            }
        }
        self.check_events(quiet)?;
        for life in self.lives.iter_mut().filter(|life| life.is_idle() && !life.killed) {
            life.open = usize::from(life.is_there());
        }
        Ok(())
    }

    fn check_producer(
        &self,
        row: usize,
        producer: usize,
        buffered: usize,
        quiet: bool,
    ) -> Result<(), TestCaseError> {
        let (mut handled, mut room, mut wanted, mut on_order) = (0, 0, 0, 0);
        for life in self.lives.iter().filter(|life| life.row == row) {
            let (min, max) = self.demand(row, life.seat, producer);
            let record = life.node.record.get();
            for (at, batch) in record.batches.iter().enumerate() {
                // All events of a batch come from one message, so from one producer.
                if row > 0 || batch[0].0 == producer {
                    prop_assert!(batch.len() <= max - min, "a batch of {}", batch.len());
                    handled += if at < record.done { batch.len() } else { 0 };
                }
            }
            room += life.open * max;
            wanted += if life.killed || self.stopped { 0 } else { life.open * max };
            on_order += if life.is_there() { min + 1 } else { 0 };
        }

        let before = self.lives.iter().find(|life| life.row + 1 == row);
        let record = before.map_or(&self.sources[producer].1, |life| &life.node.record);
        let mut record = record.get();
        // Every event that left this stage and is not handled is, or was, in the hands of a stage
        // that asked for it.
        let in_hands = record.emitted.len().checked_sub(buffered + handled);
        prop_assert!(in_hands.is_some_and(|it| it <= room), "{in_hands:?} in hands for {room}");
        // A stage is asked only for events that it does not owe already, even to a consumer that
        // has gone.
        let owed = std::mem::take(&mut record.owed);
        prop_assert!(owed <= wanted, "asked for {owed} in all where {wanted} are wanted at most");
        // A producer-consumer handles one message too many, and all of that message was asked for.
        if row > 0 {
            let most = (0..self.width(row - 1)).map(|it| self.demand(row - 1, 0, it).1).max();
            prop_assert!(buffered < 3 * most.unwrap(), "{buffered} made for nobody");
        }
        if quiet {
            prop_assert_eq!(buffered, 0);
            // A consumer that has handled everything has more than its minimum on order.
            let asked = row > 0 || self.stopped || record.owes >= on_order;
            prop_assert!(asked, "asked for {}, not for {on_order}", record.owes);
        }
        Ok(())
    }

    fn check_events(&self, quiet: bool) -> Result<(), TestCaseError> {
        let (mut reached, mut lost) = (BTreeSet::new(), 0);
        for life in &self.lives {
            let record = life.node.record.get();
            for producer in 0..self.sources.len() {
                let events = record.batches.iter().flatten().filter(|event| event.0 == producer);
                prop_assert!(events.is_sorted_by(|a, b| a < b), "out of order, or doubled");
            }
            // Only events in the hands of a stage that was killed can be lost.
            for producer in (0..self.width(life.row)).filter(|_| life.killed) {
                lost += life.open * self.demand(life.row, life.seat, producer).1;
            }
            for event in record.batches.iter().flatten().filter(|_| life.consumer.is_some()) {
                prop_assert!(reached.insert(*event), "{event:?} is doubled");
            }
        }
        let emitted = self.sources.iter().flat_map(|(_, record)| record.get().emitted.clone());
        let mut expected: BTreeSet<_> = emitted.collect();
        for fan in &self.case.fans {
            expected = expected.into_iter().flat_map(|event| fan_out(fan, event)).collect();
        }
        prop_assert!(reached.is_subset(&expected));
        let missing = expected.len() - reached.len();
        prop_assert!(!quiet || missing <= lost, "{missing} are missing, {lost} can be");
        Ok(())
    }
}

async fn run(case: Case) -> Result<(), TestCaseError> {
    let mut world = World::start(&case);
    world.check().await?;
    for step in &case.steps {
        world.step(step);
        world.check().await?;
    }

    // In the end the producers stop while every consumer is held, even one that has just come. All
    // events in the pipeline still come out.
    world.come_or_go(case.consumers, Leave::Cancel);
    let ends = world.lives.iter().filter(|life| life.consumer.is_some());
    let gates: Vec<_> = ends.map(|life| life.node.gate.clone()).collect();
    for gate in &gates {
        gate.forget_permits(OPEN);
    }
    world.sources.iter().for_each(|(a, _)| a.cast((0, OPEN)));
    world.check().await?;
    world.sources.iter().for_each(|(a, _)| a.stop());
    world.stopped = true;
    world.check().await?;
    for gate in &gates {
        gate.add_permits(OPEN);
    }
    world.check().await
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn while_everyone_stays_all_events_arrive(case in case(everyone_stays())) {
        block_on(run(case))?;
    }

    #[test]
    fn consumers_that_come_and_go_lose_only_what_they_held(case in case(come_and_go())) {
        block_on(run(case))?;
    }
}
