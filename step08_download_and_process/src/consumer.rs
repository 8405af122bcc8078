//! Files in, results out.

use serde_json::{Value, json};
use shared::job::{Contents, Failure, Job, S3Object};
use shared::stage::{self, Consumer, ConsumerHandle};
use tracing::info;

use crate::producer_consumer::{File, settle};
use crate::server::Event;

pub struct SqsConsumer {
    name: String,
    job: Job,
}

impl SqsConsumer {
    pub fn start(name: &str, job: &Job) -> ConsumerHandle<Self> {
        stage::named(name).start_consumer(Self { name: name.into(), job: job.clone() })
    }

    /// Your own work: reads the file, and returns the fields of its result.
    async fn process(&self, _object: &S3Object, contents: &mut Contents) -> Result<Value, Failure> {
        // The contents count their lines while they are read.
        while contents.next().await?.is_some() {}
        Ok(json!({ "line_count": contents.line_count() }))
    }

    async fn work_on(&self, event: &Event, contents: &mut Contents) -> Result<(), Failure> {
        let outcome = self.process(&event.object, contents).await?;
        self.job.results.write(&event.object, contents, &outcome).await?;
        info!(key = event.object.key, "{} processed {}", self.name, event.object.key);
        Ok(())
    }
}

impl Consumer for SqsConsumer {
    type Event = File;

    async fn handle_events(&mut self, files: Vec<File>) {
        for (event, mut contents) in files {
            let result = event.hold(self.work_on(&event, &mut contents)).await;
            settle(event, contents.cause_of(result)).await;
        }
    }
}
