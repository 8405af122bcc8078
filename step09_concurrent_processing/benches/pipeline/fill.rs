//! Puts files into S3, and messages about them into SQS.

use std::fmt;
use std::io::{self, Write};

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use shared::Error;

use super::place::Place;

/// The number of files, and of lines in each.
pub struct Workload {
    pub files: u32,
    pub lines: u32,
}

/// The files of a workload, in S3. All have the same content, but a program that downloads them cannot
/// know that.
pub struct Files {
    pub count: u32,
    /// Of each file, like the next fields.
    pub lines: u32,
    pub bytes: u64,
    zipped: usize,
    etag: String,
}

/// How many requests are in progress at the same time.
const AT_ONCE: usize = 8;

impl Files {
    fn key(&self, number: u32) -> String {
        format!("palleto-benchmark/{}-lines/{number:06}.log.gz", self.lines)
    }
}

impl fmt::Display for Files {
    #[allow(clippy::cast_precision_loss)] // Precise enough to read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, lines, bytes, zipped, .. } = self;
        let megabytes = *bytes as f64 / 1e6;
        let ratio = *bytes as f64 / *zipped as f64;
        let files = if *count == 1 { "file" } else { "files" };
        write!(f, "{count} {files} of {lines} lines, {megabytes:.1} MB each, zipped {ratio:.1}:1")
    }
}

/// Uploads one file, and lets S3 copy it, because a program that downloads them sees no difference.
pub async fn upload(place: &Place, workload: &Workload) -> Result<Files, Error> {
    let Place { s3, bucket, .. } = place;
    let (zipped, bytes) = log_file(workload.lines)?;
    let mut files = Files {
        count: workload.files,
        lines: workload.lines,
        bytes,
        zipped: zipped.len(),
        etag: String::new(),
    };
    let first = files.key(0);
    let put = s3.put_object().bucket(bucket).key(&first).body(zipped.into());
    let etag = put.send().await?.e_tag.unwrap_or_default();
    etag.trim_matches('"').clone_into(&mut files.etag);
    let copies = stream::iter(1..files.count).map(|number| {
        let source = format!("{bucket}/{first}");
        s3.copy_object().bucket(bucket).key(files.key(number)).copy_source(source).send()
    });
    copies.buffer_unordered(AT_ONCE).try_for_each(async |_| Ok(())).await?;
    Ok(files)
}

pub async fn remove(place: &Place, files: &Files) -> Result<(), Error> {
    let delete =
        |number| place.s3.delete_object().bucket(&place.bucket).key(files.key(number)).send();
    let deletions = stream::iter(0..files.count).map(delete).buffer_unordered(AT_ONCE);
    Ok(deletions.try_for_each(async |_| Ok(())).await?)
}

/// Notifies the queue of the files, in S3's format.
pub async fn send_messages(place: &Place, files: &Files) -> Result<(), Error> {
    let numbers: Vec<_> = (0..files.count).collect();
    let batches = numbers.chunks(10).map(|numbers| {
        let entries = numbers.iter().filter_map(|number| {
            let entry = SendMessageBatchRequestEntry::builder().id(number.to_string());
            entry.message_body(message(place, files, *number)).build().ok() // All required fields are set.
        });
        let send = place.sqs.send_message_batch().queue_url(&place.queue_url);
        send.set_entries(Some(entries.collect())).send()
    });
    let mut sent = stream::iter(batches).buffer_unordered(AT_ONCE);
    while let Some(answer) = sent.try_next().await? {
        if let Some(failed) = answer.failed.first() {
            return Err(io::Error::other(format!("SQS does not take messages: {failed:?}")).into());
        }
    }
    Ok(())
}

fn message(place: &Place, files: &Files, number: u32) -> String {
    let record = json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-07-20T00:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": { "principalId": "AWS:AROAEXAMPLE:benchmark" },
        "requestParameters": { "sourceIPAddress": "127.0.0.1" },
        "responseElements": { "x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8" },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "benchmark",
            "bucket": {
                "name": place.bucket,
                "ownerIdentity": { "principalId": "A3NL1KOZZKExample" },
                "arn": format!("arn:aws:s3:::{}", place.bucket),
            },
            "object": {
                "key": files.key(number),
                "size": files.zipped,
                "eTag": files.etag,
                "sequencer": format!("{number:016X}"),
            },
        },
    });
    json!({ "Records": [record] }).to_string()
}

/// A zipped log of a web server, and its size before zipping.
fn log_file(lines: u32) -> io::Result<(Vec<u8>, u64)> {
    let mut zipped = GzEncoder::new(Vec::new(), Compression::default());
    let mut bytes = 0;
    let mut random = 1u64;
    for number in 0..lines {
        // MMIX's random numbers: the same at each run, but gzip cannot predict them.
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let part = |shift: u32, below: u64| (random >> shift) % below;
        let (minute, second) = (number / 6000 % 60, number / 100 % 60);
        let (item, size, took) = (part(40, 500), part(24, 2000), part(50, 40));
        let status = if part(33, 50) == 0 { 404 } else { 200 };
        let line = format!(
            "2026-07-20T09:{minute:02}:{second:02}Z INFO packrat request={number:08} \
             GET /items/item-{item:03} status={status} bytes={size:05} ms={took:02}\n"
        );
        bytes += line.len() as u64;
        zipped.write_all(line.as_bytes())?;
    }
    Ok((zipped.finish()?, bytes))
}
