//! A rate: how many files are begun in a second.
//!
//! GenStage's example of a rate limiter is a consumer that asks by the clock: each second for as many events as may be
//! handled in it. Here a clock says when work on an event may begin, in [`hold`](super::Delivery::hold), and the asking
//! follows from that: a stage that waits for its turn asks for nothing more. That is better in four ways:
//!
//! - **It is exact with any number of pipelines.** They all take their turns from one clock, in the order in which they
//!   come. With a clock of its own, each pipeline would need a share of the rate, and they start and stop.
//! - **It is exact for files.** A receive brings up to ten messages, and a message can announce several files. So neither
//!   receives nor demand can be counted in their place. A file that is found to be done already gives its turn back.
//! - **Little waits for it.** No more messages are received than the stages have asked for, two or three for each pipeline,
//!   and no pipeline is added while the rate limits them. Each message is kept hidden from others while it waits. A stage of
//!   the limiter's own would hold messages besides.
//! - **A stop need not wait.** No work has begun, so messages that wait are given back at once.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// At most one file per interval, on average. Clones share the clock.
#[derive(Clone, Debug)]
pub(crate) struct Rate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The time between two turns.
    interval: Duration,
    /// When the next turn is. If it is past, turns were left out, and can be made up for.
    next: Mutex<Instant>,
    /// Held by the next in turn. The others wait for it in line.
    line: tokio::sync::Mutex<()>,
    given_back: Notify,
    /// Whether a turn had to be waited for since the last call of [`Rate::has_limited`].
    has_limited: AtomicBool,
}

/// A number of files a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PerSecond(f64);

/// No more turns can be made up for than there are in this time.
const BURST: Duration = Duration::from_secs(1);

impl Rate {
    pub(crate) fn new(PerSecond(files): PerSecond) -> Self {
        Self(Arc::new(Inner {
            interval: Duration::from_secs_f64(1. / files),
            next: Instant::now().into(),
            line: tokio::sync::Mutex::default(),
            given_back: Notify::new(),
            has_limited: AtomicBool::new(false),
        }))
    }

    /// Waits for a turn. Dropping the future before then takes none.
    pub(crate) async fn turn(&self) {
        let _first = self.0.line.lock().await;
        while let Some(next) = self.not_before() {
            self.0.has_limited.store(true, Relaxed);
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.0.given_back.notified() => {}
            }
        }
    }

    /// Takes a turn. If it is too early for that, says when the next one is.
    fn not_before(&self) -> Option<Instant> {
        let Inner { interval, next, .. } = &*self.0;
        let (mut next, now) = (next.lock(), Instant::now());
        if *next > now {
            return Some(*next);
        }
        let made_up_for = BURST.saturating_sub(*interval);
        let earliest = now.checked_sub(made_up_for).unwrap_or(now);
        *next = earliest.max(*next) + *interval;
        None
    }

    /// Gives back a turn that was not needed.
    pub(crate) fn give_back(&self) {
        let mut next = self.0.next.lock();
        *next = next.checked_sub(self.0.interval).unwrap_or(*next);
        self.0.given_back.notify_one();
    }

    /// Whether a turn had to be waited for since the last call.
    pub(crate) fn has_limited(&self) -> bool {
        self.0.has_limited.swap(false, Relaxed)
    }
}

impl FromStr for PerSecond {
    type Err = &'static str;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let number = given.parse().ok().filter(|number| (0.001..=1e6).contains(number));
        number.map(Self).ok_or("it can be a number from 0.001 to 1000000")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::time::sleep;

    use super::*;

    fn rate(files: &str) -> (Rate, Instant) {
        (Rate::new(files.parse().unwrap()), Instant::now())
    }

    /// How many turns can be had at once.
    async fn at_once(rate: &Rate) -> usize {
        let mut turns = 0;
        while tokio::time::timeout(Duration::ZERO, rate.turn()).await.is_ok() {
            turns += 1;
        }
        turns
    }

    fn is_about(elapsed: Duration, milliseconds: u64) -> bool {
        let expected = Duration::from_millis(milliseconds);
        elapsed >= expected && elapsed <= expected + Duration::from_millis(2)
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_exact_however_many_take_turns() {
        for (files, workers, milliseconds) in
            [("50", 1, 19_980), ("50", 64, 19_980), ("3000", 7, 333), ("0.5", 3, 1_998_000)]
        {
            let (rate, started) = rate(files);
            let mut taken = 0;
            while taken < 1000 {
                let now = workers.min(1000 - taken);
                join_all((0..now).map(|_| rate.turn())).await;
                taken += now;
            }
            assert!(is_about(started.elapsed(), milliseconds), "{files}: {:?}", started.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_pause_there_is_a_burst_of_one_second_at_most() {
        for (files, burst) in [("10", 10), ("1", 1), ("0.5", 1), ("2.5", 2)] {
            let (rate, _) = rate(files);
            assert_eq!(at_once(&rate).await, 1, "it begins without a burst");
            sleep(Duration::from_secs(1000)).await;
            assert_eq!(at_once(&rate).await, burst, "{files}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_slow_is_made_up_for() {
        let (rate, started) = rate("10");
        for turn in 0..100 {
            rate.turn().await;
            // Now and then something takes 0.7 seconds.
            sleep(Duration::from_millis(if turn % 10 == 0 { 700 } else { 0 })).await;
        }
        assert!(is_about(started.elapsed(), 9900), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_is_given_back_goes_to_the_next_in_line_at_once() {
        let (rate, started) = rate("0.01");
        for _ in 0..1000 {
            rate.turn().await;
            rate.give_back();
        }
        assert_eq!((started.elapsed(), rate.has_limited()), (Duration::ZERO, false));
        rate.turn().await;
        let waiting = tokio::spawn({
            let rate = rate.clone();
            async move { rate.turn().await }
        });
        sleep(Duration::from_secs(1)).await;
        assert!(rate.has_limited() && !waiting.is_finished());
        rate.give_back();
        waiting.await.unwrap();
        assert_eq!(started.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_the_line_takes_no_turn() {
        let (rate, started) = rate("1");
        rate.turn().await;
        for _ in 0..3 {
            assert!(tokio::time::timeout(Duration::from_millis(100), rate.turn()).await.is_err());
        }
        rate.turn().await;
        assert!(is_about(started.elapsed(), 1000), "{:?}", started.elapsed());
    }

    #[test]
    fn a_rate_is_a_number_of_files() {
        for (given, files) in [("1", 1.), ("0.5", 0.5), ("1000000", 1e6)] {
            assert_eq!(given.parse(), Ok(PerSecond(files)));
        }
        for wrong in ["", "0", "-1", "NaN", "inf", "1e-9", "ten", "1/s"] {
            assert!(wrong.parse::<PerSecond>().is_err(), "{wrong}");
        }
    }
}
