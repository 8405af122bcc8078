//! Where the events come from. There is no queue yet: the server makes them up, in a task of its own.

use shared::stage::ProducerHandle;
use tracing::info;

use crate::producer::SqsProducer;

/// One event. Later steps find their events in a queue.
pub type Event = &'static str;

pub struct Server {}

impl Server {
    pub fn start() -> Self {
        info!("Attempting to start SQS.Server");
        info!("Initializing SQS.Server supervision tree");
        Self {}
    }

    /// Starts to look for `demand` events and to send them to the producer, and does not wait for them.
    pub fn pull(&mut self, demand: usize, producer: &ProducerHandle<SqsProducer>) {
        let looping = server_loop(demand, producer.clone());
        let task = producer.spawn(looping);
        info!(started = %task.id(), "Started new server loop with pid #Task<{}>", task.id());
    }
}

async fn server_loop(demand: usize, producer: ProducerHandle<SqsProducer>) {
    info!(missing = demand, "Server looping: Looking for {demand} events");
    let events = vec!["hey"; demand];
    info!("Casting events to producer");
    SqsProducer::enqueue(&producer, events);
}
