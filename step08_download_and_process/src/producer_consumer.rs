//! Events in, files out: it downloads and unzips.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use shared::aws::{Aws, Download, S3Object, why};
use shared::contents::Contents;
use shared::results::Results;
use shared::stage::{self, ProducerConsumer, ProducerConsumerHandle};
use tracing::info;

use crate::server::{self, Event};

pub struct SqsProducerConsumer {
    aws: Aws,
    results: Results,
}

/// A file, downloaded as far as there is room for it.
pub struct File {
    pub event: Event,
    pub contents: Contents,
}

impl SqsProducerConsumer {
    pub fn start(aws: Aws, results: Results) -> ProducerConsumerHandle<Self> {
        stage::named("ProducerConsumer").start_producer_consumer(Self { aws, results })
    }

    async fn download(&self, object: &S3Object) -> Result<Contents, SdkError<GetObjectError>> {
        let get = self.aws.s3.get_object().bucket(&object.bucket).key(&object.key);
        let get = get.set_version_id(object.version_id.clone());
        // Sends it, and once more for the rest if the connection breaks.
        let download = Download::start(get).await?;
        Ok(Contents::unzip(download, self.aws.limits).await)
    }
}

impl ProducerConsumer for SqsProducerConsumer {
    type Input = Event;
    type Event = File;

    async fn handle_events(&mut self, events: Vec<Event>) -> Vec<File> {
        info!("ProducerConsumer received {} events", events.len());
        let mut files = Vec::new();
        for event in events {
            if self.results.has(&event.object).await {
                info!("{} is processed already", event.object);
                server::release(&self.aws.queue, event.message);
                continue;
            }
            match event.message.begin(&event.object, self.download(&event.object)).await {
                Some(Ok(contents)) => {
                    // The rest of a large file follows while the consumer is at work on it.
                    let done = if contents.is_whole() { "downloaded" } else { "is downloading" };
                    info!("#ProducerConsumer {done} {}", event.object.key);
                    files.push(File { event, contents });
                }
                Some(Err(error)) if matches!(error.code(), Some("NoSuchKey" | "NoSuchVersion")) => {
                    info!("{} is gone: there is nothing left to process", event.object);
                    server::release(&self.aws.queue, event.message);
                }
                Some(Err(error)) => {
                    self.results.failed(&event.object, &event.message, &why(&error));
                }
                None => {} // It is somebody else's now.
            }
        }
        files
    }
}
