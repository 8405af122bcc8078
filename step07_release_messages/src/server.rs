//! Where the events come from: messages in an SQS queue, which tell of objects in S3.

use std::sync::Arc;

use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::delete_message_batch::DeleteMessageBatchError;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;
use aws_sdk_sqs::types::{BatchResultErrorEntry, DeleteMessageBatchRequestEntry};
use shared::aws::notification::objects_in;
use shared::aws::{Backoff, Queue, Receipt, S3Object, why};
use shared::stage::ProducerHandle;
use tokio::task::{self, JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::producer::{Pending, SqsProducer};

/// One event: an object was created.
pub struct Event {
    pub object: S3Object,
    /// What told of it. There may be several events of one message.
    pub message: Arc<Receipt>,
}

pub struct Server {
    queue: Queue,
    /// The loop that was started last.
    looping: Option<Loop>,
}

struct Loop {
    task: JoinHandle<()>,
    terminate: CancellationToken,
}

impl Server {
    pub fn start(queue: Queue) -> Self {
        info!("Attempting to start SQS.Server");
        info!("Initializing SQS.Server supervision tree");
        Self { queue, looping: None }
    }

    /// Starts to look for what is pending, which the producer will be sent. Does not wait for it.
    pub fn pull(&mut self, pending: &Pending, producer: &ProducerHandle<SqsProducer>) {
        let running = self.looping.take().filter(|running| !running.task.is_finished());
        info!("There are currently {} servers looping", running.iter().count());
        if let Some(Loop { task, terminate }) = &running {
            info!("Terminating server with pid #Task<{}>", task.id());
            terminate.cancel();
        }
        info!("All servers terminated");
        let terminate = CancellationToken::new();
        let (queue, pending, producer) = (self.queue.clone(), pending.clone(), producer.clone());
        let task = tokio::spawn(server_loop(running, queue, pending, producer, terminate.clone()));
        info!("Started new server loop with pid #Task<{}>", task.id());
        self.looping = Some(Loop { task, terminate });
    }

    /// Terminates the loop, and waits for its end.
    pub async fn stop(&mut self) {
        if let Some(Loop { task, terminate }) = self.looping.take() {
            terminate.cancel();
            let _ = task.await;
        }
    }
}

/// Runs until nothing is pending.
async fn server_loop(
    previous: Option<Loop>,
    queue: Queue,
    pending: Pending,
    producer: ProducerHandle<SqsProducer>,
    terminate: CancellationToken,
) {
    // One loop at a time: what the previous one still finds is not looked for again.
    if let Some(previous) = previous {
        let _ = previous.task.await;
    }
    let mut backoff = Backoff::new("Receiving from SQS");
    for run in 0.. {
        let missing = pending.count();
        if missing == 0 || terminate.is_cancelled() {
            return;
        }
        info!("Server #Task<{}> looping: Run {run}. Looking for {missing} events", task::id());
        // Not to be dropped half way, even if this loop is terminated: SQS would hide messages that
        // nobody has.
        let events = match receive(&queue, missing).await {
            Ok(events) => events,
            Err(error) => {
                terminate.run_until_cancelled(backoff.failed(why(&error))).await;
                continue;
            }
        };
        backoff.succeeded();
        if !events.is_empty() {
            pending.found(events.len());
            info!("Casting events to producer");
            SqsProducer::enqueue(&producer, events);
            task::yield_now().await; // Whoever waited for the events goes first.
        }
    }
}

/// Receives at most 10 messages, which is all that SQS gives at once. Waits if there is none, so
/// that the loop need not.
async fn receive(
    queue: &Queue,
    missing: usize,
) -> Result<Vec<Event>, SdkError<ReceiveMessageError>> {
    let receive = queue.client.receive_message().queue_url(&queue.url);
    let received = receive
        .max_number_of_messages(missing.min(10).try_into().unwrap_or(10))
        .wait_time_seconds(queue.wait)
        .set_visibility_timeout(queue.visibility_timeout)
        .send()
        .await?;
    let (mut events, mut nothing_to_do) = (Vec::new(), Vec::new());
    for message in received.messages.unwrap_or_default() {
        let Some(objects) = objects_in(&message) else { continue };
        let message = Arc::new(Receipt::of(message, queue));
        events.extend(objects.into_iter().map(|object| Event { object, message: message.clone() }));
        // If no event refers to the message, it is done.
        nothing_to_do.extend(Arc::into_inner(message).map(Receipt::done));
    }
    delete(queue, &nothing_to_do).await;
    Ok(events)
}

/// Deletes the messages of these events, each of them with the last of its events.
pub async fn release(queue: &Queue, events: Vec<Event>) {
    let done = events.into_iter().filter_map(|event| Arc::into_inner(event.message));
    delete(queue, &done.map(Receipt::done).collect::<Vec<_>>()).await;
}

/// Deletes messages, at most 10 at once, which is all that SQS takes. It may delete some of them and
/// not others: those are tried again.
async fn delete(queue: &Queue, receipts: &[Receipt]) {
    'batches: for batch in receipts.chunks(10) {
        let mut undeleted: Vec<_> = batch.iter().collect();
        let mut backoff = Backoff::new("Deleting messages");
        for _try in 0..5 {
            let error = match delete_batch(queue, &undeleted).await {
                Ok(failed) if failed.is_empty() => continue 'batches,
                Ok(failed) => {
                    let positions = failed.iter().filter_map(|failed| failed.id.parse().ok());
                    undeleted = positions.map(|position: usize| undeleted[position]).collect();
                    failed[0].code.clone()
                }
                Err(error) => why(&error),
            };
            backoff.failed(error).await;
        }
        for Receipt { message_id, .. } in undeleted {
            error!("The message {message_id} is done, but not deleted: it will come back");
        }
    }
}

/// Tries to delete these messages, each by its position, and returns those that it could not delete.
async fn delete_batch(
    queue: &Queue,
    receipts: &[&Receipt],
) -> Result<Vec<BatchResultErrorEntry>, SdkError<DeleteMessageBatchError>> {
    let mut delete = queue.client.delete_message_batch().queue_url(&queue.url);
    for (position, Receipt { handle, .. }) in receipts.iter().enumerate() {
        let entry = DeleteMessageBatchRequestEntry::builder().id(position.to_string());
        let entry = entry.receipt_handle(handle).build().map_err(SdkError::construction_failure)?;
        delete = delete.entries(entry);
    }
    Ok(delete.send().await?.failed)
}
