//! Where the events come from: messages in an SQS queue, which tell of objects in S3.

use std::sync::Arc;

use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::delete_message_batch::DeleteMessageBatchError;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;
use aws_sdk_sqs::types::{BatchResultErrorEntry, DeleteMessageBatchRequestEntry, Message};
use shared::aws::notification::objects_in;
use shared::aws::{Backoff, Queue, S3Object, why};
use shared::stage::ProducerHandle;
use tokio::task::{self, JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::producer::{Pending, SqsProducer};

/// One event: an object was created.
pub struct Event {
    pub object: S3Object,
    /// The message that told of it. There may be several events of one message.
    message: Arc<Receipt>,
}

/// What it takes to delete a message.
struct Receipt {
    message_id: String,
    handle: String,
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
    // A receive that is under way must not be dropped: SQS would hide messages that nobody has. So
    // the previous loop ends with its receive, and this one begins with what is pending after it.
    if let Some(previous) = previous {
        let _ = previous.task.await;
    }
    let mut backoff = Backoff::default();
    for run in 0.. {
        let missing = pending.count();
        if missing == 0 || terminate.is_cancelled() {
            return;
        }
        info!("Server #Task<{}> looping: Run {run}. Looking for {missing} events", task::id());
        let messages = match receive(&queue, missing).await {
            Ok(messages) => messages,
            Err(error) => {
                tokio::select! {
                    () = backoff.failed("Receiving from SQS", why(&error)) => continue,
                    () = terminate.cancelled() => return,
                }
            }
        };
        backoff.succeeded("Receiving from SQS");
        let (events, empty) = events_in(messages);
        delete(&queue, empty).await;
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
) -> Result<Vec<Message>, SdkError<ReceiveMessageError>> {
    let received = queue
        .client
        .receive_message()
        .queue_url(&queue.url)
        .max_number_of_messages(i32::try_from(missing.min(10)).unwrap_or(10))
        .wait_time_seconds(queue.wait)
        .set_visibility_timeout(queue.visibility_timeout)
        .send()
        .await?;
    Ok(received.messages.unwrap_or_default())
}

/// The events of which messages tell, and the receipts of the messages that tell of none.
fn events_in(messages: Vec<Message>) -> (Vec<Event>, Vec<Receipt>) {
    let (mut events, mut empty) = (Vec::new(), Vec::new());
    for message in messages {
        let Some(objects) = objects_in(&message) else { continue };
        let message = Arc::new(Receipt {
            message_id: message.message_id.unwrap_or_default(),
            handle: message.receipt_handle.unwrap_or_default(),
        });
        events.extend(objects.into_iter().map(|object| Event { object, message: message.clone() }));
        // No event has a clone, if this is the only one.
        empty.extend(Arc::into_inner(message));
    }
    (events, empty)
}

/// Deletes the messages of these events, each of them when the last of its events is released.
pub async fn release(queue: &Queue, events: Vec<Event>) {
    let done = events.into_iter().filter_map(|event| Arc::into_inner(event.message));
    delete(queue, done.collect()).await;
}

/// Deletes messages. SQS may delete some of them and not others: those are tried again.
async fn delete(queue: &Queue, receipts: Vec<Receipt>) {
    // SQS takes 10 at once, no more.
    for batch in receipts.chunks(10) {
        let mut undeleted: Vec<&Receipt> = batch.iter().collect();
        let mut backoff = Backoff::default();
        for _try in 0..5 {
            let error = match delete_batch(queue, &undeleted).await {
                Ok(failed) => {
                    let position = |failed: &BatchResultErrorEntry| failed.id.parse::<usize>().ok();
                    undeleted = failed.iter().filter_map(position).map(|i| undeleted[i]).collect();
                    failed.into_iter().next().map(|failed| failed.code)
                }
                Err(error) => Some(why(&error)),
            };
            let Some(error) = error else { break };
            backoff.failed("Deleting messages", error).await;
        }
        for Receipt { message_id, .. } in undeleted {
            error!("The message {message_id} is done, but not deleted: it will come back");
        }
    }
}

/// Deletes what it can of at most 10 messages, and returns those that it could not.
async fn delete_batch(
    queue: &Queue,
    receipts: &[&Receipt],
) -> Result<Vec<BatchResultErrorEntry>, SdkError<DeleteMessageBatchError>> {
    let entries = receipts.iter().enumerate().map(|(index, receipt)| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
        entry.receipt_handle(&receipt.handle).build()
    });
    let entries: Vec<_> =
        entries.collect::<Result<_, _>>().map_err(SdkError::construction_failure)?;
    let delete = queue.client.delete_message_batch().queue_url(&queue.url);
    Ok(delete.set_entries(Some(entries)).send().await?.failed)
}
