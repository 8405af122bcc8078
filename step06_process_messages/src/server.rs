//! Where the events come from: messages in an SQS queue, which tell of objects in S3.

use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;
use shared::aws::notification::objects_in;
use shared::aws::{Queue, S3Object, why};
use shared::stage::ProducerHandle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::producer::SqsProducer;

/// One event: an object was created.
pub type Event = S3Object;

pub struct Server {
    queue: Queue,
    /// The loop that was started last.
    looping: Option<Loop>,
}

/// A loop's task, which returns how many events it has not found, and a token to terminate it.
type Loop = (JoinHandle<usize>, CancellationToken);

impl Server {
    pub fn start(queue: &Queue) -> Self {
        info!("Attempting to start SQS.Server");
        info!("Initializing SQS.Server supervision tree");
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
) -> usize {
    let (mut missing, mut run) = (demand, 0);
    // One loop at a time, or both would look for the same events.
    if let Some((task, _)) = previous {
        missing += task.await.expect("a loop does not panic");
    }
    while missing > 0 && !terminate.is_cancelled() {
        let id = tokio::task::id();
        info!(run, missing, "Server #Task<{id}> looping: Run {run}. Looking for {missing} events");
        // A receive that has begun is never dropped, even if this loop is terminated: SQS hides the
        // messages that it hands out, so for a while no program would get them.
        match receive(&queue, missing).await {
            Ok(events) if events.is_empty() => {}
            Ok(events) => {
                missing = missing.saturating_sub(events.len());
                info!("Casting events to producer");
                SqsProducer::enqueue(&producer, events);
            }
            Err(error) => queue.backoff.failed(why(&error)),
        }
        // If SQS fails, the loop waits, and longer each time.
        terminate.run_until_cancelled(queue.backoff.wait()).await;
        run += 1;
    }
    missing
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
        .send()
        .await?;
    Ok(received.messages().iter().filter_map(objects_in).flatten().collect())
}
