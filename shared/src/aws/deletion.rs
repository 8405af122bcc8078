//! Deletes messages whose work is done, several at a time.

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{BatchResultErrorEntry, DeleteMessageBatchRequestEntry};
use futures_util::StreamExt;
use metrics::counter;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tracing::error;

use crate::metrics::RELEASED;

use super::{BATCH, BATCH_WAIT, Backoff, Queue, Receipt, why};

/// Batches that are on their way at the same time.
const AT_ONCE: usize = 4;
/// With waits of up to 20 seconds between them, that is 5 minutes.
const TRIES: usize = 20;

/// Deletes, by calling `delete`, what is released, until nothing can be released any more.
pub(super) async fn run<D, F, E>(receipts: UnboundedReceiver<Receipt>, queue: Queue, delete: D)
where
    D: Fn(Queue, Vec<DeleteMessageBatchRequestEntry>) -> F,
    F: Future<Output = Result<Vec<BatchResultErrorEntry>, SdkError<E>>>,
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let batches = UnboundedReceiverStream::new(receipts).chunks_timeout(BATCH, BATCH_WAIT);
    let delete = |batch| delete_all(batch, &queue, &delete);
    StreamExt::for_each_concurrent(batches, AT_ONCE, delete).await;
}

/// Deletes these messages. SQS may delete some of them and not others: those are tried again.
async fn delete_all<D, F, E>(mut batch: Vec<Receipt>, queue: &Queue, delete: &D)
where
    D: Fn(Queue, Vec<DeleteMessageBatchRequestEntry>) -> F,
    F: Future<Output = Result<Vec<BatchResultErrorEntry>, SdkError<E>>>,
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let mut backoff = Backoff::new("Deleting messages");
    for _try in 0..TRIES {
        let error = match delete(queue.clone(), entries(&batch)).await {
            Ok(failed) => {
                let mut error = String::new();
                let mut undeleted = Vec::new();
                for (position, receipt) in batch.into_iter().enumerate() {
                    let id = position.to_string();
                    match failed.iter().find(|failed| failed.id == id) {
                        None => counter!(RELEASED).increment(1),
                        Some(failed) if failed.sender_fault => give_up(&receipt, &failed.code),
                        Some(failed) => {
                            error.clone_from(&failed.code);
                            undeleted.push(receipt);
                        }
                    }
                }
                if undeleted.is_empty() {
                    return backoff.succeeded();
                }
                batch = undeleted;
                error
            }
            Err(error) => why(&error),
        };
        backoff.failed(error).await;
    }
    for receipt in &batch {
        give_up(receipt, "it was tried for minutes");
    }
}

/// Each message by its position.
fn entries(batch: &[Receipt]) -> Vec<DeleteMessageBatchRequestEntry> {
    let entries = batch.iter().enumerate().map(|(position, receipt)| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(position.to_string());
        entry.receipt_handle(receipt.handle()).build()
    });
    entries.flatten().collect() // Each has all that it must have.
}

fn give_up(Receipt { message_id, .. }: &Receipt, reason: &str) {
    error!(
        message_id,
        "The message {message_id} is done, but not deleted, and will come back: {reason}"
    );
}
