//! Decides how much to do at the same time: measurements in, limits out. It has no clock and knows no network.
//!
//! By Little's law, as many requests are answered in a second as are under way at the same time, divided by how long each
//! takes. So twice as many pipelines do twice as much work while S3 takes as long as before to answer, and no more work
//! if it takes twice as long, whether S3, the network, or this machine's processors are slow. The controller compares the
//! two before and after each change, and keeps the change if it has helped. TCP Vegas and Netflix's concurrency-limits
//! compare with the shortest time ever seen instead, which is wrong for ever when the network changes.

use std::time::Duration;

use crate::aws::Measured;

/// How much a program may do at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many pipelines there are.
    pub pipelines: u32,
    /// How many events each of their stages asks for at a time.
    pub max_demand: u32,
}

/// The range of the limits.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The limits to begin with. No fewer pipelines are ever wanted.
    pub start: Limits,
    /// The most pipelines: as many as to begin with, if their number is fixed.
    pub max_pipelines: u32,
    /// Whether `max_demand` follows the rate.
    pub demand_is_auto: bool,
    /// How many bytes of files may be in memory.
    pub memory: u64,
}

/// Finds the limits with which most work is done.
#[derive(Debug)]
pub struct Controller {
    bounds: Bounds,
    limits: Limits,
    phase: Phase,
    /// The measurements with these limits.
    window: Window,
    /// How long measurements still belong to earlier limits.
    settling: Duration,
    /// How many windows pass before the next probe: twice as many after each probe that did not help.
    patience: u32,
    /// How long S3 takes to answer while nothing changes, in seconds.
    usual: Option<f64>,
    /// How many windows in a row were unusual.
    unusual: u32,
    /// The bytes in memory for each file, on average.
    file: u64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// More pipelines helped so far. The previous number of them, and how long S3 took to answer then.
    Growing(Option<Before>),
    /// As many pipelines as help. After this many windows, another number is probed.
    Steady(u32),
    /// A few more or fewer, to see whether that is better.
    Probing(Before),
}

#[derive(Clone, Copy, Debug)]
struct Before {
    pipelines: u32,
    latency: f64,
}

#[derive(Debug, Default)]
struct Window {
    elapsed: Duration,
    latencies: Vec<Duration>,
}

/// Enough to tell twice as much time from chance. Also more than the twelve files of the talk, which three pipelines do.
const FEWEST: usize = 13;
/// A probe's change is smaller than that of growing, so it takes more to tell it from chance.
const FEWEST_OF_PROBE: usize = 60;
const SHORTEST: Duration = Duration::from_millis(100);
/// After a pause this long, everything may have changed.
const PAUSE: Duration = Duration::from_secs(30);
/// More pipelines are kept if they bring at least this part of the gain that they would bring if S3 took as long as before:
/// twice as many must do 15 % more.
const HELPS: f64 = 0.2;
/// Fewer are kept if they cost no more than this part.
const COSTS: f64 = 0.1;
/// Growing multiplies the pipelines by this.
const GROWTH: u32 = 2;
/// Growing multiplies by this after growth that brought nearly all that it could, because far from S3 each decision
/// takes long.
const GROWTH_AFTER_GAIN: u32 = 4;
const NEARLY_ALL: f64 = 0.8;
/// In windows.
const UNUSUAL: u32 = 5;
const PATIENCE: u32 = 16;
const MOST_PATIENCE: u32 = 256;
/// A stage holds this much work, so that it need not wait for the next receive.
const HELD_WORK: Duration = Duration::from_millis(250);
/// The values of `max_demand`. SQS hands out ten messages at a time, and a stage asks for half of its `max_demand`.
const DEMANDS: [u32; 3] = [1, 5, 20];
/// A pipeline holds about twice its `max_demand`: the files that its consumer was sent, and those that it downloads.
const FILES_PER_DEMAND: u32 = 2;

impl Controller {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            limits: bounds.start,
            phase: Phase::Growing(None),
            window: Window::default(),
            settling: Duration::ZERO,
            patience: PATIENCE,
            usual: None,
            unusual: 0,
            file: 0,
        }
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes the measurements since the last call into account.
    pub fn measured(&mut self, measured: &Measured) {
        if measured.elapsed > PAUSE {
            *self = Self::new(self.bounds);
            return;
        }
        if measured.throttled && self.settling.is_zero() {
            return self.back_off();
        }
        // A queue that runs dry says nothing about S3.
        if measured.dry {
            self.window = Window::default();
            return;
        }
        if !self.settling.is_zero() {
            self.settling = self.settling.saturating_sub(measured.elapsed);
            return;
        }
        let count = measured.latencies.len() as u64;
        if let Some(held) = measured.held.checked_div(count) {
            self.file = if self.file == 0 { held } else { (3 * self.file + held) / 4 };
        }
        self.window.elapsed += measured.elapsed;
        self.window.latencies.extend(&measured.latencies);
        let fewest = match self.phase {
            Phase::Growing(_) => FEWEST,
            Phase::Steady(_) | Phase::Probing(_) => FEWEST_OF_PROBE,
        };
        if count > 0
            && self.window.latencies.len() >= fewest.max(self.limits.pipelines as usize)
            && self.window.elapsed >= SHORTEST
        {
            self.decide();
        }
    }

    /// The window is full.
    fn decide(&mut self) {
        let Window { elapsed, mut latencies } = std::mem::take(&mut self.window);
        let count = latencies.len();
        let (_, median, _) = latencies.select_nth_unstable(count / 2);
        let latency = median.as_secs_f64();
        let rate = f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / elapsed.as_secs_f64();
        self.adjust_demand(rate, latency);
        let now = Before { pipelines: self.limits.pipelines, latency };
        // Files have become larger.
        if now.pipelines > self.most() {
            self.set_pipelines(now.pipelines, latency);
            self.phase = Phase::Steady(self.patience);
            return;
        }
        if matches!(self.phase, Phase::Steady(_)) && self.is_another_network(latency) {
            self.patience = PATIENCE;
            self.phase = Phase::Growing(None);
        }
        match self.phase {
            Phase::Growing(None) => self.grow(now, GROWTH),
            Phase::Growing(Some(before)) => {
                let part = before.part_of_gain(now);
                if part >= NEARLY_ALL {
                    self.grow(now, GROWTH_AFTER_GAIN);
                } else if part >= HELPS {
                    self.grow(now, GROWTH);
                } else if now.pipelines > before.pipelines * GROWTH {
                    // Four times as many did not help. Twice as many may.
                    self.set_pipelines(before.pipelines * GROWTH, latency);
                } else {
                    self.set_pipelines(before.pipelines, latency);
                    self.phase = Phase::Steady(self.patience);
                }
            }
            Phase::Steady(0) => {
                // In turn, as long as neither helps.
                let up = self.patience.trailing_zeros().is_multiple_of(2);
                let part = now.pipelines.div_ceil(3);
                let probed = if up { now.pipelines + part } else { now.pipelines - part };
                // Many windows tell better than the last one.
                let before = Before { latency: self.usual.unwrap_or(latency), ..now };
                let changed = self.set_pipelines(probed, latency);
                self.phase = if changed { Phase::Probing(before) } else { self.wait_longer() };
            }
            Phase::Steady(windows) => self.phase = Phase::Steady(windows - 1),
            Phase::Probing(before) => {
                let part = before.part_of_gain(now);
                let is_up = now.pipelines > before.pipelines;
                if is_up && part >= HELPS {
                    self.patience = PATIENCE;
                    self.phase = Phase::Growing(None);
                } else if !is_up && part <= COSTS {
                    self.patience = PATIENCE;
                    self.phase = Phase::Steady(self.patience);
                } else {
                    self.set_pipelines(before.pipelines, latency);
                    self.phase = self.wait_longer();
                }
            }
        }
    }

    fn grow(&mut self, now: Before, growth: u32) {
        let changed = self.set_pipelines(now.pipelines * growth, now.latency);
        self.phase = if changed { Phase::Growing(Some(now)) } else { Phase::Steady(self.patience) };
    }

    /// S3 has said so: half as much at once, and nothing more for a while.
    fn back_off(&mut self) {
        let pipelines = match self.phase {
            Phase::Probing(Before { pipelines, .. })
            | Phase::Growing(Some(Before { pipelines, .. })) => {
                pipelines.min(self.limits.pipelines)
            }
            Phase::Steady(_) | Phase::Growing(None) => self.limits.pipelines / 2,
        };
        self.window = Window::default();
        self.set_pipelines(pipelines, 0.5);
        self.phase = self.wait_longer();
    }

    /// Whether S3 has for some time taken twice as long as it usually does, or half as long.
    fn is_another_network(&mut self, latency: f64) -> bool {
        let usual = *self.usual.get_or_insert(latency);
        if (usual / 2. ..=usual * 2.).contains(&latency) {
            self.usual = Some(0.9 * usual + 0.1 * latency);
            self.unusual = 0;
        } else {
            self.unusual += 1;
        }
        self.unusual >= UNUSUAL
    }

    fn wait_longer(&mut self) -> Phase {
        self.patience = (2 * self.patience).min(MOST_PATIENCE);
        Phase::Steady(self.patience)
    }

    /// Returns whether that changed anything. Earlier requests take about `latency` longer, in seconds.
    fn set_pipelines(&mut self, pipelines: u32, latency: f64) -> bool {
        let pipelines = pipelines.clamp(self.bounds.start.pipelines, self.most());
        let changed = pipelines != self.limits.pipelines;
        if changed {
            (self.usual, self.unusual) = (None, 0);
        }
        self.limits.pipelines = pipelines;
        self.settling = SHORTEST.max(Duration::from_secs_f64(2. * latency));
        changed
    }

    /// The most pipelines whose files there is memory for.
    fn most(&self) -> u32 {
        let memory = self.memory_for(self.limits.max_demand);
        u32::try_from(memory)
            .unwrap_or(u32::MAX)
            .clamp(self.bounds.start.pipelines, self.bounds.max_pipelines)
    }

    /// How many pipelines, or how much demand, fit into memory with `count` of the other.
    fn memory_for(&self, count: u32) -> u64 {
        let each = self.file * u64::from(FILES_PER_DEMAND * count);
        self.bounds.memory.checked_div(each).unwrap_or(u64::MAX)
    }

    fn adjust_demand(&mut self, rate: f64, latency: f64) {
        if !self.bounds.demand_is_auto {
            return;
        }
        let Limits { pipelines, max_demand } = self.limits;
        // A stage asks for more when it has half of it left. A receive takes about as long as a request to S3, and begins
        // when the one before it has ended.
        let held_work = HELD_WORK.as_secs_f64().max(4. * latency);
        let wanted = (rate / f64::from(pipelines) * held_work).ceil();
        // For large files, more pipelines are worth more than more demand, so there must be memory for those that may follow.
        let memory = self.memory_for(match self.phase {
            Phase::Growing(_) => self.bounds.max_pipelines,
            Phase::Steady(_) | Phase::Probing(_) => pipelines,
        });
        let fits = |demand: &u32| u64::from(*demand) <= memory;
        let enough = |demand: &u32| f64::from(*demand) >= wanted;
        let fitting = || DEMANDS.into_iter().filter(fits);
        let demand = fitting().find(enough).or_else(|| fitting().next_back()).unwrap_or(DEMANDS[0]);
        // Not for a little: each pipeline is replaced.
        if demand > max_demand
            || 8. * wanted <= f64::from(max_demand)
            || u64::from(max_demand) > memory
        {
            self.limits.max_demand = demand;
            self.settling = SHORTEST.max(Duration::from_secs_f64(2. * latency));
        }
    }
}

impl Before {
    /// The part that was reached of the change in work that the change in pipelines would bring if S3 took as long as
    /// before: 1 if it does, 0 if as much work is done as before.
    fn part_of_gain(self, now: Self) -> f64 {
        let pipelines = (f64::from(now.pipelines) / f64::from(self.pipelines)).ln();
        1. - (now.latency / self.latency).ln() / pipelines
    }
}
