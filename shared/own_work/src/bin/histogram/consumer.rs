//! Files in, results out: access logs become histograms of their status codes.

use std::collections::BTreeMap;

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

    /// Counts the answers of a web server by their status code.
    async fn process(&self, _object: &S3Object, contents: &mut Contents) -> Result<Value, Failure> {
        let mut statuses = BTreeMap::<u16, u64>::new();
        let mut other_lines = 0_u64;
        while let Some(line) = contents.next_line().await? {
            match status(&line) {
                Some(status) => *statuses.entry(status).or_default() += 1,
                None => other_lines += 1,
            }
        }
        if statuses.is_empty() && other_lines > 0 {
            return Err(Failure::permanent("it has no line of an access log"));
        }
        Ok(json!({ "statuses": statuses, "other_lines": other_lines }))
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

/// The number after the quoted request, in the common and the combined log format.
fn status(line: &str) -> Option<u16> {
    let (_, after_request) = line.split_once("\" ")?;
    let status = after_request.split(' ').next()?.parse().ok()?;
    (100..600).contains(&status).then_some(status)
}
