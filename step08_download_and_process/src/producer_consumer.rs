//! Events in, files out: it downloads and unzips.

use shared::job::{Contents, Download, Failure, Job, S3Object};
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
        self.job.results.ensure_new(object).await?;
        let get = self.job.s3.get_object().bucket(&object.bucket).key(&object.key);
        let get = get.set_version_id(object.version_id.clone());
        // Sends the request, and another one for the rest if the connection breaks.
        Ok(Contents::unzip(Download::start(get).await?, self.job.limits).await)
    }
}

impl ProducerConsumer for SqsProducerConsumer {
    type Input = Event;
    type Event = File;

    async fn handle_events(&mut self, events: Vec<Event>) -> Vec<File> {
        info!("{} received {} events", self.name, events.len());
        let mut files = Vec::new();
        for event in events {
            match event.hold(self.download(&event.object)).await {
                Ok(contents) => {
                    info!(key = event.object.key, "#{} downloaded {}", self.name, event.object.key);
                    files.push((event, contents));
                }
                Err(failure) => settle(event, Err(failure)).await,
            }
        }
        files
    }
}

/// Ends an event, by the result of the work on it.
pub async fn settle(event: Event, result: Result<(), Failure>) {
    match result {
        // There is nothing left to process: the message can be deleted.
        Ok(()) | Err(Failure::AlreadyDone | Failure::Gone) => event.release(),
        // The work has to begin again, here or in another program.
        Err(Failure::Replaced | Failure::Cancelled) => event.give_back(),
        Err(Failure::Permanent(reason)) => event.put_aside(&reason).await,
        Err(Failure::Other(reason)) => event.retry_later(&reason),
    }
}
