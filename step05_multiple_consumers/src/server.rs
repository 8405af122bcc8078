//! Where the events come from. There is no queue yet: the server makes them up, in a loop that takes
//! its time, as though they had not arrived in the queue yet.

use std::time::Duration;

use shared::stage::ProducerHandle;
use tokio::task::{self, JoinHandle};
use tokio::time::sleep;
use tracing::info;

use crate::producer::SqsProducer;

/// One event. Later steps find it in a queue.
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

    /// Starts to look for `count` events, which the producer will be sent. Does not wait for them.
    ///
    /// `count` is all that the producer lacks, so a loop that still runs is not needed any more.
    pub fn pull(&mut self, count: usize, producer: &ProducerHandle<SqsProducer>) {
        let running = self.looping.take().filter(|task| !task.is_finished());
        info!("There are currently {} servers looping", running.iter().count());
        if let Some(task) = running {
            info!("Terminating server with pid #Task<{}>", task.id());
            task.abort();
        }
        info!("All servers terminated");
        let task = tokio::spawn(server_loop(count, producer.clone()));
        info!("Started new server loop with pid #Task<{}>", task.id());
        self.looping = Some(task);
    }
}

/// Runs until `count` events are found.
async fn server_loop(count: usize, producer: ProducerHandle<SqsProducer>) {
    let mut missing = count;
    for run in 0.. {
        info!("Server #Task<{}> looping: Run {run}. Looking for {missing} events", task::id());
        let events = receive(run, missing);
        if !events.is_empty() {
            missing -= events.len();
            info!("Casting events to producer");
            SqsProducer::enqueue(&producer, events);
        }
        if missing == 0 {
            return;
        }
        sleep(Duration::from_secs(5)).await;
    }
}

/// Finds nothing in the first five runs, and then two events at a time.
fn receive(run: usize, missing: usize) -> Vec<Event> {
    let found = if run < 5 { 0 } else { 2 };
    vec!["hey"; found.min(missing)]
}
