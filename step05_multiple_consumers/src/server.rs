//! Where the events come from. There is no queue yet: the server makes them up, in a loop that takes
//! its time, as though they had not arrived in the queue yet.

use std::time::Duration;

use shared::stage::ProducerHandle;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::producer::SqsProducer;

/// One event. Later steps find their events in a queue.
pub type Event = &'static str;

pub struct Server {
    /// The loop that was started last.
    looping: Option<Loop>,
}

/// A loop's task, which returns how many events it has not found, and a token to terminate it.
type Loop = (JoinHandle<usize>, CancellationToken);

impl Server {
    pub fn start() -> Self {
        info!("Attempting to start SQS.Server");
        info!("Initializing SQS.Server supervision tree");
        Self { looping: None }
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
        let looping = server_loop(running, demand, producer.clone(), terminate.clone());
        let task = producer.spawn(looping);
        info!(started = %task.id(), "Started new server loop with pid #Task<{}>", task.id());
        self.looping = Some((task, terminate));
    }
}

/// Runs until it has found `demand` events, and those that the previous loop did not find. If it is
/// terminated before, it returns how many are still missing.
async fn server_loop(
    previous: Option<Loop>,
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
        let events = receive(run, missing).await;
        if !events.is_empty() {
            missing -= events.len();
            info!("Casting events to producer");
            SqsProducer::enqueue(&producer, events);
        }
        if missing > 0 {
            terminate.run_until_cancelled(sleep(Duration::from_secs(5))).await;
        }
        run += 1;
    }
    missing
}

/// Finds nothing in the first five runs, and then two events at a time.
async fn receive(run: usize, missing: usize) -> Vec<Event> {
    let found = if run < 5 { 0 } else { 2 };
    vec!["hey"; found.min(missing)]
}
