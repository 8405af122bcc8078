//! Files in, results out.

use serde_json::{Value, json};
use shared::aws::{Failure, S3Object};
use shared::contents::Contents;
use shared::job::Job;
use shared::results::Results;
use shared::stage::{self, Consumer, ConsumerHandle};
use tracing::info;

use crate::producer_consumer::{File, settle};

pub struct SqsConsumer {
    name: String,
    results: Results,
}

impl SqsConsumer {
    pub fn start(name: &str, job: &Job) -> ConsumerHandle<Self> {
        stage::named(name).start_consumer(Self { name: name.into(), results: job.results.clone() })
    }

    /// Your own work: reads the file, and returns what its result is to say.
    async fn process(&self, _object: &S3Object, contents: &mut Contents) -> Result<Value, Failure> {
        // The contents count their lines while they are read.
        while contents.next().await?.is_some() {}
        Ok(json!({ "line_count": contents.line_count() }))
    }
}

impl Consumer for SqsConsumer {
    type Event = File;

    async fn handle_events(&mut self, files: Vec<File>) {
        for (event, mut contents) in files {
            let done = event.hold(async {
                let outcome = self.process(&event.object, &mut contents).await?;
                self.results.write(&event.object, &contents, &outcome).await?;
                info!(key = event.object.key, "{} processed {}", self.name, event.object.key);
                Ok(())
            });
            match done.await {
                Ok(()) => event.release(),
                Err(failure) => settle(event, contents.cause_of(failure)).await,
            }
        }
    }
}
