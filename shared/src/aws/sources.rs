//! The state that the queues of a program share.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures_util::future::select_all;
use parking_lot::Mutex;
use tokio::time::sleep;

use super::Backoff;
use super::dead_letters::DeadLetters;

/// The queues of a program: one, or in step 9 several.
#[derive(Debug, Default)]
pub(super) struct Sources {
    all: Mutex<Vec<Arc<Source>>>,
    /// How many receives have brought messages.
    receives: AtomicU64,
}

/// A queue.
#[derive(Debug)]
pub(super) struct Source {
    url: String,
    receiving: Backoff,
    pub(super) dead_letters: DeadLetters,
    /// Whether a receive has brought no message since the last call of [`Sources::were_dry`].
    dry: AtomicBool,
    /// Whether the last receive has brought no message.
    is_empty: AtomicBool,
    /// How many receives had brought messages when one from this queue brought none, and nothing was in flight.
    idle_since: AtomicU64,
}

/// How long a program with `--until-idle` keeps trying to receive before it gives up.
pub(super) const PATIENCE: Duration = Duration::from_mins(5);
/// Of a queue that was never found idle.
const NEVER: u64 = u64::MAX;

impl Sources {
    /// Adds the queue at `url`.
    pub(super) fn add(
        &self,
        url: String,
        receiving: Backoff,
        dead_letters: DeadLetters,
    ) -> Arc<Source> {
        let source = Arc::new(Source {
            url,
            receiving,
            dead_letters,
            dry: AtomicBool::new(false),
            is_empty: AtomicBool::new(false),
            idle_since: AtomicU64::new(NEVER),
        });
        self.all.lock().push(source.clone());
        source
    }

    /// Records that a receive has brought messages.
    pub(super) fn found_some(&self, source: &Source) {
        source.is_empty.store(false, Relaxed);
        self.receives.fetch_add(1, Relaxed);
    }

    /// Records that a receive has brought no message. Returns whether no queue has had any since each of them was asked.
    pub(super) fn found_nothing(&self, source: &Source, something_is_in_flight: bool) -> bool {
        source.dry.store(true, Relaxed);
        source.is_empty.store(true, Relaxed);
        // After a receive has failed, SQS can still hide messages that never arrived here.
        if something_is_in_flight || source.receiving.is_failing() {
            return false;
        }
        source.idle_since.store(self.receives.load(Relaxed), Relaxed);
        self.all.lock().iter().all(|source| self.is_idle(source))
    }

    fn is_idle(&self, source: &Source) -> bool {
        source.idle_since.load(Relaxed) == self.receives.load(Relaxed)
    }

    /// Whether a receive has brought no message since the last call. Of several queues, none may have more.
    pub(super) fn were_dry(&self) -> bool {
        let all = self.all.lock();
        let is_one = all.len() == 1;
        let is_empty = |source: &Source| !is_one && source.is_empty.load(Relaxed);
        // All of them, because the call begins a new time.
        let dry = all.iter().filter(|it| it.dry.swap(false, Relaxed) || is_empty(it));
        dry.count() == all.len()
    }

    /// Waits until receives from a queue have failed for five minutes, and all others are idle.
    pub(super) async fn cannot_receive(&self) {
        let all = self.all.lock().clone();
        let is_over = |it: &Arc<Source>| self.is_idle(it) || it.receiving.failing_for() >= PATIENCE;
        loop {
            select_all(all.iter().map(|it| Box::pin(it.receiving.failing_long(PATIENCE)))).await;
            if all.iter().all(is_over) {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// The first queue from which nothing can be received, and why.
    pub(super) fn failing(&self) -> Option<(String, String)> {
        let all = self.all.lock();
        all.iter().find_map(|it| Some((it.url.clone(), it.receiving.error()?)))
    }

    /// About how many messages are in all dead-letter queues that SQS can count.
    pub(super) async fn count_dead_letters(&self) -> Option<u64> {
        let all = self.all.lock().clone();
        // Several queues can have the same one.
        let mut counts = HashMap::new();
        for Source { dead_letters, .. } in all.iter().map(|source| &**source) {
            if let Ok(Some(count)) = dead_letters.count().await {
                counts.insert(dead_letters.url(), count);
            }
        }
        (!counts.is_empty()).then(|| counts.values().sum())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::aws::Clients;

    /// The clock jumps to the end of each wait.
    #[tokio::test(start_paused = true)]
    async fn a_program_is_idle_when_each_queue_has_brought_nothing_since_the_last_message() {
        let sqs = Clients::local("http://127.0.0.1:1").sqs;
        let (works, fails) = (Backoff::new("One"), Backoff::new("Other"));
        let sources = Sources::default();
        let add = |url: &str, backoff: &Backoff| {
            let dead_letters = DeadLetters::of(sqs.clone(), url.to_owned());
            sources.add(url.to_owned(), backoff.clone(), dead_letters)
        };
        let (one, other) = (add("one", &works), add("other", &fails));
        assert!(!sources.found_nothing(&one, false), "the other has not been asked");
        assert!(!sources.were_dry(), "the other may have more");
        sources.found_some(&other);
        assert!(!sources.found_nothing(&other, false), "meanwhile the first may have got some");
        assert!(sources.were_dry() && sources.were_dry(), "neither has more");
        assert!(!sources.found_nothing(&one, true));
        assert!(sources.found_nothing(&one, false));

        // One that cannot be received from is given up when the others are idle.
        fails.failed("AccessDenied");
        assert_eq!(sources.failing().unwrap().0, "other");
        sources.found_some(&one);
        let mut given_up = Box::pin(sources.cannot_receive());
        assert!(
            timeout(2 * PATIENCE, &mut given_up).await.is_err(),
            "there is work for the others"
        );
        assert!(!sources.found_nothing(&one, false));
        given_up.await;
    }
}
