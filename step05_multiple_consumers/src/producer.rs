//! Demand in, events out: the events that the server's loop enqueues.

use shared::stage::{self, Producer, ProducerHandle};
use tracing::info;

use crate::server::{Event, Server};

pub struct SqsProducer {
    server: Server,
    /// A handle of this stage, so that the server knows where to send the events.
    me: ProducerHandle<Self>,
    /// How many events the consumer has asked for and the server has not found.
    pending: usize,
}

/// The messages of the producer.
pub enum Message {
    Enqueue(Vec<Event>),
}

impl SqsProducer {
    pub fn start(server: Server) -> ProducerHandle<Self> {
        stage::named("SQS.Producer").start_producer(|me| {
            info!("Initalised SQS.Producer"); // The talk's spelling.
            Self { server, me: me.clone(), pending: 0 }
        })
    }

    /// Hands `producer` events that were found for it.
    pub fn enqueue(producer: &ProducerHandle<Self>, events: Vec<Event>) {
        producer.cast(Message::Enqueue(events));
    }
}

impl Producer for SqsProducer {
    type Event = Event;
    type Cast = Message;

    async fn handle_demand(&mut self, demand: usize) -> Vec<Event> {
        info!("SQS.Producer handling demand of {demand}");
        // With 3 still missing and 10 more wanted, 13 are missing.
        self.pending += demand;
        info!("Asking for {} events", self.pending);
        self.server.pull(demand, &self.me);
        let events = Vec::new();
        info!("Received {} events", events.len());
        events
    }

    async fn handle_cast(&mut self, message: Message) -> Vec<Event> {
        let Message::Enqueue(events) = message;
        info!("SQS.Producer got notified about {} new events", events.len());
        self.pending -= events.len();
        events
    }
}
