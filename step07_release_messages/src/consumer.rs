//! Events in.

use shared::stage::{self, Consumer, ConsumerHandle};
use tracing::info;

use crate::server::Event;

pub struct SqsConsumer;

impl SqsConsumer {
    pub fn start() -> ConsumerHandle<Self> {
        stage::named("SQS.Consumer").start_consumer(Self)
    }
}

impl Consumer for SqsConsumer {
    type Event = Event;

    async fn handle_events(&mut self, events: Vec<Event>) {
        let files: Vec<_> = events.iter().map(Event::to_string).collect();
        info!(?files, "Consumed by #Task<{}>: {}", tokio::task::id(), files.join(", "));
        for event in events {
            event.release();
        }
    }
}
