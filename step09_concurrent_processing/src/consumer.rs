//! Files in, results out.

use std::io;

use shared::aws::Queue;
use shared::contents::Count;
use shared::results::Results;
use shared::stage::{self, Consumer, ConsumerHandle};
use tracing::info;

use crate::producer_consumer::File;
use crate::server;

pub struct SqsConsumer {
    name: String,
    queue: Queue,
    results: Results,
}

impl SqsConsumer {
    pub fn start(pipeline: &str, queue: Queue, results: Results) -> ConsumerHandle<Self> {
        let name = format!("{pipeline} Consumer");
        stage::named(name.as_str()).start_consumer(Self { name, queue, results })
    }

    /// Counts what is in the file, and writes the result.
    async fn process(&self, file: &mut File) -> io::Result<()> {
        let mut count = Count::default();
        while let Some(chunk) = file.contents.next().await? {
            count.add(&chunk);
        }
        self.results.write(&file.event.object, count).await
    }
}

impl Consumer for SqsConsumer {
    type Event = File;

    async fn handle_events(&mut self, files: Vec<File>) {
        for mut file in files {
            match self.process(&mut file).await {
                Ok(()) => {
                    info!("{} processed {}", self.name, file.event.object.key);
                    server::release(&self.queue, vec![file.event]).await;
                }
                Err(error) => {
                    self.results.failed(&file.event.object, &error.to_string());
                    file.event.message.leave();
                }
            }
        }
    }
}
