//! Asks S3 for pages of objects.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Config, Region};
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{EncodingType, Object, ObjectStorageClass};

use super::{BackfillArgs, Listed, Place};
use crate::aws::{Backoff, decode_key, is_transient, other_region, why};

/// The pages of a listing that S3 has not been asked for yet.
#[derive(Debug)]
pub(super) struct Pages {
    s3: Client,
    place: Place,
    start_after: Option<String>,
    since: Option<DateTime>,
    /// S3's name for the next page, except for the first.
    token: Option<String>,
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
            token: None,
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
        let answer = self.ask().await?;
        let page = self.read(&answer)?;
        self.token = answer.next_continuation_token.filter(|_| answer.is_truncated == Some(true));
        let rest = self.token.is_some().then_some(self);
        Ok((page, rest))
    }

    async fn ask(&mut self) -> Result<ListObjectsV2Output, String> {
        loop {
            let Place { bucket, prefix } = &self.place;
            let list = self.s3.list_objects_v2().bucket(bucket).prefix(prefix);
            let list = list.set_continuation_token(self.token.clone());
            let list = list.set_start_after(self.start_after.clone());
            // A key can have characters that XML cannot.
            let list = list.encoding_type(EncodingType::Url).customize();
            let list = match &self.region {
                Some(region) => list.config_override(Config::builder().region(region.clone())),
                None => list,
            };
            match list.send().await {
                Ok(answer) => {
                    self.backoff.succeeded();
                    return Ok(answer);
                }
                Err(error) if is_transient(&error) => {
                    self.backoff.failed_so_wait(why(&error)).await;
                }
                Err(error) => match other_region(&error).filter(|_| self.region.is_none()) {
                    Some(region) => self.region = Some(region),
                    None => {
                        return Err(format!("{} cannot be listed: {}", self.place, why(&error)));
                    }
                },
            }
        }
    }

    fn read(&self, answer: &ListObjectsV2Output) -> Result<Page, String> {
        let is_encoded = answer.encoding_type() == Some(&EncodingType::Url);
        let mut page = Page::default();
        for object in answer.contents() {
            let key = object.key().unwrap_or_default();
            let key = if is_encoded { decode_key(key) } else { Ok(key.to_owned()) };
            let key = key.map_err(|error| format!("{} cannot be listed: {error}", self.place))?;
            let LeftOut { folders, older, archived } = &mut page.left_out;
            let size = object.size().unwrap_or_default();
            if size == 0 && key.ends_with('/') {
                *folders += 1;
            } else if object.last_modified() < self.since.as_ref() {
                *older += 1;
            } else if is_archived(object) {
                *archived += 1;
            } else {
                // In a listing it has quotes, and in S3's messages it has none.
                let etag = object.e_tag().map(|etag| etag.trim_matches('"').to_owned());
                page.objects.push(Listed {
                    key,
                    etag,
                    size,
                    modified: object.last_modified().copied(),
                });
            }
        }
        Ok(page)
    }
}

fn is_archived(object: &Object) -> bool {
    use ObjectStorageClass::{DeepArchive, Glacier};
    matches!(object.storage_class(), Some(DeepArchive | Glacier))
}
