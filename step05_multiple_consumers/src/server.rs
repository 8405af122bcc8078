//! Where the events come from. There is no queue yet: the server makes them up, in a loop that takes
//! its time, as though they had not arrived in the queue yet.

use std::time::Duration;

use shared::stage::ProducerHandle;
use tokio::task::{self, JoinHandle};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::producer::{Pending, SqsProducer};

/// One event. Later steps find it in a queue.
pub type Event = &'static str;

pub struct Server {
    /// The loop that was started last.
    looping: Option<Loop>,
}

struct Loop {
    task: JoinHandle<()>,
    terminate: CancellationToken,
}

impl Server {
    pub fn start() -> Self {
        info!("Attempting to start SQS.Server");
        info!("Initializing SQS.Server supervision tree");
        Self { looping: None }
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
        let (pending, producer) = (pending.clone(), producer.clone());
        let task = tokio::spawn(server_loop(running, pending, producer, terminate.clone()));
        info!(started = %task.id(), "Started new server loop with pid #Task<{}>", task.id());
        self.looping = Some(Loop { task, terminate });
    }
}

/// Runs until nothing is pending.
async fn server_loop(
    previous: Option<Loop>,
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
        let events = receive(run, missing).await;
        if !events.is_empty() {
            pending.found(events.len());
            info!("Casting events to producer");
            SqsProducer::enqueue(&producer, events);
        }
        if pending.count() > 0 {
            terminate.run_until_cancelled(sleep(Duration::from_secs(5))).await;
        }
    }
}

/// Finds nothing in the first five runs, and then two events at a time.
async fn receive(run: usize, missing: usize) -> Vec<Event> {
    let found = if run < 5 { 0 } else { 2 };
    vec!["hey"; found.min(missing)]
}
