//! A message that was received, and what becomes of it.

use std::future::Future;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use metrics::{counter, gauge, histogram};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::field::Empty;
use tracing::{Instrument, info, info_span, warn};

use super::lease::Lease;
use super::notification::objects_in;
use super::{Queue, S3Object, Share};
use crate::metrics::{
    FAILED, GIVEN_BACK as GIVEN_BACK_COUNT, IN_FLIGHT, PROCESSING, QUEUE_WAIT, RECEIVED,
};

/// The receipt for a message: what it takes to delete it, or to give it back.
///
/// As long as there is one, the message is in the queue's [`in_hand`](Queue::in_hand), and is hidden
/// from others by a lease that is renewed. If it is dropped and the message is not to be deleted, the
/// message becomes visible again: after a while, if it is another try at something that failed, or at
/// once, if it was not begun.
#[derive(Debug)]
pub struct Receipt {
    /// What the message is called.
    pub message_id: String,
    /// How often the message has been received, this time included. 1 if SQS was not asked for it.
    pub receive_count: u32,
    handle: String,
    received: Instant,
    fate: AtomicU8,
    lease: Lease,
    queue: Queue,
    in_hand: Option<TaskTrackerToken>,
}

// What is to become of the message. What was said last holds, but what is done is done.
/// Whoever has it is still at it.
const IN_WORK: u8 = 0;
const LEFT: u8 = 1;
const GIVEN_BACK: u8 = 2;
const DONE: u8 = 3;

/// The longest that a message is left alone before it is tried again.
const LONGEST_RETRY: Duration = Duration::from_mins(15);

impl Receipt {
    /// What SQS is to tell of a message: how often it was received, which says how long it is left alone
    /// if it fails, and when it was sent.
    pub const ATTRIBUTES: [MessageSystemAttributeName; 2] = [
        MessageSystemAttributeName::ApproximateReceiveCount,
        MessageSystemAttributeName::SentTimestamp,
    ];

    /// The receipt for a message from this queue, and the objects of which the message tells. If it
    /// cannot be read, there are none, and it is left to the queue.
    pub fn of(message: Message, queue: &Queue) -> (Share, Vec<S3Object>) {
        let objects = objects_in(&message);
        let receipt = Self::new(message, queue);
        if objects.is_none() {
            receipt.leave();
        }
        (Share::of(receipt), objects.unwrap_or_default())
    }

    pub(super) fn new(message: Message, queue: &Queue) -> Self {
        let count = message.attributes().and_then(|attributes| {
            attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount)?.parse().ok()
        });
        let sent = message.attributes().and_then(|attributes| {
            attributes.get(&MessageSystemAttributeName::SentTimestamp)?.parse().ok()
        });
        counter!(RECEIVED).increment(1);
        gauge!(IN_FLIGHT).increment(1);
        if let Some(waited) = sent.and_then(since) {
            histogram!(QUEUE_WAIT).record(waited);
        }
        let message_id = message.message_id.unwrap_or_default();
        let handle = message.receipt_handle.unwrap_or_default();
        Self {
            lease: queue.leases.begin(&message_id, &handle),
            message_id,
            receive_count: count.unwrap_or(1),
            handle,
            received: Instant::now(),
            fate: AtomicU8::new(IN_WORK),
            queue: queue.clone(),
            in_hand: Some(queue.in_hand.token()),
        }
    }

    /// What SQS calls this receipt of the message.
    pub fn handle(&self) -> &str {
        &self.handle
    }

    /// Leaves the message to the queue, since something of it could not be done: when it comes back,
    /// that is another try. That takes the longer, the more often it was received already.
    pub fn leave(&self) {
        self.fate.store(LEFT, Relaxed);
    }

    /// Gives the message back, since it has to be begun again: it can be received at once.
    pub fn give_back(&self) {
        self.fate.store(GIVEN_BACK, Relaxed);
    }

    /// Whether the message could not be kept hidden: somebody else may have it by now.
    pub fn is_lost(&self) -> bool {
        self.lease.lost().is_cancelled()
    }

    /// Does the first work on the message, as [`while_held`](Self::while_held). `None` also if the
    /// program is to end: what is not begun by then is given back.
    pub async fn begin<T>(&self, object: &S3Object, work: impl Future<Output = T>) -> Option<T> {
        if self.queue.stopping.is_cancelled() { None } else { self.while_held(object, work).await }
    }

    /// Does some work on the message. `None` if it had to be cancelled: because the message's lease is
    /// lost, or because the program must end and there is no more time. Then somebody else will do it.
    ///
    /// What is logged meanwhile is said to be about this message and `object`, of which it told.
    pub async fn while_held<T>(
        &self,
        object: &S3Object,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let S3Object { bucket, key, .. } = object;
        let Self { message_id, receive_count, .. } = self;
        let about = info_span!(
            "message",
            bucket,
            key,
            message_id,
            receive_count,
            // Said when they are known.
            lines = Empty,
            seconds = Empty
        );
        tokio::select! {
            biased;
            () = self.lease.lost().cancelled() => None,
            () = self.queue.time_is_up.cancelled() => None,
            done = work.instrument(about) => Some(done),
        }
    }

    /// All that the message told of is done: it can be deleted, if it is not left to the queue, or
    /// given back.
    pub(super) fn done(mut self) -> Option<Self> {
        let is_done = *self.fate.get_mut() == IN_WORK;
        if is_done {
            *self.fate.get_mut() = DONE;
            // Before it is deleted: a lease must not be renewed after that.
            self.lease.end();
            histogram!(PROCESSING).record(self.received.elapsed());
        }
        is_done.then_some(self)
    }

    /// Has the message deleted, soon and together with others.
    pub(super) fn delete(self) {
        let queue = self.queue.clone();
        queue.delete(self);
    }

    /// How long it is left alone after it failed: twice as long each time.
    fn retry_wait(&self) -> Duration {
        let doubled = 2u32.saturating_pow(self.receive_count.saturating_sub(1).min(30));
        self.queue.retry_wait.saturating_mul(doubled).min(LONGEST_RETRY)
    }
}

/// How long ago that was, in milliseconds since 1970, by this machine's clock.
fn since(milliseconds: u64) -> Option<Duration> {
    let then = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))?;
    then.elapsed().ok()
}

impl Drop for Receipt {
    fn drop(&mut self) {
        gauge!(IN_FLIGHT).decrement(1);
        let id = &self.message_id;
        let visible_in = match self.fate.load(Relaxed) {
            DONE => return,
            // Nothing that is said of it matters any more.
            _ if self.is_lost() => return,
            GIVEN_BACK => {
                counter!(GIVEN_BACK_COUNT).increment(1);
                Duration::ZERO
            }
            IN_WORK if self.queue.stopping.is_cancelled() => {
                counter!(GIVEN_BACK_COUNT).increment(1);
                info!(message_id = id, "Giving back the message {id}, which is not done");
                Duration::ZERO
            }
            LEFT => {
                counter!(FAILED).increment(1);
                self.retry_wait()
            }
            _ => {
                warn!(
                    message_id = id,
                    "The message {id} was dropped before it was released, and will come back"
                );
                self.queue.abandoned.fetch_add(1, Relaxed);
                counter!(FAILED).increment(1);
                self.retry_wait()
            }
        };
        self.lease.give_up(visible_in, self.in_hand.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Clients;

    #[test]
    fn a_message_that_is_dropped_unfinished_was_abandoned_and_no_other_is() {
        let sqs = Clients::local("http://127.0.0.1:1").sqs;
        let queue = Queue::new(sqs, "http://127.0.0.1:1/0/queue".to_owned());
        let receipt = || Receipt::new(Message::builder().message_id("1").build(), &queue);

        drop(receipt().done());
        let left = receipt();
        left.leave();
        assert_eq!(queue.in_hand.len(), 1);
        drop(left);
        let given_back = receipt();
        given_back.give_back();
        assert!(given_back.done().is_none(), "it is not to be deleted");
        assert_eq!(queue.abandoned.load(Relaxed), 0);

        drop(receipt());
        assert_eq!(queue.abandoned.load(Relaxed), 1);
        assert!(queue.in_hand.is_empty());
    }

    #[test]
    fn each_further_try_is_left_alone_for_twice_as_long_but_not_for_ever() {
        let sqs = Clients::local("http://127.0.0.1:1").sqs;
        let queue = Queue::new(sqs, "http://127.0.0.1:1/0/queue".to_owned());
        let wait = |count| {
            let mut receipt = Receipt::new(Message::builder().build(), &queue);
            receipt.receive_count = count;
            receipt.retry_wait().as_secs()
        };
        assert_eq!([1, 2, 3, 4, 8, 9, 100].map(wait), [5, 10, 20, 40, 640, 900, 900]);
    }
}
