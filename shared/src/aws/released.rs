//! Batches of messages whose work is done, for the loop that deletes them.

use std::sync::Arc;

use aws_sdk_sqs::types::{BatchResultErrorEntry, DeleteMessageBatchRequestEntry};
use metrics::counter;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};
use tracing::error;

use super::in_flight::Done;
use super::{BATCH, BATCH_WAIT, Backoff, InFlight};
use crate::metrics::RELEASED;

/// How many attempts a deletion gets. With waits of up to 20 seconds between them, that is 5 minutes.
const TRIES: u32 = 20;

/// The messages whose events are all [released](super::Delivery::release), in batches.
///
/// Clones share the messages: each message goes to one of them.
#[derive(Clone, Debug)]
pub struct Released {
    messages: Arc<Mutex<UnboundedReceiver<Done>>>,
    in_flight: InFlight,
    backoff: Backoff,
}

/// At most ten messages, because SQS deletes no more with one request.
#[derive(Debug)]
pub struct Batch {
    messages: Vec<Done>,
    in_flight: InFlight,
    backoff: Backoff,
}

impl InFlight {
    /// The messages whose events are all released, so that they can be deleted. Several tasks can take
    /// batches at the same time.
    pub fn released(&self) -> Released {
        Released {
            messages: self.released_messages(),
            in_flight: self.clone(),
            backoff: self.deleting(),
        }
    }
}

impl Released {
    /// Waits for released messages, then a fifth of a second for more of them, and then until their results would survive
    /// a power failure. Returns `None` when the program is stopping and nothing is in flight.
    pub async fn next(&mut self) -> Option<Batch> {
        let mut released = self.messages.lock().await;
        let mut messages = Vec::with_capacity(BATCH);
        tokio::select! {
            _ = released.recv_many(&mut messages, BATCH) => {}
            () = self.in_flight.ended() => return None,
        }
        let deadline = Instant::now() + BATCH_WAIT;
        while messages.len() < BATCH {
            let room = BATCH - messages.len();
            if timeout_at(deadline, released.recv_many(&mut messages, room)).await.is_err() {
                break;
            }
        }
        drop(released); // Another task can take the next batch meanwhile.
        self.in_flight.may_delete().await;
        // A lease ends before its message is deleted, because a deleted message must not be renewed.
        for message in &mut messages {
            message.lease.end();
            message.traces.written();
        }
        let (in_flight, backoff) = (self.in_flight.clone(), self.backoff.clone());
        Some(Batch { messages, in_flight, backoff })
    }
}

impl Batch {
    /// The messages for a `DeleteMessageBatch` request. An entry's id is its position.
    pub fn entries(&self) -> Vec<DeleteMessageBatchRequestEntry> {
        let entries = self.messages.iter().enumerate().map(|(position, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(position.to_string());
            entry.receipt_handle(&message.handle).build()
        });
        entries.flatten().collect() // The builder has all that it needs.
    }

    /// SQS has deleted all messages but those that it has `refused`. The refused ones come again in
    /// another batch, unless SQS reports that it can never delete them: those are given up, with an
    /// error in the log.
    pub async fn settle(mut self, refused: Vec<BatchResultErrorEntry>) {
        let mut error = None;
        let mut undeleted = Vec::new();
        for (position, message) in self.messages.into_iter().enumerate() {
            let id = position.to_string();
            match refused.iter().find(|refused| refused.id == id) {
                None => {
                    counter!(RELEASED).increment(1);
                    self.in_flight.receipts().deleted(&message.message_id);
                    message.traces.deleted();
                }
                Some(refused) if refused.sender_fault => {
                    give_up(&message, &refused.code, &self.in_flight);
                }
                Some(refused) => {
                    error = Some(&refused.code);
                    undeleted.push(message);
                }
            }
        }
        self.messages = undeleted;
        match error {
            Some(error) => self.retry(error).await,
            None => self.backoff.succeeded(),
        }
    }

    /// SQS has deleted none of them, because of `error`. They come again in another batch after a wait.
    /// After some minutes of attempts they are given up, with an error in the log.
    pub async fn retry(self, error: &str) {
        self.backoff.failed_so_wait(error).await;
        for mut message in self.messages {
            message.tries += 1;
            if message.tries < TRIES {
                self.in_flight.done(message);
            } else {
                give_up(&message, "it was tried for minutes", &self.in_flight);
            }
        }
    }
}

fn give_up(Done { message_id, handle, traces, .. }: &Done, reason: &str, in_flight: &InFlight) {
    traces.kept("not deleted");
    error!(
        message_id,
        "The message {message_id} is done, but not deleted, and will come back: {reason}"
    );
    in_flight.receipts().left(message_id, handle);
}
