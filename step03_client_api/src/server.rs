//! Where the events come from. There is no queue yet: the server makes them up, in a task of its own.

use shared::stage::ProducerHandle;
use tokio::task::JoinSet;
use tracing::info;

use crate::producer::SqsProducer;

/// One event. Later steps find it in a queue.
pub type Event = &'static str;

pub struct Server {
    /// No task outlives the server.
    tasks: JoinSet<()>,
}

impl Server {
    pub fn start() -> Self {
        info!("Attempting to start SQS.Server");
        info!("Initializing SQS.Server supervision tree");
        Self { tasks: JoinSet::new() }
    }

    /// Starts to look for `count` events, which the producer will be sent. Does not wait for them.
    pub fn pull(&mut self, count: usize, producer: &ProducerHandle<SqsProducer>) {
        while self.tasks.try_join_next().is_some() {} // Those that are done.
        let task = self.tasks.spawn(look_for_events(count, producer.clone()));
        info!("Started new server loop with pid #Task<{}>", task.id());
    }
}

async fn look_for_events(count: usize, producer: ProducerHandle<SqsProducer>) {
    info!("Server looping: Looking for {count} events");
    let events = vec!["hey"; count];
    info!("Casting events to producer");
    SqsProducer::enqueue(&producer, events);
}
