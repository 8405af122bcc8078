//! Several who have work with one message.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::Receipt;

/// A share in the work that a message is about: a message can tell of several objects.
///
/// A share that is dropped before it is [released](Self::release) leaves the whole message undone, whatever
/// becomes of the others: it will not be deleted, and comes back.
#[derive(Clone, Debug)]
pub struct Share {
    message: Arc<Shared>,
    is_done: bool,
}

#[derive(Debug)]
struct Shared {
    receipt: Receipt,
    was_dropped: AtomicBool,
}

impl Share {
    /// The only share in a message. A clone is another one.
    pub(super) fn of(receipt: Receipt) -> Self {
        let message = Arc::new(Shared { receipt, was_dropped: AtomicBool::new(false) });
        Self { message, is_done: false }
    }

    /// The work is done. With the last share of all, the message is deleted, unless it was left to the
    /// queue or given back.
    pub fn release(self) {
        if let Some(done) = self.done().and_then(Receipt::done) {
            done.delete();
        }
    }

    /// The work is done. Returns the message's receipt if this was the last share and all are done.
    fn done(mut self) -> Option<Receipt> {
        self.is_done = true;
        let message = self.message.clone();
        drop(self);
        let Shared { receipt, was_dropped } = Arc::into_inner(message)?;
        (!was_dropped.into_inner()).then_some(receipt)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if !self.is_done {
            self.message.was_dropped.store(true, Relaxed);
        }
    }
}

impl Deref for Share {
    type Target = Receipt;

    fn deref(&self) -> &Receipt {
        &self.message.receipt
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::Message;

    use super::*;
    use crate::aws::{Clients, Queue};

    #[test]
    fn a_message_is_done_when_all_of_its_shares_are() {
        let sqs = Clients::local("http://127.0.0.1:1").sqs;
        let queue = Queue::new(sqs, "http://127.0.0.1:1/0/queue".to_owned());
        let shares = || {
            let share = Share::of(Receipt::new(Message::builder().build(), &queue));
            [share.clone(), share]
        };
        let [one, other] = shares();
        assert!(one.done().is_none());
        assert!(other.done().and_then(Receipt::done).is_some());

        let [one, other] = shares();
        drop(one);
        assert!(other.done().is_none(), "the one is not done");

        let [one, other] = shares();
        assert!(one.done().is_none());
        drop(other);
        assert_eq!(queue.abandoned.load(Relaxed), 2);
        assert!(queue.in_hand.is_empty());
    }
}
