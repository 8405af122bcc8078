//! Files in, files out: the errors in files of JSON lines go into new objects.

use std::io::Write;
use std::mem;

use aws_sdk_s3::primitives::ByteStream;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::job::{Contents, Failure, Job, S3Object};
use shared::stage::{self, Consumer, ConsumerHandle};
use tempfile::NamedTempFile;
use tokio::fs;
use tokio::io::AsyncWriteExt;
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

    /// Writes the errors among a file's JSON lines to a new object.
    async fn process(&self, object: &S3Object, contents: &mut Contents) -> Result<Value, Failure> {
        // The bucket may announce the new objects too. Without this, each would lead to another one.
        if object.key.starts_with(PREFIX) {
            return Ok(json!({ "skipped": "this program wrote it" }));
        }
        let file = NamedTempFile::new()?;
        let mut zipped = fs::File::from_std(file.reopen()?);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        let (mut line_number, mut kept_lines) = (0, 0);
        while let Some(line) = contents.next_line().await? {
            line_number += 1;
            let entry: Entry = serde_json::from_str(&line)
                .map_err(|error| Failure::permanent(format!("line {line_number}: {error}")))?;
            if entry.level == "error" {
                writeln!(gzip, "{line}")?;
                kept_lines += 1;
            }
            if gzip.get_ref().len() >= BUFFER {
                zipped.write_all(&mem::take(gzip.get_mut())).await?;
            }
        }
        zipped.write_all(&gzip.finish()?).await?;
        zipped.flush().await?;
        // Last. S3 has the new object whole or not at all.
        let key = format!("{PREFIX}{}", object.key);
        let put = self.job.s3.put_object().bucket(&object.bucket).key(&key);
        let put = put.body(ByteStream::from_path(&file).await?);
        Box::pin(put.send()).await?; // The future of a request is large.
        Ok(json!({ "kept_lines": kept_lines, "written_to": key }))
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

#[derive(Deserialize)]
struct Entry {
    level: String,
}

/// The prefix of the new objects' keys.
const PREFIX: &str = "errors/";
/// Zipped bytes are written to the file when there are this many.
const BUFFER: usize = 64 * 1024;
