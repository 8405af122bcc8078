//! Where the events come from. There is no queue yet: the server makes them up, in a task of its own.

use shared::stage::ProducerHandle;
use tracing::info;

use crate::producer::{Message, SqsProducer};

/// One event. Later steps find it in a queue.
pub type Event = &'static str;

pub struct Server {}

impl Server {
    pub fn start() -> Self {
        info!("Attempting to start SQS.Server");
        info!("Initializing SQS.Server supervision tree");
        Self {}
    }

    /// Starts to look for `count` events, which the producer will be sent. Does not wait for them.
    pub fn pull(&mut self, count: usize, producer: &ProducerHandle<SqsProducer>) {
        let task = tokio::spawn(look_for_events(count, producer.clone()));
        info!(started = %task.id(), "Started new server loop with pid #Task<{}>", task.id());
    }
}

async fn look_for_events(count: usize, producer: ProducerHandle<SqsProducer>) {
    info!(missing = count, "Server looping: Looking for {count} events");
    let events = vec!["hey"; count];
    info!("Sending events to producer");
    producer.cast(Message::Enqueue(events));
}
