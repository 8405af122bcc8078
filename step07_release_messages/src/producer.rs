//! Demand in, events out: those that the server's loop enqueues.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shared::stage::{self, Producer, ProducerHandle};
use tracing::info;

use crate::server::{Event, Server};

pub struct SqsProducer {
    server: Server,
    /// This very stage: where the server is to send the events.
    me: ProducerHandle<Self>,
    pending: Pending,
}

/// How many events were asked for and are not found yet. The producer adds what is asked for, the
/// server's loop takes off what it finds as soon as it finds it, so that it is not looked for again.
#[derive(Clone, Default)]
pub struct Pending(Arc<AtomicUsize>);

impl Pending {
    fn asked(&self, demand: usize) {
        self.0.fetch_add(demand, Ordering::Relaxed);
    }

    /// One message can bring more events than were missing. Then nothing is missing.
    pub fn found(&self, events: usize) {
        self.0.update(Ordering::Relaxed, Ordering::Relaxed, |count| count.saturating_sub(events));
    }

    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What can be cast to the producer.
pub enum Message {
    Enqueue(Vec<Event>),
}

impl SqsProducer {
    pub fn start(server: Server) -> ProducerHandle<Self> {
        stage::named("SQS.Producer").start_producer(|me| {
            info!("Initalised SQS.Producer"); // The talk's spelling.
            Self { server, me: me.clone(), pending: Pending::default() }
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
        // 3 asked for and unmet, 10 more asked: ask for 13.
        self.pending.asked(demand);
        info!("Asking for {} events", self.pending.count());
        self.server.pull(&self.pending, &self.me);
        let events = Vec::new();
        info!("Received {} events", events.len());
        events
    }

    async fn handle_cast(&mut self, message: Message) -> Vec<Event> {
        let Message::Enqueue(events) = message;
        info!("SQS.Producer got notified about {} new events", events.len());
        events
    }

    /// What the last receive brings is enqueued before this returns, and is delivered too.
    async fn prepare_for_draining(&mut self) -> Vec<Event> {
        self.server.stop().await;
        Vec::new()
    }
}
