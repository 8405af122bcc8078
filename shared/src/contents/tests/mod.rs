mod formats;
mod lines;
mod packing;
mod properties;
mod unzip;
mod ways;

use std::io::{self, Write};

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use bzip2::write::BzEncoder;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;

use super::{Contents, Limits};
use crate::aws::{Download, Failure};

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// With a checksum, as the program `zstd` has it.
fn zstd(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

async fn contents(file: Vec<u8>) -> Contents {
    Contents::unzip(Download::of(file.into()), Limits::default()).await
}

/// A download that arrives in these chunks.
fn download(chunks: impl Iterator<Item = io::Result<Bytes>> + Send + Sync + 'static) -> Download {
    let body = StreamBody::new(stream::iter(chunks.map(|chunk| chunk.map(Frame::data))));
    Download::of(ByteStream::from_body_1_x(body))
}

/// The contents of a download that arrives in these chunks.
async fn contents_of(chunks: Vec<Bytes>) -> Contents {
    Contents::unzip(download(chunks.into_iter().map(Ok)), Limits::default()).await
}

/// Whether a failure of work on these contents is blamed on the file, and not on its download.
fn is_about_the_file(contents: &Contents) -> bool {
    let result = Err::<(), _>(Failure::permanent("it is damaged"));
    matches!(contents.cause_of(result), Err(Failure::Permanent(_)))
}

async fn read_all(contents: &mut Contents) -> io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(chunk) = contents.next().await? {
        whole.extend_from_slice(chunk);
    }
    Ok(whole)
}
