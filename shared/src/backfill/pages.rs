//! Asks S3 for pages of objects.

use std::error::Error;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Config, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{EncodingType, Object, ObjectVersion};
use tracing::warn;

use super::{BackfillArgs, Listed, Place};
use crate::aws::{Backoff, decode_key, is_transient, other_region, why};

/// The pages of a listing that S3 has not been asked for yet.
#[derive(Debug)]
pub(super) struct Pages {
    s3: Client,
    place: Place,
    start_after: Option<String>,
    since: Option<DateTime>,
    /// `None` until S3 is asked. In S3's messages about a bucket with versions, each object has one, and its result is
    /// named by that. So the messages of a backfill need the versions too, which only a listing of all versions has.
    has_versions: Option<bool>,
    /// S3's names for the next page, except for the first.
    next: (Option<String>, Option<String>),
    /// The bucket's region, if S3 has said that it is another one.
    region: Option<Region>,
    backoff: Backoff,
}

/// Up to a thousand objects.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<Listed>,
    pub(super) left_out: LeftOut,
}

/// How many objects get no message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Empty objects whose keys end with `/`: S3's console makes one for each folder.
    pub(super) folders: u64,
    /// From before `--modified-since`.
    pub(super) older: u64,
    /// In an archive, from which S3 does not read. When such an object is restored, S3 tells of it.
    pub(super) archived: u64,
}

impl Pages {
    pub(super) fn of(s3: Client, place: &Place, args: &BackfillArgs) -> Self {
        Self {
            s3,
            place: place.clone(),
            start_after: args.start_after.clone(),
            since: args.modified_since,
            has_versions: None,
            next: (None, None),
            region: None,
            backoff: Backoff::new(format!("Listing {place}")),
        }
    }

    /// The next page, and those after it, if there are any. Transient errors are waited for.
    ///
    /// # Errors
    ///
    /// Why S3 does not list them, in words.
    pub(super) async fn next(mut self) -> Result<(Page, Option<Self>), String> {
        let has_versions = match self.has_versions {
            Some(known) => known,
            None => self.ask_for_versioning().await,
        };
        self.has_versions = Some(has_versions);
        let listed = if has_versions { self.versions().await } else { self.objects().await };
        let (page, is_truncated) =
            listed.map_err(|reason| format!("{} cannot be listed: {reason}", self.place))?;
        Ok((page, is_truncated.then_some(self)))
    }

    /// Whether the bucket has versions, or once had.
    async fn ask_for_versioning(&mut self) -> bool {
        let get = self.s3.get_bucket_versioning().bucket(&self.place.bucket);
        match self.ask(|config| get.clone().customize().config_override(config).send()).await {
            Ok(answer) => answer.status().is_some(),
            Err(reason) => {
                warn!(
                    "It is not known whether {} has versions. If so, objects that are processed already are processed \
                     again: {reason}. Allow s3:GetBucketVersioning and s3:ListBucketVersions",
                    self.place.bucket
                );
                false
            }
        }
    }

    async fn objects(&mut self) -> Result<(Page, bool), String> {
        let Place { bucket, prefix } = &self.place;
        let list = self.s3.list_objects_v2().bucket(bucket).prefix(prefix);
        let list = list.set_continuation_token(self.next.0.take());
        let list = list.set_start_after(self.start_after.clone());
        // A key can have characters that XML cannot.
        let list = list.encoding_type(EncodingType::Url);
        let answer =
            self.ask(|config| list.clone().customize().config_override(config).send()).await?;
        let decode = decoder(answer.encoding_type());
        let mut page = Page::default();
        for object in answer.contents() {
            let class = object.storage_class().map_or("", |class| class.as_str());
            page.add(listed(object, decode)?, class, self.since.as_ref());
        }
        self.next.0 = answer.next_continuation_token;
        let is_truncated = answer.is_truncated.unwrap_or_default() && self.next.0.is_some();
        Ok((page, is_truncated))
    }

    /// The latest version of each object.
    async fn versions(&mut self) -> Result<(Page, bool), String> {
        let Place { bucket, prefix } = &self.place;
        let (key, version) = self.next.clone();
        let list = self.s3.list_object_versions().bucket(bucket).prefix(prefix);
        let list = list.set_key_marker(key.or(self.start_after.clone()));
        let list = list.set_version_id_marker(version).encoding_type(EncodingType::Url);
        let answer =
            self.ask(|config| list.clone().customize().config_override(config).send()).await?;
        let decode = decoder(answer.encoding_type());
        let mut page = Page::default();
        for version in answer.versions().iter().filter(|it| it.is_latest == Some(true)) {
            let class = version.storage_class().map_or("", |class| class.as_str());
            page.add(listed_version(version, decode)?, class, self.since.as_ref());
        }
        let key = answer.next_key_marker.as_deref().map(decode).transpose()?;
        self.next = (key, answer.next_version_id_marker);
        let is_truncated = answer.is_truncated.unwrap_or_default() && self.next.0.is_some();
        Ok((page, is_truncated))
    }

    async fn ask<T, E, F>(&mut self, send: impl Fn(Builder) -> F) -> Result<T, String>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: ProvideErrorMetadata + Error + 'static,
    {
        loop {
            let mut config = Config::builder();
            if self.region.is_some() {
                config.set_region(self.region.clone());
            }
            match send(config).await {
                Ok(answer) => {
                    self.backoff.succeeded();
                    return Ok(answer);
                }
                Err(error) if is_transient(&error) => {
                    self.backoff.failed_so_wait(why(&error)).await;
                }
                Err(error) => match other_region(&error).filter(|_| self.region.is_none()) {
                    Some(region) => self.region = Some(region),
                    None => return Err(why(&error)),
                },
            }
        }
    }
}

impl Page {
    fn add(&mut self, object: Listed, storage_class: &str, since: Option<&DateTime>) {
        let LeftOut { folders, older, archived } = &mut self.left_out;
        if object.size == 0 && object.key.ends_with('/') {
            *folders += 1;
        } else if object.modified.as_ref() < since {
            *older += 1;
        } else if matches!(storage_class, "DEEP_ARCHIVE" | "GLACIER") {
            *archived += 1;
        } else {
            self.objects.push(object);
        }
    }
}

type Decode = fn(&str) -> Result<String, String>;

fn decoder(encoding: Option<&EncodingType>) -> Decode {
    match encoding {
        Some(EncodingType::Url) => |key| decode_key(key).map_err(|error| error.to_string()),
        _ => |key| Ok(key.to_owned()),
    }
}

fn listed(object: &Object, decode: Decode) -> Result<Listed, String> {
    Ok(Listed {
        key: decode(object.key().unwrap_or_default())?,
        version_id: None,
        etag: object.e_tag().map(without_quotes),
        size: object.size().unwrap_or_default(),
        modified: object.last_modified().copied(),
    })
}

fn listed_version(object: &ObjectVersion, decode: Decode) -> Result<Listed, String> {
    Ok(Listed {
        key: decode(object.key().unwrap_or_default())?,
        version_id: object.version_id().map(str::to_owned),
        etag: object.e_tag().map(without_quotes),
        size: object.size().unwrap_or_default(),
        modified: object.last_modified().copied(),
    })
}

/// S3's messages have none.
fn without_quotes(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}
