//! Events in, files out: it downloads and unzips.

use shared::aws::{Download, Failure, S3Object};
use shared::contents::Contents;
use shared::job::Job;
use shared::stage::{self, ProducerConsumer, ProducerConsumerHandle};
use tracing::info;

use crate::server::Event;

pub struct SqsProducerConsumer {
    name: String,
    job: Job,
}

/// A file whose first mebibyte is downloaded. The rest follows while the consumer reads it.
pub struct File {
    pub event: Event,
    pub contents: Contents,
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
            if self.job.is_stopping() {
                event.give_back();
            } else if self.job.results.has(&event.object).await {
                info!("{} is processed already", event.object);
                event.release();
            } else {
                match event.hold(self.download(&event.object)).await {
                    Ok(contents) => {
                        info!(key = event.object.key, "{} downloaded {}", self.name, event.object.key);
                        files.push(File { event, contents });
                    }
                    Err(failure) => settle_failed(event, failure).await,
                }
            }
        }
        files
    }
}

/// Decides what becomes of an event whose file was not processed.
pub async fn settle_failed(event: Event, failure: Failure) {
    match failure {
        Failure::Gone => {
            info!("{} is gone: there is nothing left to process", event.object);
            event.release();
        }
        Failure::Replaced => {
            info!("{} was replaced while it was read, and is begun again", event.object);
            event.give_back();
        }
        // Another receiver has the message, or gets it when this program ends.
        Failure::Cancelled => event.give_back(),
        Failure::Permanent(reason) => event.put_aside(&reason).await,
        Failure::Other(reason) => event.retry_later(&reason),
    }
}
