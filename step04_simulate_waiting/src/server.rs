//! Where the events come from. There is no queue yet: the server makes them up, in a loop that takes
//! its time, as though they had not arrived in the queue yet.

use std::time::Duration;

use shared::stage::ProducerHandle;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::info;

use crate::producer::SqsProducer;

/// One event. Later steps find their events in a queue.
pub type Event = &'static str;

pub struct Server {
    /// The loop that was started last.
    looping: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start() -> Self {
        info!("Attempting to start SQS.Server");
        info!("Initializing SQS.Server supervision tree");
        Self { looping: None }
    }

    /// Starts to look for `demand` events and to send them to the producer, and does not wait for them.
    pub fn pull(&mut self, demand: usize, producer: &ProducerHandle<SqsProducer>) {
        let running = self.looping.take().filter(|running| !running.is_finished());
        info!("There are currently {} servers looping", running.iter().count());
        info!("All servers terminated");
        let looping = server_loop(demand, producer.clone());
        let task = producer.spawn(looping);
        info!(started = %task.id(), "Started new server loop with pid #Task<{}>", task.id());
        self.looping = Some(task);
    }
}

/// Runs until it has found `demand` events.
async fn server_loop(demand: usize, producer: ProducerHandle<SqsProducer>) {
    let (mut missing, mut run) = (demand, 0);
    while missing > 0 {
        info!(run, missing, "Server looping: Run {run}. Looking for {missing} events");
        let events = receive(run, missing).await;
        if !events.is_empty() {
            missing -= events.len();
            info!("Casting events to producer");
            SqsProducer::enqueue(&producer, events);
        }
        if missing > 0 {
            sleep(Duration::from_secs(5)).await;
        }
        run += 1;
    }
}

/// Finds nothing in the first five runs, and then two events at a time.
async fn receive(run: usize, missing: usize) -> Vec<Event> {
    let found = if run < 5 { 0 } else { 2 };
    vec!["hey"; found.min(missing)]
}
