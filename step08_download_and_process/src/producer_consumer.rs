//! Events in, files out: it downloads and unzips.

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use shared::aws::{Download, S3Object};
use shared::contents::Contents;
use shared::stage::{self, ProducerConsumer, ProducerConsumerHandle};
use shared::work::Work;
use tracing::info;

use crate::server::Event;

pub struct SqsProducerConsumer {
    work: Work,
}

/// A file, downloaded as far as there is room for it.
pub struct File {
    pub event: Event,
    pub contents: Contents,
}

impl SqsProducerConsumer {
    pub fn start(work: Work) -> ProducerConsumerHandle<Self> {
        stage::named("ProducerConsumer").start_producer_consumer(Self { work })
    }

    async fn download(&self, object: &S3Object) -> Result<Contents, SdkError<GetObjectError>> {
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
        info!("ProducerConsumer received {} events", events.len());
        let mut files = Vec::new();
        for event in events {
            if self.work.results.has(&event.object).await {
                info!("{} is processed already", event.object);
                event.message.release();
                continue;
            }
            match event.message.begin(&event.object, self.download(&event.object)).await {
                Some(Ok(contents)) => {
                    // The rest of a large file follows while the consumer is at work on it.
                    let done = if contents.is_whole() { "downloaded" } else { "is downloading" };
                    info!("#ProducerConsumer {done} {}", event.object.key);
                    files.push(File { event, contents });
                }
                Some(Err(error)) => self.work.no_download(&event.object, event.message, &error),
                None => {} // It is somebody else's now.
            }
        }
        files
    }
}
