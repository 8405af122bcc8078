//! Which messages stay in the queue because they could not be kept hidden or deleted.

use std::collections::HashMap;

use parking_lot::Mutex;

/// The newest receipt of each message.
///
/// A message that is not kept hidden comes back, perhaps to this very program. From then on, an answer about an older
/// receipt says nothing about the message.
#[derive(Debug, Default)]
pub(super) struct Receipts(Mutex<HashMap<String, Receipt>>);

#[derive(Debug)]
struct Receipt {
    handle: String,
    is_left: bool,
}

impl Receipts {
    pub(super) fn received(&self, id: &str, handle: &str) {
        let receipt = Receipt { handle: handle.to_owned(), is_left: false };
        self.0.lock().insert(id.to_owned(), receipt);
    }

    /// The message could not be kept hidden or deleted, so it stays in the queue.
    pub(super) fn left(&self, id: &str, handle: &str) {
        let mut receipts = self.0.lock();
        if let Some(receipt) = receipts.get_mut(id).filter(|it| it.handle == handle) {
            receipt.is_left = true;
        }
    }

    /// SQS knows when to deliver the message again.
    pub(super) fn given_up(&self, id: &str, handle: &str) {
        let mut receipts = self.0.lock();
        if receipts.get(id).is_some_and(|it| it.handle == handle) {
            receipts.remove(id);
        }
    }

    /// The message is gone, whichever receipt it was deleted with.
    pub(super) fn deleted(&self, id: &str) {
        self.0.lock().remove(id);
    }

    /// How many messages stay in the queue.
    pub(super) fn count_left(&self) -> u64 {
        self.0.lock().values().filter(|receipt| receipt.is_left).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_left_unless_it_comes_back_or_is_deleted() {
        let receipts = Receipts::default();
        receipts.received("message", "first");
        receipts.left("message", "first");
        assert_eq!(receipts.count_left(), 1);
        receipts.received("message", "second");
        assert_eq!(receipts.count_left(), 0, "it came back");
        receipts.left("message", "first");
        receipts.given_up("message", "first");
        assert_eq!(receipts.count_left(), 0, "that is an old story");
        receipts.left("message", "second");
        assert_eq!(receipts.count_left(), 1);
        receipts.deleted("message");
        receipts.left("message", "second");
        assert_eq!(receipts.count_left(), 0, "it is gone");
        receipts.received("message", "third");
        receipts.given_up("message", "third");
        receipts.left("message", "third");
        assert!(receipts.0.lock().is_empty());
    }
}
