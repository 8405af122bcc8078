//! Counts events, in total and lately. Times are durations since the start.

use std::collections::VecDeque;
use std::time::Duration;

/// How many seconds are kept: as many as the widest terminal shows.
const REMEMBERED: usize = 200;
/// A rate is taken over ten seconds, so that events that come every five seconds have one, too.
const RATED: u64 = 10;
/// How long something counts as recent.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// Counts by the second.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    total: u64,
    /// The seconds in which something happened, the oldest first.
    seconds: VecDeque<(u64, u64)>,
}

impl Meter {
    pub(super) fn add(&mut self, at: Duration, count: u64) {
        self.total += count;
        match self.seconds.back_mut() {
            Some((second, sum)) if *second == at.as_secs() => *sum += count,
            _ => self.seconds.push_back((at.as_secs(), count)),
        }
        if self.seconds.len() > REMEMBERED {
            self.seconds.pop_front();
        }
    }

    /// Adds milliseconds, each to its own second. Those before the seconds that are kept are left
    /// out.
    pub(super) fn add_time(&mut self, from: Duration, to: Duration) {
        let kept = to.saturating_sub(Duration::from_secs(REMEMBERED as u64));
        let mut from = from.max(kept);
        while from < to {
            let end = to.min(Duration::from_secs(from.as_secs() + 1));
            let milliseconds = end.saturating_sub(from).as_millis();
            self.add(from, u64::try_from(milliseconds).unwrap_or(u64::MAX));
            from = end;
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The count of the last ten whole seconds.
    pub(super) fn in_ten_seconds(&self, now: Duration) -> u64 {
        let seconds = now.as_secs().clamp(1, RATED);
        let since = now.as_secs().saturating_sub(seconds);
        let lately = self.seconds.iter().filter(|it| (since..now.as_secs()).contains(&it.0));
        lately.map(|it| it.1).sum::<u64>() * 10 / seconds
    }

    /// The counts of the last `count` seconds, this one included.
    pub(super) fn last_seconds(&self, now: Duration, count: usize) -> Vec<u64> {
        let mut last = vec![0; count];
        for (second, sum) in self.seconds.iter().rev() {
            let ago = usize::try_from(now.as_secs().saturating_sub(*second)).unwrap_or(usize::MAX);
            if ago >= count {
                break;
            }
            last[count - 1 - ago] = *sum;
        }
        last
    }
}

/// The last thing that passed a place, or the sum of the last second if many passed.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulse {
    count: u64,
    /// When counting began, and when the last thing passed.
    times: Option<(Duration, Duration)>,
}

impl Pulse {
    pub(super) fn add(&mut self, at: Duration, count: u64) {
        match &mut self.times {
            Some((since, last)) if at.saturating_sub(*since) < FRESH => {
                self.count += count;
                *last = at;
            }
            _ => {
                self.count = count;
                self.times = Some((at, at));
            }
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// How long ago the last thing passed. `None` if nothing has.
    pub(super) fn age(&self, now: Duration) -> Option<Duration> {
        self.times.map(|(_, last)| now.saturating_sub(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_rate_is_that_of_the_last_ten_whole_seconds() {
        let mut meter = Meter::default();
        meter.add(seconds(0), 2);
        meter.add(seconds(5), 2);
        assert_eq!(meter.in_ten_seconds(seconds(2)), 10);
        assert_eq!(meter.in_ten_seconds(seconds(10)), 4);
        assert_eq!(meter.in_ten_seconds(seconds(11)), 2);
        assert_eq!(meter.in_ten_seconds(seconds(1000)), 0);
        assert_eq!(meter.total(), 4);
    }

    #[test]
    fn time_counts_in_the_seconds_that_it_is_in() {
        let mut meter = Meter::default();
        meter.add_time(Duration::from_millis(1500), Duration::from_millis(3250));
        assert_eq!(meter.last_seconds(seconds(3), 4), [0, 500, 1000, 250]);
        meter.add_time(seconds(4), seconds(100_000));
        assert_eq!(meter.seconds.len(), REMEMBERED);
    }

    #[test]
    fn the_last_seconds_have_gaps() {
        let mut meter = Meter::default();
        meter.add(seconds(3), 1);
        meter.add(seconds(3), 1);
        meter.add(seconds(5), 7);
        assert_eq!(meter.last_seconds(seconds(5), 4), [0, 2, 0, 7]);
        assert_eq!(meter.last_seconds(seconds(7), 3), [7, 0, 0]);
    }

    #[test]
    fn a_meter_that_runs_for_long_forgets_the_first_seconds() {
        let mut meter = Meter::default();
        (0..1000).for_each(|second| meter.add(seconds(second), 1));
        assert_eq!((meter.total(), meter.seconds.len()), (1000, REMEMBERED));
    }

    #[test]
    fn a_pulse_adds_up_what_comes_within_a_second() {
        let mut pulse = Pulse::default();
        assert_eq!(pulse.age(seconds(1)), None);
        pulse.add(seconds(1), 10);
        pulse.add(Duration::from_millis(1900), 4);
        assert_eq!(pulse.count(), 14);
        assert_eq!(pulse.age(seconds(3)), Some(Duration::from_millis(1100)));
        pulse.add(seconds(3), 2);
        assert_eq!((pulse.count(), pulse.age(seconds(3))), (2, Some(Duration::ZERO)));
    }
}
