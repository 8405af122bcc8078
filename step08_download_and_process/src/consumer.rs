//! Files in, results out.

use shared::aws::S3Object;
use shared::contents::{Contents, Count};
use shared::stage::{self, Consumer, ConsumerHandle};
use shared::work::{Failure, Work};
use tracing::info;

use crate::producer_consumer::File;
use crate::server::Event;

pub struct SqsConsumer {
    name: String,
    work: Work,
}

impl SqsConsumer {
    pub fn start(name: &str, work: &Work) -> ConsumerHandle<Self> {
        stage::named(name).start_consumer(Self { name: name.into(), work: work.clone() })
    }

    /// Counts what is in the file, and writes the result.
    async fn process(&self, object: &S3Object, contents: &mut Contents) -> Result<(), Failure> {
        let mut count = Count::default();
        while let Some(chunk) = contents.next().await? {
            count.add(chunk);
        }
        self.work.results.write(object, contents.etag(), count).await?;
        info!(key = object.key, "{} processed {}", self.name, object.key);
        Ok(())
    }
}

impl Consumer for SqsConsumer {
    type Event = File;

    async fn handle_events(&mut self, files: Vec<File>) {
        for File { event: Event { object, message }, mut contents } in files {
            let processing = self.process(&object, &mut contents);
            if let Some(message) = self.work.finish(&object, message, processing).await {
                message.release();
            }
        }
    }
}
