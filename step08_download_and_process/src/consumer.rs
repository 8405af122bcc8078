//! Files in, results out.

use serde::Serialize;
use serde_json::json;
use shared::aws::{Failure, S3Object};
use shared::contents::Contents;
use shared::job::Job;
use shared::results::Results;
use shared::stage::{self, Consumer, ConsumerHandle};
use tracing::info;

use crate::producer_consumer::{File, settle_failed};

pub struct SqsConsumer {
    name: String,
    results: Results,
}

impl SqsConsumer {
    pub fn start(name: &str, job: &Job) -> ConsumerHandle<Self> {
        let (name, results) = (name.to_owned(), job.results.clone());
        stage::named(&name.clone()).start_consumer(Self { name, results })
    }

    /// Your own work: reads the file, and returns what belongs into its result.
    async fn process(
        &self,
        _object: &S3Object,
        contents: &mut Contents,
    ) -> Result<impl Serialize + use<>, Failure> {
        // The contents count lines and bytes while they are read.
        while contents.next().await?.is_some() {}
        Ok(json!({ "line_count": contents.line_count() }))
    }

    async fn process_and_write(
        &self,
        object: &S3Object,
        contents: &mut Contents,
    ) -> Result<(), Failure> {
        let outcome = self.process(object, contents).await;
        let outcome = outcome.map_err(|failure| contents.cause_of(failure))?;
        self.results.write(object, contents, &outcome).await?;
        info!(key = object.key, "{} processed {}", self.name, object.key);
        Ok(())
    }
}

impl Consumer for SqsConsumer {
    type Event = File;

    async fn handle_events(&mut self, files: Vec<File>) {
        for File { event, mut contents } in files {
            match event.hold(self.process_and_write(&event.object, &mut contents)).await {
                Ok(()) => event.release(),
                Err(failure) => settle_failed(event, failure).await,
            }
        }
    }
}
