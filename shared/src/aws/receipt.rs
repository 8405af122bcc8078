//! A message that was received, and what becomes of it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use aws_sdk_sqs::types::Message;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::warn;

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
    _in_hand: TaskTrackerToken,
}

impl Receipt {
    /// The receipt for a message from this queue.
    pub fn of(message: Message, queue: &Queue) -> Self {
        Self {
            message_id: message.message_id.unwrap_or_default(),
            handle: message.receipt_handle.unwrap_or_default(),
            is_left: AtomicBool::new(false),
            _in_hand: queue.in_hand.token(),
        }
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
