//! One event: an object that was created, and the message that announced it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_sqs::types::{Message as SqsMessage, MessageSystemAttributeName};
use metrics::{counter, gauge, histogram};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::field::Empty;
use tracing::{Instrument, debug, error, info, info_span, warn};

use super::in_flight::{Done, Failed};
use super::lease::Lease;
use super::notification::read;
use super::{Failure, InFlight, Rate, S3Object};
use crate::metrics::{
    DEMAND, FAILED, FILES_FAILED, FILES_LEFT_OUT, GIVEN_BACK, IN_FLIGHT, PROCESSING, QUEUE_WAIT,
    RECEIVED,
};
use crate::otel::{Trace, Traces};

/// One event: an object that was created, and the message that announced it. A message can announce several
/// objects. Each then has a delivery of its own.
///
/// Each delivery has to end in one of four ways: [`release`](Self::release),
/// [`give_back`](Self::give_back), [`retry_later`](Self::retry_later) or
/// [`put_aside`](Self::put_aside). Only a crash drops a delivery before that. SQS then delivers the message again
/// later. A message is deleted when all of its deliveries are released.
#[derive(Debug)]
pub struct Delivery {
    /// The object that was created.
    pub object: S3Object,
    /// `None` when the delivery has ended.
    message: Option<Arc<Message>>,
    /// Whether work on it has begun.
    begun: AtomicBool,
    trace: Trace,
}

/// A message that was received.
#[derive(Debug)]
struct Message {
    id: String,
    /// SQS's name for this receipt of the message.
    handle: String,
    body: String,
    /// How many times SQS has delivered it, including this time. 1 if SQS does not say.
    receive_count: u32,
    received: Instant,
    lease: Lease,
    traces: Traces,
    /// The worst [`Fate`] of its deliveries.
    fate: AtomicU8,
    in_flight: InFlight,
    token: TaskTrackerToken,
}

/// How a message ends. The worst fate among its deliveries decides.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Fate {
    Released,
    GivenBack,
    Failed,
    Dropped,
}

impl InFlight {
    /// Takes the messages of a receive, and returns the events that they announce.
    ///
    /// A message that announces no new object, or none that is selected, is released at once. A message that cannot be
    /// read as a whole stays in the queue, which delivers it again or moves it to its dead-letter queue. The log says so.
    pub fn take(&self, messages: Option<Vec<SqsMessage>>) -> Vec<Delivery> {
        let messages = messages.unwrap_or_default();
        self.found(!messages.is_empty());
        let deliveries: Vec<_> =
            messages.into_iter().flat_map(|message| deliver(message, self)).collect();
        gauge!(DEMAND).decrement(u32::try_from(deliveries.len()).unwrap_or(u32::MAX));
        deliveries
    }
}

/// Returns the deliveries of a message. There are none if it announces no new object: its fate is decided here.
fn deliver(message: SqsMessage, in_flight: &InFlight) -> Vec<Delivery> {
    let (objects, is_whole) = read(&message);
    let is_selected = |object: &S3Object| in_flight.selection().has(&object.key);
    let (objects, left_out): (Vec<_>, Vec<_>) = objects.into_iter().partition(is_selected);
    for object in &left_out {
        debug!("{object} is left out");
    }
    in_flight.count_left_out(left_out.len());
    counter!(FILES_LEFT_OUT).increment(left_out.len() as u64);
    let traces = Traces::begin(&message, &objects);
    let message = Arc::new(Message::new(message, traces, in_flight));
    let deliveries = objects.into_iter().enumerate().map(|(position, object)| Delivery {
        object,
        message: Some(message.clone()),
        begun: AtomicBool::new(false),
        trace: message.traces.of(position),
    });
    let deliveries = deliveries.collect();
    let fate = if is_whole {
        Fate::Released
    } else {
        in_flight.count_failed();
        Fate::Failed
    };
    end(message, fate);
    deliveries
}

impl Delivery {
    /// The work is done. When all deliveries of the message are released, the message goes to the loop that
    /// deletes, by [`InFlight::released`].
    pub fn release(mut self) {
        if let Some(message) = &self.message
            && let Some(outcomes) = message.in_flight.outcomes()
        {
            outcomes.done(&self.object, message.receive_count);
        }
        self.end(Fate::Released);
    }

    /// The work has to start over: SQS delivers the message again at once.
    pub fn give_back(mut self) {
        self.end(Fate::GivenBack);
    }

    /// The work has failed. SQS delivers the message again after a wait that doubles with each attempt, or moves
    /// it to the dead-letter queue if there is one. The `reason` is logged.
    pub fn retry_later(mut self, reason: &str) {
        self.log_failure("is left to the queue", reason);
        self.note_failure(reason, false);
        self.end(Fate::Failed);
    }

    /// The work has failed, and a retry would fail too. The message goes to the queue's dead-letter queue at once,
    /// with the `reason` as an attribute, and is released. Without a dead-letter queue, or if that queue does not
    /// accept the message, this is [`retry_later`](Self::retry_later). Both are logged.
    pub async fn put_aside(mut self, reason: &str) {
        let Some(message) = &self.message else { return };
        match message.in_flight.dead_letters().send(&message.body, &self.object, reason).await {
            Ok(true) => {
                self.log_failure("is put aside", reason);
                self.note_failure(reason, true);
                self.end(Fate::Released);
            }
            Ok(false) => self.retry_later(reason),
            Err(error) => {
                let reason = format!("{reason} (the dead-letter queue does not take it: {error})");
                self.retry_later(&reason);
            }
        }
    }

    /// Runs `work` on the object while the message stays hidden from other receivers. Every line logged meanwhile
    /// carries the names of the object and the message.
    ///
    /// If the files have a [rate](super::rate), the first work on an object waits for its turn.
    ///
    /// No work begins on an object in a bucket that is not allowed, because a sender to the queue can name any bucket.
    ///
    /// # Errors
    ///
    /// The error of `work`; or [`Failure::Permanent`] if the bucket is not allowed; or [`Failure::Cancelled`] in three
    /// cases: if the message could not be kept hidden, because another receiver may have it; if the program is stopping
    /// and no work on this delivery has begun; or if the program is stopping and `--stop-limit` has passed. Then `work`
    /// is dropped at the await where it is.
    pub async fn hold<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let Some(message) = &self.message else { return Err(Failure::Cancelled) };
        let has_begun = self.begun.swap(true, Relaxed);
        if !has_begun && message.in_flight.stopping().is_cancelled() {
            return Err(Failure::Cancelled);
        }
        let S3Object { bucket, key, .. } = &self.object;
        if !message.in_flight.buckets().allow(bucket) {
            let reason = format!("the bucket {bucket} is not allowed (--allow-bucket)");
            return Err(Failure::Permanent(reason));
        }
        let rate = message.in_flight.rate().filter(|_| !has_begun);
        if let Some(rate) = rate {
            tokio::select! {
                biased;
                () = message.lease.lost().cancelled() => return Err(Failure::Cancelled),
                () = message.in_flight.stopping().cancelled() => return Err(Failure::Cancelled),
                () = rate.turn() => {}
            }
        }
        let span = info_span!(
            "message",
            bucket,
            key,
            message_id = message.id,
            receive_count = message.receive_count,
            // These are recorded once they are known.
            lines = Empty,
            seconds = Empty
        );
        // The work on a file is a download first.
        let phase = if has_begun { "process" } else { "download" };
        let done = tokio::select! {
            biased;
            () = message.lease.lost().cancelled() => Err(Failure::Cancelled),
            () = message.in_flight.time_is_up().cancelled() => Err(Failure::Cancelled),
            // Boxed, because the future is several KiB, which would be copied with this one.
            done = self.trace.phase(phase, Box::pin(work).instrument(span)) => done,
        };
        if matches!(done, Err(Failure::Gone)) && message.in_flight.selection().misses_files() {
            return Err(Failure::Other("it is gone (--on-missing fail)".to_owned()));
        }
        match &done {
            Err(Failure::AlreadyDone) => {
                info!("{self} is processed already");
                rate.into_iter().for_each(Rate::give_back);
            }
            Err(Failure::Gone) => info!("{self} is gone: there is nothing left to process"),
            Err(Failure::Replaced) => {
                info!("{self} was replaced while it was read, and is begun again");
            }
            _ => {}
        }
        done
    }

    fn log_failure(&self, fate: &str, reason: &str) {
        let Some(message) = &self.message else { return };
        error!(
            bucket = self.object.bucket,
            key = self.object.key,
            message_id = message.id,
            receive_count = message.receive_count,
            "{self} failed, and {fate}: {reason} (received {} times)",
            message.receive_count
        );
        message.in_flight.count_failed();
        counter!(FILES_FAILED).increment(1);
        self.trace.failed(reason);
    }

    fn note_failure(&self, reason: &str, is_put_aside: bool) {
        if let Some(message) = &self.message
            && let Some(outcomes) = message.in_flight.outcomes()
        {
            let receive_count = message.receive_count;
            outcomes.failed(&self.object, &Failed { reason, receive_count, is_put_aside });
        }
    }

    fn end(&mut self, fate: Fate) {
        if let Some(message) = self.message.take() {
            end(message, fate);
        }
    }
}

/// Bucket and key.
impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.message.as_ref().is_some_and(|it| !it.in_flight.stopping().is_cancelled()) {
            self.note_failure("the work on it ended without a result, as after a panic", false);
        }
        self.end(Fate::Dropped);
    }
}

/// Ends one delivery of a message. The last delivery to end decides.
fn end(message: Arc<Message>, fate: Fate) {
    message.fate.fetch_max(fate as u8, Relaxed);
    if let Some(message) = Arc::into_inner(message) {
        message.end();
    }
}

impl Message {
    fn new(message: SqsMessage, traces: Traces, in_flight: &InFlight) -> Self {
        let attribute = |name| message.attributes()?.get(&name);
        let count = attribute(MessageSystemAttributeName::ApproximateReceiveCount);
        let receive_count = count.and_then(|count| count.parse().ok()).unwrap_or(1);
        let sent = attribute(MessageSystemAttributeName::SentTimestamp);
        if let Some(waited) = sent.and_then(|sent| since(sent.parse().ok()?)) {
            histogram!(QUEUE_WAIT).record(waited);
        }
        counter!(RECEIVED).increment(1);
        gauge!(IN_FLIGHT).increment(1);
        let id = message.message_id.unwrap_or_default();
        let handle = message.receipt_handle.unwrap_or_default();
        in_flight.receipts().received(&id, &handle);
        Self {
            lease: in_flight.leases().begin(&id, &handle),
            id,
            handle,
            body: message.body.unwrap_or_default(),
            receive_count,
            received: Instant::now(),
            traces,
            fate: AtomicU8::new(Fate::Released as u8),
            in_flight: in_flight.clone(),
            token: in_flight.token(),
        }
    }

    /// Ends the message, after all of its deliveries have ended.
    fn end(self) {
        gauge!(IN_FLIGHT).decrement(1);
        let Self { id, lease, mut traces, in_flight, token, .. } = self;
        let fate = self.fate.into_inner();
        let (visible_in, outcome) = if fate == Fate::Released as u8 {
            histogram!(PROCESSING).record(self.received.elapsed());
            let (message_id, handle) = (id, self.handle);
            traces.worked();
            let done = Done { message_id, handle, tries: 0, lease, traces, _in_flight: token };
            return in_flight.done(done);
        } else if lease.lost().is_cancelled() {
            // Another receiver may have the message, so its fate is no longer ours to decide.
            if fate == Fate::Failed as u8 {
                in_flight.receipts().given_up(&id, &self.handle); // The failure is counted already.
            } else {
                in_flight.receipts().left(&id, &self.handle);
            }
            traces.kept("lost");
            return;
        } else if fate == Fate::GivenBack as u8
            || (fate == Fate::Dropped as u8 && in_flight.stopping().is_cancelled())
        {
            if in_flight.stopping().is_cancelled() {
                in_flight.count_given_back();
            }
            counter!(GIVEN_BACK).increment(1);
            (Duration::ZERO, "given back")
        } else if fate == Fate::Failed as u8 {
            counter!(FAILED).increment(1);
            (in_flight.retry_wait(self.receive_count), "failed")
        } else {
            warn!(
                message_id = id,
                "The message {id} was dropped before it was released, and will come back"
            );
            in_flight.count_failed();
            counter!(FAILED).increment(1);
            (in_flight.retry_wait(self.receive_count), "failed")
        };
        traces.kept(outcome);
        in_flight.receipts().given_up(&id, &self.handle);
        lease.give_up(visible_in, token);
    }
}

/// The time since `milliseconds`, which count from 1970, by this machine's clock.
fn since(milliseconds: u64) -> Option<Duration> {
    let then = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))?;
    then.elapsed().ok()
}

#[cfg(test)]
mod tests;
