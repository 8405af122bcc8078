//! Files in, results out.

use std::io;
use std::time::Instant;

use shared::aws::S3Object;
use shared::contents::{Contents, Count};
use shared::stage::{self, Consumer, ConsumerHandle};
use shared::work::Work;
use tracing::info;

use crate::producer_consumer::File;
use crate::server::Event;

pub struct SqsConsumer {
    name: String,
    work: Work,
}

impl SqsConsumer {
    pub fn start(pipeline: &str, work: Work) -> ConsumerHandle<Self> {
        let name = format!("{pipeline} Consumer");
        stage::named(name.as_str()).start_consumer(Self { name, work })
    }

    /// Counts what is in the file, and writes the result.
    async fn process(&self, object: &S3Object, contents: &mut Contents) -> io::Result<()> {
        let (started, mut count) = (Instant::now(), Count::default());
        while let Some(chunk) = contents.next().await? {
            count.add(&chunk);
        }
        self.work.results.write(object, contents.etag(), count).await?;
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
                Some(Ok(())) => message.release(),
                Some(Err(error)) => self.work.failed(&object, &message, &error),
                None => {} // It is somebody else's now.
            }
        }
    }
}
