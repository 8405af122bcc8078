//! Messages in.

use aws_sdk_sqs::types::Message;
use shared::aws::notification::objects_in;
use shared::aws::{Queue, why};
use shared::stage::{
    self, Consumer, ConsumerHandle, InvalidDemand, ProducerHandle, SubscribeOptions,
};
use tracing::{error, info};

use crate::sqs_producer::SqsProducer;

pub struct SqsConsumer {
    name: String,
    queue: Queue,
}

impl SqsConsumer {
    pub fn start(
        name: String,
        producer: &ProducerHandle<SqsProducer>,
        queue: &Queue,
    ) -> Result<ConsumerHandle<Self>, InvalidDemand> {
        let options = stage::named(name.as_str());
        let consumer = options.start_consumer(Self { name, queue: queue.clone() });
        let ten_by_ten = SubscribeOptions::default().min_demand(0).max_demand(10);
        consumer.subscribe(producer, ten_by_ten)?;
        Ok(consumer)
    }

    /// Deletes a message, because it would come back otherwise. Step 7 shows how to delete ten with one request.
    async fn delete(&self, message: &Message) {
        let delete = self.queue.client.delete_message().queue_url(&self.queue.url);
        let receipt = message.receipt_handle.clone();
        if let Err(error) = delete.set_receipt_handle(receipt).send().await {
            let id = message.message_id().unwrap_or_default();
            error!("The message {id} is not deleted, and will come back: {}", why(&error));
        }
    }
}

impl Consumer for SqsConsumer {
    type Event = Message;

    async fn handle_events(&mut self, messages: Vec<Message>) {
        for message in messages {
            // A message that cannot be read stays in the queue.
            let Some(objects) = objects_in(&message) else { continue };
            let objects: Vec<_> = objects.iter().map(ToString::to_string).collect();
            let id = message.message_id().unwrap_or_default();
            info!("{} received {id}: {objects:?}", self.name);
            self.delete(&message).await;
        }
    }
}
