//! Files in, results out.

use std::io;
use std::time::Instant;

use shared::aws::{Queue, S3Object};
use shared::contents::{self, Contents, Count};
use shared::results::Results;
use shared::stage::{self, Consumer, ConsumerHandle};
use tracing::info;

use crate::producer_consumer::File;
use crate::server::{self, Event};

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
    async fn process(&self, object: &S3Object, contents: &mut Contents) -> io::Result<()> {
        let (started, mut count) = (Instant::now(), Count::default());
        while let Some(chunk) = contents.next().await? {
            count.add(&chunk);
        }
        self.results.write(object, contents.etag(), count).await?;
        let (lines, seconds) = (count.lines(), started.elapsed().as_secs_f64());
        info!(lines, seconds, "{} processed {}", self.name, object.key);
        Ok(())
    }
}

impl Consumer for SqsConsumer {
    type Event = File;

    async fn handle_events(&mut self, files: Vec<File>) {
        for File { event: Event { object, message }, mut contents } in files {
            match message.while_held(&object, self.process(&object, &mut contents)).await {
                Some(Ok(())) => server::release(&self.queue, message),
                Some(Err(error)) if contents::is_replaced(&error) => message.give_back(),
                Some(Err(error)) => self.results.failed(&object, &message, &error.to_string()),
                None => {} // It is somebody else's now.
            }
        }
    }
}
