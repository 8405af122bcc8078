//! Results as objects in a bucket.
//!
//! Each result is put on the condition that there is none yet (`If-None-Match: *`). So the bucket is the record of the
//! files that are done: machines that share the queue and the bucket need nothing else in common.

use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_bucket_notification_configuration::{
    GetBucketNotificationConfigurationError as LookError,
    GetBucketNotificationConfigurationOutput as Notifications,
};
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::operation::put_object::PutObjectError;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::named::Named;
use crate::aws::{Backoff, Queue, S3Object, is_denied, other_region, why};
use crate::check::notification::tells;

/// A prefix in a bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    s3: Client,
    name: String,
    prefix: String,
    /// Why S3 does not say whether it tells the queue of results.
    unsure: Option<String>,
}

/// How S3 treats results.
#[derive(Debug)]
pub(crate) struct Probed {
    /// Whether it refuses a result that is there already; or why it takes none.
    pub(crate) refuses: Result<bool, String>,
    /// Why it does not say whether a result is there.
    pub(crate) silent: Option<String>,
    /// Why it does not say whether it tells the queue of results.
    pub(crate) unsure: Option<String>,
    /// Why it removes no record of a failure.
    pub(crate) keeps_failed: Option<String>,
}

/// Names of records of failures.
#[derive(Debug, Default)]
pub(super) struct Listed {
    names: HashSet<String>,
    /// Whether there are more than were listed.
    has_more: bool,
}

/// The folder of the records of failures, in a bucket and on a disk.
pub(super) const FAILED: &str = "failed/";
/// How many results are put at the same time. It is more than the messages that one request can delete.
const PUTS: usize = 32;
/// How long S3 may take to say whether it tells the queue of the bucket's new objects.
const LOOK_LIMIT: Duration = Duration::from_secs(10);
/// The object that `--check` puts and removes.
const PROBE: &str = "palleto-check";
const NO_SUCH_RESULT: &str = "palleto-check-no-such-result";
/// How many pages of a thousand records are listed.
const PAGES: usize = 10;
/// How each result's name ends.
const SUFFIX: &str = ".json";

impl Bucket {
    /// Uses a bucket that is there, and tells none of the `queues` of results. If S3 does not say either, it is used all the
    /// same.
    ///
    /// # Errors
    ///
    /// In words, if there is no such bucket, or if each result would come back as a file.
    pub(super) async fn open(
        s3: &Client,
        name: &str,
        prefix: &str,
        queues: &[Queue],
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let (s3, name, prefix) = (s3.clone(), name.to_owned(), prefix.to_owned());
        let mut bucket = Self { s3, name, prefix, unsure: None };
        let mut answer = bucket.look().await;
        if let Ok(Err(error)) = &answer
            && let Some(region) = other_region(error)
        {
            let there = bucket.s3.config().to_builder().region(region).build();
            bucket.s3 = Client::from_conf(there);
            answer = bucket.look().await;
        }
        let arns: Vec<_> = queues.iter().filter_map(|queue| queue.arn.as_deref()).collect();
        match answer {
            Ok(Err(error)) if error.code() == Some("NoSuchBucket") => {
                return Err("there is no such bucket".into());
            }
            Ok(Ok(all)) if arns.iter().any(|arn| tells(&all, arn, &bucket.prefix, SUFFIX)) => {
                let says = "the bucket tells the queue of new objects there, so that each result would be a file \
                            to process";
                return Err(says.into());
            }
            Ok(Ok(_)) if arns.is_empty() || arns.len() < queues.len() => {
                bucket.unsure = Some("the queue's ARN is not known".to_owned());
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => bucket.unsure = Some(why(&error)),
            Err(late) => bucket.unsure = Some(late.to_string()),
        }
        Ok(bucket)
    }

    async fn look(&self) -> Result<Result<Notifications, SdkError<LookError>>, Elapsed> {
        let look = self.s3.get_bucket_notification_configuration().bucket(&self.name);
        timeout(LOOK_LIMIT, Box::pin(look.send())).await
    }

    /// Whether there is a result of this name. `false` if S3 does not say: then the condition on
    /// [`write`](Self::write) will tell.
    pub(super) async fn has(&self, name: &str) -> bool {
        let head = self.s3.head_object().bucket(&self.name).key(self.key(name));
        Box::pin(head.send()).await.is_ok()
    }

    /// Whether this object is a result. The queue may be told of it by ways that the bucket does not name, such as
    /// EventBridge or a topic.
    pub(super) fn is_result(&self, object: &S3Object) -> bool {
        let name = object.key.strip_prefix(&self.prefix).filter(|_| object.bucket == self.name);
        let start = name.and_then(|name| name.strip_suffix(SUFFIX));
        let hash = start.and_then(|start| start.rsplit_once('-')).map(|(_, hash)| hash);
        hash.is_some_and(|hash| hash.len() == 32 && hash.bytes().all(|it| it.is_ascii_hexdigit()))
    }

    /// Waits until each of these results is in the bucket, written now or before. If S3 fails, it tries again until it
    /// is dropped.
    pub(super) async fn write(&self, results: &[Arc<Named>], writing: &Backoff) {
        let put = async |result: &Arc<Named>| {
            let key = self.key(&result.name);
            // After a conflict with another program that puts the same result (409), it is there, or can be put.
            while let Err(error) = self.put(&key, result.json.clone()).await {
                writing.failed_so_wait(why(&error)).await;
            }
        };
        stream::iter(results).map(put).buffer_unordered(PUTS).collect::<()>().await;
        writing.succeeded();
    }

    /// Puts an object, and returns whether it was not there yet.
    async fn put(&self, key: &str, json: Bytes) -> Result<bool, SdkError<PutObjectError>> {
        let put = self.s3.put_object().bucket(&self.name).key(key).body(json.into());
        let put = put.content_type("application/json").if_none_match("*");
        match Box::pin(put.send()).await {
            Ok(_) => Ok(true),
            // This program or another one has put it before.
            Err(error) if error.raw_response().is_some_and(|it| it.status().as_u16() == 412) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn probe(&self) -> Probed {
        let key = self.key(PROBE);
        let put = || self.put(&key, Bytes::from_static(b"{}\n"));
        // The first one may be there, left by a role that may not delete it.
        let refuses = match put().await {
            Ok(true) => put().await.map(|is_new| !is_new),
            other => other.map(|is_new| !is_new),
        };
        let head = self.s3.head_object().bucket(&self.name).key(self.key(NO_SUCH_RESULT));
        let is_missing = |error: &SdkError<HeadObjectError>| {
            error.raw_response().is_some_and(|it| it.status().as_u16() == 404)
        };
        let silent = head.send().await.err().filter(|error| !is_missing(error));
        if refuses.is_ok() {
            let _ = self.s3.delete_object().bucket(&self.name).key(&key).send().await;
        }
        Probed {
            refuses: refuses.map_err(|error| why(&error)),
            silent: silent.map(|error| match error.raw_response() {
                // The answer to a HEAD has no body that could say more.
                Some(answer) => format!("HTTP {}", answer.status().as_u16()),
                None => why(&error),
            }),
            unsure: self.unsure.clone(),
            keeps_failed: self.remove_failed(PROBE).await.err(),
        }
    }

    // Records of failures.

    /// The names of the records, as many as can be listed with ten requests.
    pub(super) async fn list_failed(&self) -> Result<Listed, String> {
        let folder = self.key(FAILED);
        let list = self.s3.list_objects_v2().bucket(&self.name).prefix(&folder);
        let mut pages = list.into_paginator().send();
        let mut listed = Listed::default();
        for _page in 0..PAGES {
            let Some(page) = pages.next().await else { return Ok(listed) };
            let page = page.map_err(|error| why(&error))?;
            let keys = page.contents().iter().filter_map(|object| object.key());
            let names = keys.filter_map(|key| key.strip_prefix(&folder)).map(str::to_owned);
            listed.names.extend(names);
            listed.has_more = page.is_truncated() == Some(true);
        }
        Ok(listed)
    }

    /// The content of a record, if there is one.
    pub(super) async fn read_failed(&self, name: &str) -> Result<Option<Bytes>, String> {
        let get = self.s3.get_object().bucket(&self.name).key(self.failed_key(name));
        match Box::pin(get.send()).await {
            Ok(found) => match found.body.collect().await {
                Ok(content) => Ok(Some(content.into_bytes())),
                Err(error) => Err(error.to_string()),
            },
            // Without s3:ListBucket, S3 does not say which of the two it means.
            Err(error) if error.code().is_some_and(|it| it == "NoSuchKey" || is_denied(it)) => {
                Ok(None)
            }
            Err(error) => Err(why(&error)),
        }
    }

    pub(super) async fn write_failed(&self, name: &str, json: Vec<u8>) -> Result<(), String> {
        let put = self.s3.put_object().bucket(&self.name).key(self.failed_key(name));
        let put = put.body(json.into()).content_type("application/json");
        Box::pin(put.send()).await.map(drop).map_err(|error| why(&error))
    }

    /// Removes a record, if there is one.
    pub(super) async fn remove_failed(&self, name: &str) -> Result<(), String> {
        let delete = self.s3.delete_object().bucket(&self.name).key(self.failed_key(name));
        Box::pin(delete.send()).await.map(drop).map_err(|error| why(&error))
    }

    fn failed_key(&self, name: &str) -> String {
        self.key(&format!("{FAILED}{name}"))
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

impl Listed {
    pub(super) fn may_have(&self, name: &str) -> bool {
        self.has_more || self.names.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::file_name;
    use super::*;
    use crate::aws::Clients;

    fn object(bucket: &str, key: &str) -> S3Object {
        S3Object { bucket: bucket.into(), key: key.into(), version_id: None, etag: None }
    }

    #[test]
    fn a_result_is_known_by_its_key() {
        let s3 = Clients::local("http://127.0.0.1:1").s3;
        let bucket = |prefix: &str| Bucket {
            s3: s3.clone(),
            name: "b".to_owned(),
            prefix: prefix.to_owned(),
            unsure: None,
        };
        for prefix in ["", "results/"] {
            let bucket = bucket(prefix);
            let name = file_name(&object("in", "a-b/c-d.json"), "v");
            assert!(bucket.is_result(&object("b", &bucket.key(&name))));
            assert!(!bucket.is_result(&object("other", &bucket.key(&name))));
            // A record of a failure that the queue is told of is no file to process either.
            assert!(bucket.is_result(&object("b", &bucket.failed_key(&name))));
            for key in ["a.json", "a-0123.json", "results/a.json", &name.replace(".json", ".gz")] {
                assert!(!bucket.is_result(&object("b", key)), "{key}");
            }
        }
        let bucket = bucket("results/");
        let name = file_name(&object("in", "a"), "v");
        assert!(!bucket.is_result(&object("b", &name)), "it is not where results go");
    }
}
