//! Where the events come from: messages in an SQS queue, which tell of objects in S3.

use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;
use futures_util::stream::{FuturesUnordered, StreamExt};
use shared::aws::{ATTRIBUTES, Delivery, Queue, why};
use shared::stage::ProducerHandle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::producer::SqsProducer;

/// One event: an object that was created, and the message that announced it.
pub type Event = Delivery;

pub struct Server {
    queue: Queue,
    /// The loop that was started last.
    looping: Option<Loop>,
}

/// A running loop: its task, and the token that terminates it. The task returns how many events are still
/// missing, and whether the queue seems to have more.
type Loop = (JoinHandle<(usize, bool)>, CancellationToken);

/// How many receives may be under way at the same time.
const RECEIVES: usize = 8;
/// How many tasks delete messages.
const DELETE_LOOPS: usize = 4;

impl Server {
    pub fn start(queue: &Queue) -> Self {
        info!("Attempting to start SQS.Server");
        info!("Initializing SQS.Server supervision tree");
        for _ in 0..DELETE_LOOPS {
            tokio::spawn(delete_loop(queue.clone()));
        }
        Self { queue: queue.clone(), looping: None }
    }

    /// Starts to look for `demand` more events and to send them to the producer. Does not wait for them.
    pub fn pull(&mut self, demand: usize, producer: &ProducerHandle<SqsProducer>) {
        let running = self.looping.take().filter(|(task, _)| !task.is_finished());
        info!("There are currently {} servers looping", running.iter().count());
        if let Some((task, terminate)) = &running {
            info!(terminating = %task.id(), "Terminating server with pid #Task<{}>", task.id());
            terminate.cancel();
        }
        info!("All servers terminated");
        let terminate = CancellationToken::new();
        let queue = self.queue.clone();
        let looping = server_loop(running, queue, demand, producer.clone(), terminate.clone());
        let task = producer.spawn(looping);
        info!(started = %task.id(), "Started new server loop with pid #Task<{}>", task.id());
        self.looping = Some((task, terminate));
    }

    /// Terminates the loop, and waits for its end.
    pub async fn stop(&mut self) {
        if let Some((task, terminate)) = self.looping.take() {
            terminate.cancel();
            task.await.expect("a loop does not panic");
        }
    }
}

/// Runs until it has found `demand` events, and those that the previous loop did not find. If it is
/// terminated before, it returns how many are still missing.
async fn server_loop(
    previous: Option<Loop>,
    queue: Queue,
    demand: usize,
    producer: ProducerHandle<SqsProducer>,
    terminate: CancellationToken,
) -> (usize, bool) {
    let (mut missing, mut has_more, mut run) = (demand, false, 0);
    // One loop at a time, or both would look for the same events.
    if let Some((task, _)) = previous {
        let (rest, more) = task.await.expect("a loop does not panic");
        (missing, has_more) = (missing + rest, more);
    }
    while missing > 0 && !terminate.is_cancelled() {
        let id = tokio::task::id();
        info!(run, missing, "Server #Task<{id}> looping: Run {run}. Looking for {missing} events");
        // SQS hands out ten messages at most for a receive. One receive is enough for a queue that has
        // fewer. If it has more, three at the same time look for 25 events: for 10, 10, and 5.
        let parts = (0..missing).step_by(10).take(if has_more { RECEIVES } else { 1 });
        // A receive that has begun is never dropped, even if this loop is terminated: SQS hides the
        // messages that it hands out, so for a while no program would get them.
        let mut sent = parts.map(|n| receive(&queue, missing - n)).collect::<FuturesUnordered<_>>();
        // If each finds as many as it looks for, so many are missing then, and the queue seems to have more.
        let least = missing.saturating_sub(10 * sent.len());
        while let Some(received) = sent.next().await {
            match received {
                Ok(events) if events.is_empty() => {}
                Ok(events) => {
                    missing = missing.saturating_sub(events.len());
                    info!("Casting events to producer");
                    SqsProducer::enqueue(&producer, events);
                }
                Err(error) => queue.backoff.failed(why(&error)),
            }
        }
        has_more = missing <= least;
        // If SQS fails, the loop waits, and longer each time.
        terminate.run_until_cancelled(queue.backoff.wait()).await;
        run += 1;
    }
    (missing, has_more)
}

/// Receives messages that tell of up to `missing` objects. If there are none, SQS waits for some, so the
/// loop need not wait.
async fn receive(
    queue: &Queue,
    missing: usize,
) -> Result<Vec<Event>, SdkError<ReceiveMessageError>> {
    let receive = queue.client.receive_message().queue_url(&queue.url);
    let received = receive
        .max_number_of_messages(missing.try_into().map_or(10, |missing: i32| missing.min(10)))
        .wait_time_seconds(queue.wait)
        .visibility_timeout(queue.visibility_timeout)
        .set_message_system_attribute_names(Some(ATTRIBUTES.to_vec()))
        .send()
        .await?;
    // From now on they are kept hidden until all their events have ended.
    Ok(queue.in_flight.take(received.messages))
}

/// Deletes the messages whose events are all released, up to ten with one request. Ends when no more
/// can come.
async fn delete_loop(queue: Queue) {
    let mut released = queue.in_flight.released();
    while let Some(batch) = released.next().await {
        let delete = queue.client.delete_message_batch().queue_url(&queue.url);
        match delete.set_entries(Some(batch.entries())).send().await {
            // SQS can delete some and refuse others. Those come again in another batch.
            Ok(answer) => batch.settle(answer.failed).await,
            Err(error) => batch.retry(&why(&error)).await,
        }
    }
}
