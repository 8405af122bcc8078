//! Events in, files out: it downloads and unzips.

use shared::aws::{Download, S3Object};
use shared::contents::Contents;
use shared::stage::{self, ProducerConsumer, ProducerConsumerHandle};
use shared::work::{Failure, Work};
use tracing::info;

use crate::server::Event;

pub struct SqsProducerConsumer {
    name: String,
    work: Work,
}

/// A file, downloaded as far as there is room for it.
pub struct File {
    pub event: Event,
    pub contents: Contents,
}

impl SqsProducerConsumer {
    pub fn start(name: &str, work: &Work) -> ProducerConsumerHandle<Self> {
        stage::named(name).start_producer_consumer(Self { name: name.into(), work: work.clone() })
    }

    async fn download(&self, object: &S3Object) -> Result<Contents, Failure> {
        let get = self.work.aws.s3.get_object().bucket(&object.bucket).key(&object.key);
        let get = get.set_version_id(object.version_id.clone());
        // Sends it, and once more for the rest if the connection breaks.
        let download = Download::start(get).await?;
        Ok(Contents::unzip(download, self.work.aws.limits).await)
    }
}

impl ProducerConsumer for SqsProducerConsumer {
    type Input = Event;
    type Event = File;

    async fn handle_events(&mut self, events: Vec<Event>) -> Vec<File> {
        info!("{} received {} events", self.name, events.len());
        let mut files = Vec::new();
        for Event { object, message } in events {
            let download = self.download(&object);
            if let Some((message, contents)) = self.work.begin(&object, message, download).await {
                // The rest of a large file follows while the consumer is at work on it.
                let done = if contents.is_whole() { "downloaded" } else { "is downloading" };
                info!(key = object.key, "{} {done} {}", self.name, object.key);
                files.push(File { event: Event { object, message }, contents });
            }
        }
        files
    }
}
