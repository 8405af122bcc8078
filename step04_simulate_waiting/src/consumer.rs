//! Events in.

use std::time::Duration;

use shared::stage::{self, Consumer, ConsumerHandle};
use tokio::time::sleep;
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
        info!("Consumed: {}", events.join(", "));
        // Stands for work that takes time. The consumer asks for more when it is done.
        sleep(Duration::from_secs(1)).await;
    }
}
