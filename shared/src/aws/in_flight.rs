//! The messages in flight: received, but neither deleted nor given back yet.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use futures_util::future::BoxFuture;
use metrics::gauge;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{info, warn};

use super::dead_letters::DeadLetters;
use super::lease::{Lease, Leases};
use super::receipts::Receipts;
use super::sources::{Source, Sources};
use super::{Backoff, Buckets, Rate, S3Object, Selection};
use crate::metrics::DEAD_LETTERS;
use crate::otel::Traces;

/// The attributes that SQS sends with each message: its receive count, which decides how long a failed
/// message waits for its retry, and when it was sent. For the receive's `message_system_attribute_names`.
pub const ATTRIBUTES: [MessageSystemAttributeName; 2] = [
    MessageSystemAttributeName::ApproximateReceiveCount,
    MessageSystemAttributeName::SentTimestamp,
];

/// The messages that this program has received from a queue, but neither deleted nor given back.
///
/// A message in flight stays hidden from other receivers, because its visibility timeout is renewed until
/// each of its events is done. Clones share the same set. If a program has several queues, their messages count together.
#[derive(Clone, Debug)]
pub struct InFlight(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    leases: Leases,
    /// From a message's last event to the loop that deletes.
    done: UnboundedSender<Done>,
    released: Arc<Mutex<UnboundedReceiver<Done>>>,
    deleting: Backoff,
    buckets: Buckets,
    retry_wait: Duration,
    source: Arc<Source>,
    all: Arc<All>,
}

/// The state that the messages of all queues share.
#[derive(Debug, Default)]
struct All {
    sources: Sources,
    /// Each message holds one of its tokens.
    messages: TaskTracker,
    outcomes: OnceLock<Arc<dyn Outcomes>>,
    rate: OnceLock<Rate>,
    selection: OnceLock<Selection>,
    left_out: AtomicU64,
    stopping: CancellationToken,
    time_is_up: CancellationToken,
    idle: CancellationToken,
    failed: AtomicU64,
    receipts: Receipts,
    given_back: AtomicU64,
}

/// A message whose events are all released.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) message_id: String,
    /// SQS's name for this receipt of the message.
    pub(super) handle: String,
    /// How many requests have tried to delete it.
    pub(super) tries: u32,
    /// Keeps it hidden until it can be deleted.
    pub(super) lease: Lease,
    pub(super) traces: Traces,
    /// Keeps the message in flight until it is deleted.
    pub(super) _in_flight: TaskTrackerToken,
}

/// Where the outcome of the work on each object is kept.
pub(crate) trait Outcomes: Debug + Send + Sync {
    /// Waits until all work that has ended so far would survive a power failure.
    fn durable(&self) -> BoxFuture<'_, ()>;

    /// The work on the object has failed.
    fn failed(&self, object: &S3Object, failed: &Failed<'_>);

    /// There is nothing left to do for the object. Its message was received `receive_count` times.
    fn done(&self, object: &S3Object, receive_count: u32);
}

/// A failure of the work on an object.
#[derive(Debug)]
pub(crate) struct Failed<'a> {
    pub(crate) reason: &'a str,
    /// How many times its message was received.
    pub(crate) receive_count: u32,
    /// Whether its message is in the dead-letter queue now.
    pub(crate) is_put_aside: bool,
}

/// The longest wait before SQS delivers a failed message again.
const LONGEST_RETRY: Duration = Duration::from_mins(15);
/// How often the messages in the dead-letter queue are counted for `/metrics`.
const DEAD_LETTERS_COUNTED: Duration = Duration::from_mins(1);
/// How long the last deletions and visibility changes may take.
const SETTLE_LIMIT: Duration = Duration::from_secs(8);

impl InFlight {
    /// For messages from the queue at `url`, which SQS hides for `visibility_timeout` seconds. The first
    /// retry of a failed message waits for `retry_wait`. The messages may be about objects in these `buckets`. They count
    /// together with those `beside` them.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(super) fn of(
        client: &Client,
        url: &str,
        visibility_timeout: i32,
        retry_wait: Duration,
        receiving: &Backoff,
        buckets: Buckets,
        beside: Option<&Self>,
    ) -> Self {
        let all: Arc<All> = beside.map(|beside| beside.0.all.clone()).unwrap_or_default();
        let dead_letters = DeadLetters::of(client.clone(), url.to_owned());
        let source = all.sources.add(url.to_owned(), receiving.clone(), dead_letters);
        let (done, released) = unbounded_channel();
        let hidden_for = Duration::from_secs(visibility_timeout.unsigned_abs().into());
        Self(Arc::new(Inner {
            leases: Leases::keep(client.clone(), url.to_owned(), hidden_for),
            done,
            released: Arc::new(Mutex::new(released)),
            deleting: Backoff::new("Deleting messages"),
            buckets,
            retry_wait,
            source,
            all,
        }))
    }

    /// Records whether a receive has brought messages.
    pub(super) fn found(&self, some: bool) {
        let Inner { source, all, .. } = &*self.0;
        if some {
            all.sources.found_some(source);
        } else if all.sources.found_nothing(source, !all.messages.is_empty()) {
            all.idle.cancel();
        }
    }

    /// Whether a receive has brought no message since the last call. Of several queues, none may have more.
    pub(crate) fn was_dry(&self) -> bool {
        self.0.all.sources.were_dry()
    }

    /// The channel into which [`done`](Self::done) sends messages.
    pub(super) fn released_messages(&self) -> Arc<Mutex<UnboundedReceiver<Done>>> {
        self.0.released.clone()
    }

    /// From now on, these are told of outcomes, and no message is deleted before its own are durable.
    pub(crate) fn delete_behind(&self, outcomes: Arc<dyn Outcomes>) {
        let _ = self.0.all.outcomes.set(outcomes); // There is one for each program.
    }

    pub(super) fn outcomes(&self) -> Option<&dyn Outcomes> {
        self.0.all.outcomes.get().map(|outcomes| &**outcomes)
    }

    /// From now on, no more files are begun in a second than this rate allows.
    pub(crate) fn limit(&self, rate: Rate) {
        let _ = self.0.all.rate.set(rate); // There is one for each program.
    }

    pub(super) fn rate(&self) -> Option<&Rate> {
        self.0.all.rate.get()
    }

    /// Waits until messages whose work has ended may be deleted.
    pub(super) async fn may_delete(&self) {
        if let Some(outcomes) = self.outcomes() {
            outcomes.durable().await;
        }
    }

    /// Backs off when deletions fail. All loops that delete share it.
    pub(super) fn deleting(&self) -> Backoff {
        self.0.deleting.clone()
    }

    /// Waits until a receive from each queue brings no message while none is in flight.
    pub async fn idle(&self) {
        self.0.all.idle.cancelled().await;
    }

    /// Waits until receives from a queue have failed for five minutes, and all others are idle.
    pub(crate) async fn cannot_receive(&self) {
        self.0.all.sources.cannot_receive().await;
    }

    /// Why receives fail, while they do.
    pub(crate) fn receive_error(&self) -> Option<String> {
        self.failing().map(|(_, error)| error)
    }

    /// The first queue from which nothing can be received, and why.
    pub(crate) fn failing(&self) -> Option<(String, String)> {
        self.0.all.sources.failing()
    }

    /// The program is stopping: work that has begun may take `limit` longer.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(crate) fn stop(&self, limit: Duration) {
        self.0.all.stopping.cancel();
        let time_is_up = self.0.all.time_is_up.clone();
        tokio::spawn(async move {
            sleep(limit).await;
            time_is_up.cancel();
        });
    }

    /// Waits until nothing is in flight: each message is deleted, or SQS knows when to deliver it again.
    /// Warns if SQS cannot be told within 8 seconds, and otherwise logs how many messages were given back.
    pub async fn settled(&self) {
        self.0.all.messages.close();
        if timeout(SETTLE_LIMIT, self.0.all.messages.wait()).await.is_err() {
            let count = self.0.all.messages.len();
            warn!(
                count,
                "{count} messages are neither deleted nor given back: they will come back"
            );
            return;
        }
        match self.0.all.given_back.load(Relaxed) {
            0 => {}
            1 => info!(count = 1, "Gave back 1 message that was not done"),
            count => info!(count, "Gave back {count} messages that were not done"),
        }
    }

    /// Waits until nothing is in flight, and nothing more can come.
    pub(super) async fn ended(&self) {
        self.0.all.messages.wait().await;
    }

    /// Cancelled when the program is stopping.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.0.all.stopping
    }

    /// Cancelled when work that has begun must end too.
    pub(super) fn time_is_up(&self) -> &CancellationToken {
        &self.0.all.time_is_up
    }

    pub(super) fn leases(&self) -> &Leases {
        &self.0.leases
    }

    pub(super) fn dead_letters(&self) -> &DeadLetters {
        &self.0.source.dead_letters
    }

    /// About how many messages are in the dead-letter queue, if there is one; or why SQS does not say.
    pub(crate) async fn count_dead_letters(&self) -> Result<Option<u64>, String> {
        self.dead_letters().count().await
    }

    /// Keeps the metric of the dead-letter queues up to date until the program is stopping.
    pub(crate) async fn measure_dead_letters(self) {
        let mut now_and_then = interval(DEAD_LETTERS_COUNTED);
        let measure = async {
            loop {
                now_and_then.tick().await;
                if let Some(count) = self.0.all.sources.count_dead_letters().await {
                    gauge!(DEAD_LETTERS).set(u32::try_from(count).unwrap_or(u32::MAX));
                }
            }
        };
        self.stopping().run_until_cancelled(measure).await;
    }

    /// The buckets whose objects may be read.
    pub(super) fn buckets(&self) -> &Buckets {
        &self.0.buckets
    }

    /// From now on, only these files are delivered.
    pub(crate) fn select(&self, selection: Selection) {
        let _ = self.0.all.selection.set(selection); // There is one for each program.
    }

    /// The files to process: all, without [`select`](Self::select).
    pub(super) fn selection(&self) -> &Selection {
        self.0.all.selection.get_or_init(Selection::default)
    }

    /// Counts files that are not selected.
    pub(super) fn count_left_out(&self, count: usize) {
        self.0.all.left_out.fetch_add(count as u64, Relaxed);
    }

    /// How many files were not selected.
    pub(crate) fn left_out(&self) -> u64 {
        self.0.all.left_out.load(Relaxed)
    }

    /// A token for one more message.
    pub(super) fn token(&self) -> TaskTrackerToken {
        self.0.all.messages.token()
    }

    /// Hands a message to the loop that deletes.
    pub(super) fn done(&self, done: Done) {
        let _ = self.0.done.send(done); // The receiver is in `self` too, so this cannot fail.
    }

    /// How long a message waits after this many failures: twice as long each time.
    pub(super) fn retry_wait(&self, receive_count: u32) -> Duration {
        let doubled = 2u32.saturating_pow(receive_count.saturating_sub(1).min(30));
        self.0.retry_wait.saturating_mul(doubled).min(LONGEST_RETRY)
    }

    /// Counts a message that is given back because the program is stopping.
    pub(super) fn count_given_back(&self) {
        self.0.all.given_back.fetch_add(1, Relaxed);
    }

    /// Counts a file that failed, or a message that cannot be read.
    pub(super) fn count_failed(&self) {
        self.0.all.failed.fetch_add(1, Relaxed);
    }

    pub(super) fn receipts(&self) -> &Receipts {
        &self.0.all.receipts
    }

    /// How many files failed, and how many messages stay in the queue for another reason.
    pub(crate) fn failed(&self) -> u64 {
        self.0.all.failed.load(Relaxed) + self.0.all.receipts.count_left()
    }

    /// How many messages are in flight.
    pub(crate) fn len(&self) -> usize {
        self.0.all.messages.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Clients;
    use crate::aws::queue::RETRY_WAIT;

    #[tokio::test]
    async fn each_further_try_is_left_alone_for_twice_as_long_but_not_forever() {
        let sqs = Clients::local("http://127.0.0.1:1").sqs;
        let in_flight = InFlight::of(
            &sqs,
            "http://127.0.0.1:1/0/queue",
            30,
            RETRY_WAIT,
            &Backoff::new("Receiving"),
            Buckets::default(),
            None,
        );
        let wait = |count| in_flight.retry_wait(count).as_secs();
        assert_eq!([1, 2, 3, 4, 8, 9, 100].map(wait), [5, 10, 20, 40, 640, 900, 900]);
    }
}
