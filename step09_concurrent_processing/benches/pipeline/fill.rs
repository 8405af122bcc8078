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
    /// Every hundredth file has 200 times as many lines.
    pub mixed: bool,
}

/// The files of a workload, in S3. Those of one length have the same content, but a program that downloads them cannot
/// know that.
pub struct Files {
    pub count: u32,
    usual: Content,
    /// Every hundredth file's, if there are large ones.
    large: Option<Content>,
}

/// A file's, in S3.
struct Content {
    lines: u32,
    bytes: u64,
    zipped: usize,
    etag: String,
}

/// How many requests are in progress at the same time.
const AT_ONCE: usize = 8;
/// One file in this many is large, in the middle of them.
const LARGE_EVERY: u32 = 100;
/// A large one has this many times as many lines.
const LARGE: u32 = 200;

impl Files {
    /// Of all files.
    pub fn lines(&self) -> u64 {
        self.sum(|content| content.lines.into())
    }

    /// Of all files, unzipped.
    pub fn bytes(&self) -> u64 {
        self.sum(|content| content.bytes)
    }

    fn sum(&self, value: impl Fn(&Content) -> u64) -> u64 {
        (0..self.count).map(|number| value(self.content(number))).sum()
    }

    fn content(&self, number: u32) -> &Content {
        match &self.large {
            Some(large) if number % LARGE_EVERY == LARGE_EVERY / 2 => large,
            _ => &self.usual,
        }
    }

    fn key(&self, number: u32) -> String {
        format!("palleto-benchmark/{}-lines/{number:06}.log.gz", self.content(number).lines)
    }
}

impl fmt::Display for Files {
    #[allow(clippy::cast_precision_loss)] // Precise enough to read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Content { lines, bytes, zipped, .. } = &self.usual;
        let megabytes = *bytes as f64 / 1e6;
        let ratio = *bytes as f64 / *zipped as f64;
        let files = if self.count == 1 { "file" } else { "files" };
        write!(
            f,
            "{} {files} of {lines} lines, {megabytes:.1} MB each, zipped {ratio:.1}:1",
            self.count
        )?;
        if let Some(large) = &self.large {
            write!(f, ", but every {LARGE_EVERY}th of {:.0} MB", large.bytes as f64 / 1e6)?;
        }
        Ok(())
    }
}

/// Uploads one file of each length, and lets S3 copy it, because a program that downloads them sees no difference.
pub async fn upload(place: &Place, workload: &Workload) -> Result<Files, Error> {
    let Place { s3, bucket, .. } = place;
    let original = |lines| format!("palleto-benchmark/{lines}-lines/original.log.gz");
    let put = async |lines| -> Result<Content, Error> {
        let (zipped, bytes) = log_file(lines)?;
        let length = zipped.len();
        let put = s3.put_object().bucket(bucket).key(original(lines)).body(zipped.into());
        let etag = put.send().await?.e_tag.unwrap_or_default();
        Ok(Content { lines, bytes, zipped: length, etag: etag.trim_matches('"').to_owned() })
    };
    let usual = put(workload.lines).await?;
    let large = if workload.mixed { Some(put(workload.lines * LARGE).await?) } else { None };
    let files = Files { count: workload.files, usual, large };
    let copies = stream::iter(0..files.count).map(|number| {
        let source = format!("{bucket}/{}", original(files.content(number).lines));
        s3.copy_object().bucket(bucket).key(files.key(number)).copy_source(source).send()
    });
    copies.buffer_unordered(AT_ONCE).try_for_each(async |_| Ok(())).await?;
    for content in [Some(&files.usual), files.large.as_ref()].into_iter().flatten() {
        s3.delete_object().bucket(bucket).key(original(content.lines)).send().await?;
    }
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
                "size": files.content(number).zipped,
                "eTag": files.content(number).etag,
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
