//! Events in.

use shared::aws::Queue;
use shared::stage::{self, Consumer, ConsumerHandle};
use tokio::task;
use tracing::info;

use crate::server::{self, Event};

pub struct SqsConsumer {
    queue: Queue,
}

impl SqsConsumer {
    pub fn start(queue: Queue) -> ConsumerHandle<Self> {
        stage::named("SQS.Consumer").start_consumer(Self { queue })
    }
}

impl Consumer for SqsConsumer {
    type Event = Event;

    async fn handle_events(&mut self, events: Vec<Event>) {
        let files: Vec<_> = events.iter().map(|event| event.object.to_string()).collect();
        info!("Consumed by #Task<{}>: {}", task::id(), files.join(", "));
        for Event { message, .. } in events {
            server::release(&self.queue, message);
        }
    }
}
