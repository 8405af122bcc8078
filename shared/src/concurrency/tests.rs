//! The controller, with simulated services.

use std::time::Duration;

use super::controller::{Bounds, Controller, Limits};
use crate::aws::Measured;

const MOMENT: Duration = Duration::from_millis(50);
const START: Limits = Limits { pipelines: 3, max_demand: 1 };
const BOUNDS: Bounds =
    Bounds { start: START, max_pipelines: 64, demand_is_auto: false, memory: 64 * 1024 * 1024 };
const SMALL: u64 = 20_000;

/// A service: how long it takes to answer, in seconds, by the number of requests under way.
type Latency<'a> = &'a dyn Fn(f64) -> f64;

/// A program that has as many requests under way as it has pipelines.
struct World {
    controller: Controller,
    /// Whole requests are answered, so a part is left over.
    left: f64,
    /// For the noise, which is the same in each run.
    seed: u64,
    file: u64,
    /// How many pipelines there were in each moment.
    history: Vec<u32>,
}

/// The simulated latencies depend on chance.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=20;

impl World {
    fn new(bounds: Bounds) -> Self {
        Self::with_seed(bounds, 1)
    }

    fn with_seed(bounds: Bounds, seed: u64) -> Self {
        Self {
            controller: Controller::new(bounds),
            left: 0.,
            seed,
            file: SMALL,
            history: Vec::new(),
        }
    }

    /// A number from 0 to 1.
    fn chance(&mut self) -> f64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.seed >> 33).unwrap()) / f64::from(1u32 << 31)
    }

    fn pipelines(&self) -> u32 {
        self.controller.limits().pipelines
    }

    /// Lets `seconds` pass. One request in twenty takes `tail` times as long. Returns the rate at the end.
    fn pass(&mut self, seconds: u32, latency: Latency, tail: f64) -> f64 {
        for _ in 0..seconds * 20 {
            let under_way = f64::from(self.pipelines());
            let latency = latency(under_way);
            let answered = under_way / latency * MOMENT.as_secs_f64() + self.left;
            self.left = answered.fract();
            let latencies = (1..=10_000)
                .take_while(|number| f64::from(*number) <= answered)
                .map(|_| {
                    let tail = if self.chance() < 0.05 { tail } else { 1. };
                    Duration::from_secs_f64(latency * tail * (0.8 + 0.4 * self.chance()))
                })
                .collect::<Vec<_>>();
            let held = self.file * latencies.len() as u64;
            let (throttled, dry) = (false, false);
            self.controller.measured(&Measured {
                elapsed: MOMENT,
                latencies,
                held,
                throttled,
                dry,
            });
            self.history.push(self.pipelines());
        }
        f64::from(self.pipelines()) / latency(f64::from(self.pipelines()))
    }

    /// The rate must be nearly the best that this service allows.
    fn must_reach_the_best(&mut self, seconds: u32, latency: Latency, tail: f64) {
        self.must_reach(0.85, seconds, latency, tail);
    }

    /// The rate must be this part of the best that this service allows.
    fn must_reach(&mut self, part: f64, seconds: u32, latency: Latency, tail: f64) {
        let rate = self.pass(seconds, latency, tail);
        let best = (3..=64).map(|count| f64::from(count) / latency(f64::from(count)));
        let best = best.fold(0., f64::max);
        assert!(rate >= part * best, "{rate} of {best} with {}", self.pipelines());
    }
}

/// `most` requests at the same time are answered at once. Those beyond wait.
fn capacity(base: f64, most: f64) -> impl Fn(f64) -> f64 {
    move |under_way| base * (under_way / most).max(1.)
}

#[test]
fn while_s3_takes_as_long_as_before_there_are_more() {
    let mut world = World::new(BOUNDS);
    world.pass(10, &|_| 0.1, 1.);
    assert_eq!(world.pipelines(), 64);
}

#[test]
fn a_few_seconds_are_enough_near_and_far() {
    for (base, seed) in
        [0.004, 0.02, 0.1].into_iter().flat_map(|base| SEEDS.map(move |seed| (base, seed)))
    {
        World::with_seed(BOUNDS, seed).must_reach_the_best(5, &capacity(base, 30.), 1.);
    }
}

#[test]
fn more_that_only_wait_are_stopped_again() {
    for (most, seed) in
        [6., 12., 24.].into_iter().flat_map(|most| SEEDS.map(move |seed| (most, seed)))
    {
        let mut world = World::with_seed(BOUNDS, seed);
        world.must_reach_the_best(60, &capacity(0.02, most), 1.);
        assert!(f64::from(world.pipelines()) <= 2.2 * most, "{} for {most}", world.pipelines());
    }
}

#[test]
fn what_the_processors_limit_stays_as_it_began() {
    for seed in SEEDS {
        let mut world = World::with_seed(BOUNDS, seed);
        world.pass(60, &capacity(0.001, 2.), 1.);
        let most = world.history.iter().max();
        assert!(most <= Some(&6), "{most:?}");
        assert!(world.pipelines() <= 4, "{}", world.pipelines());
    }
}

#[test]
fn latency_that_rises_with_load() {
    // Each request more makes all others take 2 % longer. The best would be all that are allowed.
    World::new(BOUNDS).must_reach(0.7, 30, &|under_way| 0.05 * (1. + under_way / 50.), 1.);
}

#[test]
fn a_limit_on_bandwidth() {
    // 20 files of 1 MB a second.
    World::new(BOUNDS).must_reach(0.7, 30, &|under_way| 0.02 + under_way / 20. * 0.3, 1.);
}

#[test]
fn a_few_answers_that_take_long_change_nothing() {
    for (tail, seed) in [5., 50.].into_iter().flat_map(|tail| SEEDS.map(move |seed| (tail, seed))) {
        World::with_seed(BOUNDS, seed).must_reach_the_best(10, &capacity(0.05, 40.), tail);
    }
}

#[test]
fn when_the_network_changes_so_does_what_is_best() {
    let mut world = World::new(BOUNDS);
    world.must_reach_the_best(20, &capacity(0.004, 8.), 1.);
    // Far away, and then near again.
    world.must_reach_the_best(90, &capacity(0.1, 60.), 1.);
    world.must_reach_the_best(90, &capacity(0.004, 8.), 1.);
}

#[test]
fn what_is_found_is_kept_except_for_probes() {
    // A probe can be misled by chance, but rarely.
    let (mut moments, mut elsewhere) = (0, 0);
    for seed in SEEDS {
        let mut world = World::with_seed(BOUNDS, seed);
        world.pass(20, &capacity(0.02, 20.), 1.);
        world.history.clear();
        world.pass(120, &capacity(0.02, 20.), 1.);
        let mut sorted = world.history.clone();
        sorted.sort_unstable();
        let median = sorted[sorted.len() / 2];
        moments += sorted.len();
        elsewhere += sorted.iter().filter(|count| **count != median).count();
    }
    assert!(elsewhere * 10 < moments, "{elsewhere} of {moments}");
}

#[test]
fn when_s3_asks_for_less_there_is_less_at_once_and_only_once() {
    let mut world = World::new(BOUNDS);
    world.pass(10, &|_| 0.1, 1.);
    let slow_down = Measured { elapsed: MOMENT, throttled: true, ..Measured::default() };
    world.controller.measured(&slow_down);
    assert_eq!(world.pipelines(), 32);
    // The requests that were under way are refused, too.
    world.controller.measured(&slow_down);
    assert_eq!(world.pipelines(), 32);
    // A second later it still does.
    world.pass(2, &|_| 0.1, 1.);
    world.controller.measured(&slow_down);
    assert_eq!(world.pipelines(), 16);
}

#[test]
fn growth_that_s3_refuses_is_taken_back() {
    let mut world = World::new(BOUNDS);
    while world.pipelines() < 24 {
        world.pass(1, &|_| 0.1, 1.);
    }
    let before = world.pipelines();
    world.pass(1, &|_| 0.1, 1.);
    let slow_down = Measured { elapsed: MOMENT, throttled: true, ..Measured::default() };
    while world.pipelines() >= before {
        world.controller.measured(&slow_down);
    }
    assert!(world.pipelines() >= 3);
}

#[test]
fn an_empty_queue_says_nothing_of_s3() {
    let mut controller = Controller::new(BOUNDS);
    for _ in 0..100 {
        let latencies = vec![Duration::from_millis(100); 10];
        let dry = Measured { elapsed: MOMENT, latencies, held: 10, throttled: false, dry: true };
        controller.measured(&dry);
    }
    assert_eq!(controller.limits(), START);
}

#[test]
fn the_twelve_files_of_the_talk_are_done_by_three_pipelines() {
    let mut controller = Controller::new(Bounds { demand_is_auto: true, ..BOUNDS });
    let latencies = vec![Duration::from_millis(1); 12];
    let elapsed = Duration::from_secs(1);
    controller.measured(&Measured { elapsed, latencies, held: 12, throttled: false, dry: false });
    assert_eq!(controller.limits(), START);
}

#[test]
fn after_a_long_pause_it_begins_again() {
    let mut world = World::new(BOUNDS);
    world.pass(10, &|_| 0.1, 1.);
    world.controller.measured(&Measured { elapsed: Duration::from_mins(1), ..Measured::default() });
    assert_eq!(world.controller.limits(), START);
}

#[test]
fn files_fit_into_memory() {
    let mut world = World::new(BOUNDS);
    world.file = 1024 * 1024;
    world.pass(30, &|_| 0.1, 1.);
    assert_eq!(world.pipelines(), 32, "two files of 1 MiB each make 64 MiB");

    let mut world = World::new(BOUNDS);
    world.pass(10, &|_| 0.1, 1.);
    assert_eq!(world.pipelines(), 64);
    world.file = 4 * 1024 * 1024;
    world.pass(30, &|_| 0.1, 1.);
    assert!(world.pipelines() <= 9, "{}", world.pipelines());
}

#[test]
fn memory_goes_to_pipelines_before_it_goes_to_demand() {
    let mut world = World::new(Bounds { demand_is_auto: true, ..BOUNDS });
    world.file = 1024 * 1024;
    world.pass(10, &|_| 0.1, 1.);
    assert_eq!(world.controller.limits(), Limits { pipelines: 32, max_demand: 1 });

    // More pipelines would not help here, so there is memory for demand.
    let mut world = World::new(Bounds { demand_is_auto: true, ..BOUNDS });
    world.file = 1024 * 1024;
    world.pass(10, &capacity(0.01, 3.), 1.);
    assert_eq!(world.controller.limits(), Limits { pipelines: 3, max_demand: 5 });
}

#[test]
fn what_is_fixed_stays() {
    let mut world = World::new(Bounds { max_pipelines: 3, ..BOUNDS });
    world.pass(10, &|_| 0.1, 1.);
    assert_eq!(world.controller.limits(), START);
}

#[test]
fn a_stage_holds_a_quarter_of_a_second_of_work() {
    let auto = Bounds { demand_is_auto: true, ..BOUNDS };
    // Far away it is more, so that a stage need not wait for the next receive.
    for (latency, max_demand) in [(0.001, 20), (0.01, 20), (0.06, 5), (0.1, 5)] {
        let mut world = World::new(Bounds { max_pipelines: 3, ..auto });
        world.pass(10, &|_| latency, 1.);
        assert_eq!(world.controller.limits().max_demand, max_demand, "{latency}");
    }
}
