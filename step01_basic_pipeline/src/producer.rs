//! Demand in, events out.

use shared::stage::{self, Producer, ProducerHandle};
use tracing::info;

use crate::server::{Event, Server};

pub struct SqsProducer {
    server: Server,
    /// How many events the consumer has asked for and the server has not found.
    pending: usize,
}

impl SqsProducer {
    pub fn start(server: Server) -> ProducerHandle<Self> {
        stage::named("SQS.Producer").start_producer(|_me| {
            info!("Initalised SQS.Producer"); // The talk's spelling.
            Self { server, pending: 0 }
        })
    }
}

impl Producer for SqsProducer {
    type Event = Event;
    type Cast = std::convert::Infallible;

    async fn handle_demand(&mut self, demand: usize) -> Vec<Event> {
        info!("SQS.Producer handling demand of {demand}");
        // The server has always found all of it, so this adds to 0.
        self.pending += demand;
        info!("Asking for {} events", self.pending);
        let events = self.server.pull(self.pending);
        info!("Received {} events", events.len());
        self.pending -= events.len();
        events
    }
}
