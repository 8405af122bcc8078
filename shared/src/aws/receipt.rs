//! A message that was received, and what becomes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use aws_sdk_sqs::types::Message;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{info, warn};

use super::{Queue, why};

/// The receipt for a message: what it takes to delete it, or to give it back.
///
/// As long as there is one, the message is in the queue's [`in_hand`](Queue::in_hand). If it is
/// dropped without being deleted, the message comes back when its visibility timeout is over.
#[derive(Debug)]
pub struct Receipt {
    /// What the message is called.
    pub message_id: String,
    /// What SQS calls this receipt of the message.
    pub handle: String,
    is_left: AtomicBool,
    is_done: bool,
    abandoned: Arc<AtomicU64>,
    _in_hand: TaskTrackerToken,
}

impl Receipt {
    /// The receipt for a message from this queue.
    pub fn of(message: Message, queue: &Queue) -> Self {
        Self {
            message_id: message.message_id.unwrap_or_default(),
            handle: message.receipt_handle.unwrap_or_default(),
            is_left: AtomicBool::new(false),
            is_done: false,
            abandoned: queue.abandoned.clone(),
            _in_hand: queue.in_hand.token(),
        }
    }

    /// All that the message told of is done: it can be deleted.
    #[must_use]
    pub fn done(mut self) -> Self {
        self.is_done = true;
        self
    }

    /// Leaves the message to the queue, since something of it could not be done: when it comes back,
    /// that is another try.
    pub fn leave(&self) {
        self.is_left.store(true, Relaxed);
    }

    /// Whether something of it could not be done.
    pub fn is_left(&self) -> bool {
        self.is_left.load(Relaxed)
    }

    /// Makes the message visible to others at once, since it was not begun.
    pub async fn give_back(&self, queue: &Queue) {
        self.leave();
        info!("Giving back the message {}, which was not begun", self.message_id);
        let request = queue.client.change_message_visibility().queue_url(&queue.url);
        let request = request.receipt_handle(&self.handle).visibility_timeout(0);
        if let Err(error) = request.send().await {
            let (id, reason) = (&self.message_id, why(&error));
            warn!(
                "The message {id} could not be given back, and stays hidden for a while: {reason}"
            );
        }
    }
}

/// Whoever had it has crashed, if it is neither done nor left.
impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.is_done && !self.is_left() {
            warn!("The message {} was dropped by a crash, and will come back", self.message_id);
            self.abandoned.fetch_add(1, Relaxed);
        }
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
        let receipt = || Receipt::of(Message::builder().message_id("1").build(), &queue);

        drop(receipt().done());
        let left = receipt();
        left.leave();
        assert_eq!(queue.in_hand.len(), 1);
        drop(left);
        assert_eq!(queue.abandoned.load(Relaxed), 0);

        drop(receipt());
        assert_eq!(queue.abandoned.load(Relaxed), 1);
        assert!(queue.in_hand.is_empty());
    }
}
