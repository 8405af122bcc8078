//! Events in, files out: it downloads and unzips.

use shared::aws::{Download, Failure, S3Object};
use shared::contents::Contents;
use shared::job::Job;
use shared::stage::{self, ProducerConsumer, ProducerConsumerHandle};
use tracing::info;

use crate::server::Event;

/// A file whose first mebibyte is downloaded. The rest follows while the consumer reads it.
pub type File = (Event, Contents);

pub struct SqsProducerConsumer {
    name: String,
    job: Job,
}

impl SqsProducerConsumer {
    pub fn start(name: &str, job: &Job) -> ProducerConsumerHandle<Self> {
        stage::named(name).start_producer_consumer(Self { name: name.into(), job: job.clone() })
    }

    async fn download(&self, object: &S3Object) -> Result<Contents, Failure> {
        let get = self.job.s3.get_object().bucket(&object.bucket).key(&object.key);
        let get = get.set_version_id(object.version_id.clone());
        // Sends the request, and another one for the rest if the connection breaks.
        let download = Download::start(get).await?;
        Ok(Contents::unzip(download, self.job.limits).await)
    }
}

impl ProducerConsumer for SqsProducerConsumer {
    type Input = Event;
    type Event = File;

    async fn handle_events(&mut self, events: Vec<Event>) -> Vec<File> {
        info!("{} received {} events", self.name, events.len());
        let mut files = Vec::new();
        for event in events {
            if self.job.results.has(&event.object).await {
                info!("{event} is processed already");
                event.release();
                continue;
            }
            match event.hold(self.download(&event.object)).await {
                Ok(contents) => {
                    info!(key = event.object.key, "{} downloaded {}", self.name, event.object.key);
                    files.push((event, contents));
                }
                Err(failure) => settle(event, failure).await,
            }
        }
        files
    }
}

/// Decides what becomes of an event whose file was not processed.
pub async fn settle(event: Event, failure: Failure) {
    match failure {
        // Nothing is left to process.
        Failure::Gone => event.release(),
        // The new content has to be read from its beginning, by this program or another.
        Failure::Replaced | Failure::Cancelled => event.give_back(),
        Failure::Permanent(reason) => event.put_aside(&reason).await,
        Failure::Other(reason) => event.retry_later(&reason),
    }
}
