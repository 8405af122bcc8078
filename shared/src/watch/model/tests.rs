use super::*;

const P: (u64, &str) = (1, "P");

/// Tells it all at the same second.
pub(in crate::watch) fn tell<'a>(
    model: &mut Model,
    second: u64,
    all: impl IntoIterator<Item = ((u64, &'a str), Did)>,
) {
    for ((task, name), did) in all {
        model.did(Duration::from_secs(second), task, name, did);
    }
}

pub(in crate::watch) fn ask(subscription: u64, producer: (u64, &str), count: u64) -> Did {
    Did::Ask { subscription, producer: producer.0, count }
}

pub(in crate::watch) fn dispatch(subscription: u64, count: u64) -> Did {
    Did::Dispatch { subscription, count }
}

pub(in crate::watch) fn begin(events: u64) -> Did {
    Did::Begin(Work::Events(events))
}

pub(in crate::watch) fn end(events: u64) -> Did {
    Did::End(Work::Events(events))
}

fn names(stages: &[&Stage]) -> Vec<String> {
    stages.iter().map(|stage| stage.name.clone()).collect()
}

#[test]
fn demand_is_unmet_until_events_are_sent_and_these_are_held_until_they_are_handled() {
    let (mut model, c) = (Model::default(), (2, "C"));
    tell(
        &mut model,
        0,
        [
            (c, ask(7, P, 10)),
            (P, Did::Begin(Work::Demand(10))),
            (P, Did::End(Work::Demand(10))),
            (P, dispatch(7, 4)),
            (c, begin(3)),
        ],
    );
    let producer = model.producers()[0];
    let consumer = model.consumers(producer)[0];
    assert_eq!((&*producer.name, &*consumer.name), ("P", "C"));
    assert_eq!((model.demand(producer), model.unmet(consumer)), (6, 6));
    assert_eq!((consumer.held, consumer.handled.total()), (4, 0));
    assert_eq!((producer.sent.total(), producer.demanded.count()), (4, 10));
    assert!(consumer.is_working() && !producer.is_working());

    tell(&mut model, 1, [(c, end(3))]);
    let consumer = model.consumers(model.producers()[0])[0];
    assert_eq!((consumer.held, consumer.handled.total()), (1, 3));
    assert!(!consumer.is_working());
    assert_eq!(consumer.most, 10);
}

#[test]
fn stages_of_the_same_name_are_told_apart() {
    let mut model = Model::default();
    let consumers = [(2, "C"), (3, "C"), (4, "C")];
    for (at, consumer) in (0..).zip(consumers) {
        tell(&mut model, 0, [(consumer, ask(at, P, 10))]);
    }
    tell(&mut model, 0, [(P, dispatch(1, 2))]);
    let producer = model.producers()[0];
    let consumers = model.consumers(producer);
    let labels: Vec<_> = consumers.iter().map(|stage| model.label(stage)).collect();
    assert_eq!(labels, ["C #2", "C #3", "C #4"]);
    let unmet: Vec<_> = consumers.iter().map(|stage| model.unmet(stage)).collect();
    assert_eq!((unmet, model.demand(producer)), (vec![10, 8, 10], 28));
    assert_eq!(model.label(producer), "P");
}

#[test]
fn a_stage_that_is_started_again_takes_its_old_place() {
    let mut model = Model::default();
    let others = (3, "D");
    tell(
        &mut model,
        0,
        [
            ((2, "C"), ask(0, P, 10)),
            (others, ask(1, P, 10)),
            (P, dispatch(0, 3)),
            ((2, "C"), begin(1)),
            ((2, "C"), end(1)),
            ((2, "C"), begin(1)),
            ((2, "C"), Did::Stop),
        ],
    );
    let consumer = model.consumers(model.producers()[0])[0];
    assert!(consumer.has_stopped() && !consumer.is_working());
    assert_eq!((model.unmet(consumer), consumer.held), (0, 0));
    assert_eq!(model.demand(model.producers()[0]), 10);

    tell(&mut model, 1, [((9, "C"), ask(2, P, 10))]);
    let consumers = model.consumers(model.producers()[0]);
    assert_eq!(names(&consumers), ["C", "D"]);
    let consumer = consumers[0];
    assert_eq!((consumer.task, consumer.restarts, consumer.has_stopped()), (9, 1, false));
    assert_eq!((model.unmet(consumer), consumer.handled.total()), (10, 1));
    assert_eq!((&*model.label(consumer), &*model.label(consumers[1])), ("C ↻1", "D"));
}

#[test]
fn a_stage_that_is_not_started_again_is_shown_for_some_more_seconds() {
    let mut model = Model::default();
    let (c, d) = ((2, "C"), (3, "D"));
    tell(&mut model, 0, [(c, ask(0, P, 1)), (d, ask(1, P, 1)), (P, dispatch(1, 1))]);
    tell(&mut model, 10, [(c, Did::Stop)]);
    let shown = |model: &mut Model, second| {
        model.forget_ended(Duration::from_secs(second));
        names(&model.consumers(model.producers()[0]))
    };
    assert_eq!(shown(&mut model, 15), ["C", "D"]);
    let mut stopping = Model { is_stopping: true, ..model.clone() };
    assert_eq!(shown(&mut model, 16), ["D"]);
    assert_eq!(shown(&mut stopping, 16), ["C", "D"]);
}

#[test]
fn a_thousand_pipelines_that_come_and_go_leave_nothing_in_the_model() {
    let mut model = Model::default();
    let mut most = 0;
    for second in 0..1000 {
        let (task, subscription) = (second + 2, second);
        let name = format!("Pipeline{second}");
        let pipeline = (task, &*name);
        tell(&mut model, second, [(pipeline, ask(subscription, P, 10))]);
        tell(&mut model, second, [(P, dispatch(subscription, 10)), (pipeline, begin(10))]);
        tell(&mut model, second, [(pipeline, end(10)), (pipeline, Did::Stop)]);
        model.forget_ended(Duration::from_secs(second));
        most = most.max(model.stages.len()).max(model.links.len());
    }
    // The producer, the pipeline of this second, and those of the seconds for which a stage is shown.
    assert_eq!(most as u64, 2 + SHOWN_FOR.as_secs());
}

#[test]
fn an_event_costs_a_look_at_the_two_stages_that_it_concerns() {
    for pipelines in [3, 300] {
        let mut model = Model::default();
        for task in 2..pipelines + 2 {
            tell(&mut model, 0, [((task, "C"), ask(task, P, 10)), (P, dispatch(task, 1))]);
        }
        let events = [
            ((2, "C"), ask(2, P, 1)),
            (P, dispatch(2, 1)),
            (P, Did::Buffer { count: 1 }),
            ((2, "C"), begin(1)),
            ((2, "C"), end(1)),
        ];
        for event in events {
            // A look at a stage would set this again.
            model.stages.iter_mut().for_each(|stage| stage.most = 0);
            tell(&mut model, 1, [event]);
            let looked_at = model.stages.iter().filter(|stage| stage.most > 0).count();
            assert!(looked_at <= 2, "{looked_at} of {pipelines}");
        }
    }
}

#[test]
fn producers_of_the_same_name_have_their_own_consumers_and_demand() {
    let mut model = Model::default();
    let other = (9, "P");
    // Each pipeline asks both, as in step 9 with two queues.
    for (task, name) in [(2, "Pipeline1"), (3, "Pipeline2")] {
        let asks = [ask(task, P, 1), ask(10 + task, other, 1)];
        tell(&mut model, 0, asks.map(|ask| ((task, name), ask)));
    }
    tell(&mut model, 0, [P, other].map(|producer| (producer, Did::Buffer { count: 0 })));
    tell(&mut model, 0, [(other, dispatch(12, 1))]);
    let producers = model.producers();
    let demand: Vec<_> = producers.iter().map(|it| model.demand(it)).collect();
    assert_eq!(demand, [2, 1]);
    let shown: Vec<_> = producers.iter().map(|it| names(&model.consumers(it))).collect();
    assert_eq!(shown, [vec!["Pipeline1", "Pipeline2"], vec![]]);

    tell(&mut model, 1, [(other, Did::Stop)]);
    let demand: Vec<_> = model.producers().iter().map(|it| model.demand(it)).collect();
    assert_eq!(demand, [2, 0]);
}

#[test]
fn stages_of_one_name_can_be_a_line_and_a_ring_has_an_end() {
    let mut model = Model::default();
    let [first, second, third] = [(1, "S"), (2, "S"), (3, "S")];
    tell(&mut model, 0, [(second, ask(0, first, 1)), (third, ask(1, second, 1))]);
    // The ring: the second one asks the third, too.
    tell(&mut model, 0, [(second, ask(2, third, 1)), (first, dispatch(0, 1))]);
    let tasks = |stages: &[&Stage]| stages.iter().map(|it| it.task).collect::<Vec<_>>();
    let mut line = model.producers();
    for task in [1, 2, 3] {
        assert_eq!(tasks(&line), [task]);
        line = model.consumers(line[0]);
    }
    assert!(line.is_empty());
}

#[test]
fn a_consumer_that_subscribes_again_and_again_has_one_link() {
    let (mut model, c) = (Model::default(), (2, "C"));
    for restart in 0..100 {
        let producer = (10 + restart, "P");
        tell(&mut model, 0, [(c, ask(restart, producer, 1)), (producer, dispatch(restart, 1))]);
        assert_eq!(names(&model.consumers(model.producers()[0])), ["C"]);
        tell(&mut model, 0, [(producer, Did::Stop)]);
    }
    assert_eq!((model.stages.len(), model.links.len()), (2, 1));
}

#[test]
fn nobody_waits_for_a_producer_that_has_stopped() {
    let mut model = Model::default();
    tell(&mut model, 0, [((2, "C"), ask(0, P, 10)), (P, Did::Buffer { count: 3 })]);
    assert_eq!(model.producers()[0].buffered, 3);
    tell(&mut model, 0, [(P, Did::Stop)]);
    let producer = model.producers()[0];
    assert_eq!((model.demand(producer), producer.buffered), (0, 0));
    assert_eq!(names(&model.consumers(producer)), ["C"]);
}

#[test]
fn the_stage_that_is_busy_most_of_the_time_sets_the_pace() {
    let mut model = Model::default();
    let pace = |model: &Model, second| model.pace(Duration::from_secs(second)).unwrap();
    tell(&mut model, 0, [((2, "C"), ask(0, P, 10)), ((3, "D"), ask(1, P, 1))]);
    tell(&mut model, 0, [(P, Did::Buffer { count: 0 })]);
    assert_eq!(
        pace(&model, 5),
        "No stage is busy, and 11 events are asked for: all wait for the queue"
    );
    tell(&mut model, 10, [((2, "C"), begin(1)), ((3, "D"), begin(1))]);
    tell(&mut model, 13, [((3, "D"), end(1))]);
    assert_eq!(pace(&model, 18), "C is busy 80 %: it sets the pace");
    // It still works.
    assert_eq!(pace(&model, 60), "C is busy 100 %: it sets the pace");
    tell(&mut model, 60, [((2, "C"), end(1)), (P, dispatch(0, 10)), (P, dispatch(1, 1))]);
    assert_eq!(pace(&model, 64), "C is busy 60 %: it sets the pace");
    assert_eq!(pace(&model, 70), "No stage is busy, and none asks for events");
    assert_eq!(Model::default().pace(Duration::ZERO), None);
}

#[test]
fn pipelines_are_in_the_order_of_their_numbers() {
    let mut model = Model::default();
    tell(&mut model, 0, [(P, Did::Buffer { count: 0 })]);
    for (at, name) in (0..).zip(["Pipeline10", "Pipeline2", "Pipeline1"]) {
        tell(&mut model, 0, [((at + 2, name), ask(at, P, 1))]);
    }
    let consumers = model.consumers(model.producers()[0]);
    assert_eq!(names(&consumers), ["Pipeline1", "Pipeline2", "Pipeline10"]);
}

#[test]
fn the_last_lines_are_kept() {
    let mut model = Model::default();
    (0..LINES + 5).for_each(|line| model.line(line.to_string()));
    assert_eq!((model.log.len(), model.log[0].as_str()), (LINES, "5"));
}
