//! Where the events come from: messages in an SQS queue, which tell of objects in S3.

use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::delete_message_batch::DeleteMessageBatchError;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;
use aws_sdk_sqs::types::{BatchResultErrorEntry, DeleteMessageBatchRequestEntry};
use shared::aws::{Queue, Receipt, S3Object, Share};
use shared::stage::ProducerHandle;
use tokio::task::{self, JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::producer::{Pending, SqsProducer};

/// One event: an object was created.
pub struct Event {
    pub object: S3Object,
    /// What told of it. There may be several events of one message.
    pub message: Share,
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
    pub fn start(queue: &Queue) -> Self {
        info!("Attempting to start SQS.Server");
        info!("Initializing SQS.Server supervision tree");
        queue.delete_with(delete);
        Self { queue: queue.clone(), looping: None }
    }

    /// Starts to look for what is pending, which the producer will be sent. Does not wait for it.
    pub fn pull(&mut self, pending: &Pending, producer: &ProducerHandle<SqsProducer>) {
        let running = self.looping.take().filter(|running| !running.task.is_finished());
        info!("There are currently {} servers looping", running.iter().count());
        if let Some(Loop { task, terminate }) = &running {
            info!(terminating = %task.id(), "Terminating server with pid #Task<{}>", task.id());
            terminate.cancel();
        }
        info!("All servers terminated");
        let terminate = CancellationToken::new();
        let (queue, pending, producer) = (self.queue.clone(), pending.clone(), producer.clone());
        let task = tokio::spawn(server_loop(running, queue, pending, producer, terminate.clone()));
        info!(started = %task.id(), "Started new server loop with pid #Task<{}>", task.id());
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
    for run in 0.. {
        let missing = pending.count();
        if missing == 0 || terminate.is_cancelled() {
            return;
        }
        let id = task::id();
        info!(run, missing, "Server #Task<{id}> looping: Run {run}. Looking for {missing} events");
        // Not to be dropped half way, even if this loop is terminated: SQS would hide messages that
        // nobody has.
        let mut receives = queue.look_for(missing, receive);
        while let Some(events) = receives.next().await {
            if !events.is_empty() {
                pending.found(events.len());
                info!("Casting events to producer");
                SqsProducer::enqueue(&producer, events);
            }
            if pending.count() > 0 {
                task::yield_now().await; // Whoever waited for the events goes first.
            }
        }
        // Waits if one has failed, and not before what the others have brought is handed on.
        receives.back_off(&terminate).await;
    }
}

/// Receives at most `count` messages, up to 10. Waits if there is none, so that the loop need not.
async fn receive(queue: Queue, count: usize) -> Result<Vec<Event>, SdkError<ReceiveMessageError>> {
    let receive = queue.client.receive_message().queue_url(&queue.url);
    let received = receive
        .max_number_of_messages(count.try_into().unwrap_or(10))
        .wait_time_seconds(queue.wait)
        .set_visibility_timeout(queue.visibility_timeout)
        .set_message_system_attribute_names(Some(Receipt::ATTRIBUTES.to_vec()))
        .send()
        .await?;
    queue.received(received.messages().len(), count);
    let mut events = Vec::new();
    for message in received.messages.unwrap_or_default() {
        let (message, objects) = Receipt::of(message, &queue);
        events.extend(objects.into_iter().map(|object| Event { object, message: message.clone() }));
        message.release(); // Deleted now, if no event refers to it.
    }
    Ok(events)
}

/// Deletes messages, at most 10 at once, which is all that SQS takes. Returns those that it did not
/// delete: they are tried again.
async fn delete(
    queue: Queue,
    messages: Vec<DeleteMessageBatchRequestEntry>,
) -> Result<Vec<BatchResultErrorEntry>, SdkError<DeleteMessageBatchError>> {
    let delete = queue.client.delete_message_batch().queue_url(&queue.url);
    Ok(delete.set_entries(Some(messages)).send().await?.failed)
}
