//! The embedded S3: s3s speaks the protocol, and this module answers from the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use md5::{Digest, Md5};
use parking_lot::{Mutex, MutexGuard};
use rustack_sqs_core::provider::RustackSqs;
#[allow(clippy::wildcard_imports)] // Some sixty types of the S3 API.
use s3s::dto::*;
use s3s::{Body, S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::REGION;
use super::notification::{self, Created};
use super::store::{
    Bucket as StoredBucket, NULL_VERSION, Object as StoredObject, Store, Upload, Version,
};
use super::versions::{self, encoding};

pub(super) struct EmbeddedS3 {
    store: Mutex<Store>,
    queues: Arc<RustackSqs>,
}

/// An object to be stored, without its content.
struct NewObject {
    by: &'static str,
    bucket: BucketName,
    key: ObjectKey,
    content_type: Option<String>,
    metadata: Option<Metadata>,
    /// Whether there must be no object of this key yet: `If-None-Match: *`.
    must_be_new: bool,
}

impl EmbeddedS3 {
    pub(super) fn new(queues: Arc<RustackSqs>) -> Self {
        Self { store: Mutex::default(), queues }
    }

    /// The guard is never held over an `await`.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock()
    }

    /// Stores an object, and tells the queues that are configured for it.
    async fn create(
        &self,
        new: NewObject,
        content: Bytes,
        etag: String,
    ) -> S3Result<(ETag, Option<String>)> {
        let size = content.len();
        let object = StoredObject {
            content,
            etag: etag.clone(),
            modified: SystemTime::now(),
            content_type: new.content_type.or_else(|| Some("binary/octet-stream".to_owned())),
            metadata: new.metadata,
        };
        let (version_id, messages) = {
            let mut store = self.store();
            let version_id = store.new_version_id(&new.bucket);
            let sequencer = store.new_id();
            let created = Created {
                by: new.by,
                bucket: &new.bucket,
                key: &new.key,
                size,
                etag: &etag,
                version_id: version_id.as_deref(),
                sequencer: &sequencer,
            };
            let bucket = bucket_mut(&mut store, &new.bucket)?;
            let exists = bucket.version(&new.key, None).is_some_and(|it| it.object.is_some());
            // Under the lock that stores the object: of two that come at the same time, one is refused.
            if new.must_be_new && exists {
                return Err(s3_error!(PreconditionFailed));
            }
            let configurations = bucket.notifications.queue_configurations.iter().flatten();
            let messages: Vec<_> = configurations
                .filter(|configuration| created.concerns(configuration))
                .map(|queue| {
                    let id = queue.id.as_deref().unwrap_or_default();
                    (queue.queue_arn.clone(), created.message(id))
                })
                .collect();
            bucket.put(new.key.clone(), Version { id: version_id.clone(), object: Some(object) });
            (version_id, messages)
        };
        for (queue_arn, message) in messages {
            if let Err(error) = notification::send(&self.queues, &queue_arn, message).await {
                tracing::error!("no notification of {}/{}: {error}", new.bucket, new.key);
            }
        }
        Ok((ETag::Strong(etag), version_id))
    }

    fn find(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> S3Result<(Option<String>, StoredObject)> {
        let store = self.store();
        let bucket = self::bucket(&store, bucket)?;
        match bucket.version(key, version) {
            Some(Version { id, object: Some(object) }) => Ok((id.clone(), object.clone())),
            Some(Version { object: None, .. }) if version.is_some() => {
                Err(s3_error!(MethodNotAllowed))
            }
            None if version.is_some() => Err(s3_error!(NoSuchVersion)),
            _ => Err(s3_error!(NoSuchKey)),
        }
    }

    /// Returns the version of the delete marker that this makes. If the marker has no identifier, the version
    /// is `null`.
    fn delete(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> S3Result<Option<ObjectVersionId>> {
        let mut store = self.store();
        let marker = store.new_version_id(bucket);
        let bucket = bucket_mut(&mut store, bucket)?;
        if bucket.versioning.is_none() || version.is_some() {
            bucket.remove(key, version);
            return Ok(None);
        }
        bucket.put(key.to_owned(), Version { id: marker.clone(), object: None });
        Ok(marker.or_else(|| Some(NULL_VERSION.to_owned())))
    }
}

fn bucket<'a>(store: &'a Store, name: &str) -> S3Result<&'a StoredBucket> {
    store.buckets.get(name).ok_or_else(|| s3_error!(NoSuchBucket))
}

fn bucket_mut<'a>(store: &'a mut Store, name: &str) -> S3Result<&'a mut StoredBucket> {
    store.buckets.get_mut(name).ok_or_else(|| s3_error!(NoSuchBucket))
}

/// The most memory to reserve for a body. A request may announce more than it has, and more than there is.
const MOST_RESERVED: usize = 64 << 20;

/// Reads a request's body to its end, and hashes it as S3 does for an `ETag`.
async fn receive(body: Option<StreamingBlob>, length: Option<i64>) -> S3Result<(Bytes, String)> {
    let length = usize::try_from(length.unwrap_or(0)).unwrap_or(0);
    let mut content = BytesMut::with_capacity(length.min(MOST_RESERVED));
    let mut md5 = Md5::new();
    if let Some(mut body) = body {
        while let Some(chunk) = body
            .try_next()
            .await
            .map_err(|e| S3Error::with_source(S3ErrorCode::IncompleteBody, e))?
        {
            md5.update(&chunk);
            content.extend_from_slice(&chunk);
        }
    }
    Ok((content.freeze(), hex::encode(md5.finalize())))
}

fn size(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

fn matches(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(wanted) => wanted.value() == etag,
    }
}

#[async_trait::async_trait]
impl S3 for EmbeddedS3 {
    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let location = Some(format!("/{}", request.input.bucket));
        self.store().create_bucket(request.input.bucket);
        Ok(S3Response::new(CreateBucketOutput { location }))
    }

    async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        let mut store = self.store();
        if !bucket(&store, &request.input.bucket)?.is_empty() {
            return Err(s3_error!(BucketNotEmpty));
        }
        store.buckets.remove(&request.input.bucket);
        Ok(S3Response::new(DeleteBucketOutput::default()))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        bucket(&self.store(), &request.input.bucket)?;
        let bucket_region = Some(REGION.to_owned());
        Ok(S3Response::new(HeadBucketOutput { bucket_region, ..Default::default() }))
    }

    async fn list_buckets(
        &self,
        _request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let store = self.store();
        let buckets = store.buckets.iter().map(|(name, bucket)| Bucket {
            name: Some(name.clone()),
            creation_date: Some(bucket.created.into()),
            ..Default::default()
        });
        let buckets = Some(buckets.collect());
        Ok(S3Response::new(ListBucketsOutput { buckets, ..Default::default() }))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        bucket(&self.store(), &request.input.bucket)?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let status = bucket(&self.store(), &request.input.bucket)?.versioning.clone();
        Ok(S3Response::new(GetBucketVersioningOutput { status, ..Default::default() }))
    }

    async fn put_bucket_versioning(
        &self,
        request: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let status = request.input.versioning_configuration.status;
        bucket_mut(&mut self.store(), &request.input.bucket)?.versioning = status;
        Ok(S3Response::new(PutBucketVersioningOutput::default()))
    }

    async fn get_bucket_notification_configuration(
        &self,
        request: S3Request<GetBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<GetBucketNotificationConfigurationOutput>> {
        let notifications = bucket(&self.store(), &request.input.bucket)?.notifications.clone();
        Ok(S3Response::new(GetBucketNotificationConfigurationOutput {
            queue_configurations: notifications.queue_configurations,
            ..Default::default()
        }))
    }

    async fn put_bucket_notification_configuration(
        &self,
        request: S3Request<PutBucketNotificationConfigurationInput>,
    ) -> S3Result<S3Response<PutBucketNotificationConfigurationOutput>> {
        let PutBucketNotificationConfigurationInput {
            bucket: name,
            notification_configuration: mut notifications,
            ..
        } = request.input;
        if notifications.topic_configurations.is_some()
            || notifications.lambda_function_configurations.is_some()
            || notifications.event_bridge_configuration.is_some()
        {
            return Err(s3_error!(NotImplemented, "only queues can be notified here"));
        }
        let request_id = {
            let mut store = self.store();
            bucket(&store, &name)?;
            store.new_id()
        };
        for queue in notifications.queue_configurations.iter_mut().flatten() {
            let test = notification::test_event(&name, &request_id).to_string();
            queue.id.get_or_insert_with(|| request_id.clone());
            notification::send(&self.queues, &queue.queue_arn, test).await.map_err(|error| {
                s3_error!(
                    InvalidArgument,
                    "Unable to validate the following destination configurations: {}: {error}",
                    queue.queue_arn
                )
            })?;
        }
        bucket_mut(&mut self.store(), &name)?.notifications = notifications;
        Ok(S3Response::new(PutBucketNotificationConfigurationOutput {}))
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let PutObjectInput { bucket, key, body, content_length, content_type, metadata, .. } =
            request.input;
        // The only condition that S3 knows here is `*`.
        let must_be_new = request.input.if_none_match.is_some();
        let (content, etag) = receive(body, content_length).await?;
        let new = NewObject { by: "Put", bucket, key, content_type, metadata, must_be_new };
        let (etag, version_id) = self.create(new, content, etag).await?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(etag), version_id, ..Default::default() }))
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let CopyObjectInput {
            bucket,
            key,
            copy_source,
            content_type,
            metadata,
            metadata_directive,
            ..
        } = request.input;
        let CopySource::Bucket { bucket: from_bucket, key: from_key, version_id } = copy_source
        else {
            return Err(s3_error!(NotImplemented, "there are no access points here"));
        };
        let (_, source) = self.find(&from_bucket, &from_key, version_id.as_deref())?;
        let replace = metadata_directive.is_some_and(|directive| directive.as_str() == "REPLACE");
        let (content_type, metadata) =
            if replace { (content_type, metadata) } else { (source.content_type, source.metadata) };
        let must_be_new = false;
        let new = NewObject { by: "Copy", bucket, key, content_type, metadata, must_be_new };
        let (etag, version_id) = self.create(new, source.content, source.etag).await?;
        let copy_object_result = Some(CopyObjectResult {
            e_tag: Some(etag),
            last_modified: Some(SystemTime::now().into()),
            ..Default::default()
        });
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result,
            version_id,
            ..Default::default()
        }))
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let (version_id, object) =
            self.find(&input.bucket, &input.key, input.version_id.as_deref())?;
        if input.if_match.is_some_and(|condition| !matches(&condition, &object.etag)) {
            return Err(s3_error!(PreconditionFailed));
        }
        if input.if_none_match.is_some_and(|condition| matches(&condition, &object.etag)) {
            return Err(S3ErrorCode::NotModified.into());
        }
        let whole = object.content.len();
        let (content, content_range) = match input.range {
            None => (object.content, None),
            Some(range) => {
                let range = range.check(whole as u64).map_err(|_| s3_error!(InvalidRange))?;
                let content_range = format!("bytes {}-{}/{whole}", range.start, range.end - 1);
                let range = usize::try_from(range.start).unwrap_or(usize::MAX)
                    ..usize::try_from(range.end).unwrap_or(usize::MAX);
                (object.content.slice(range), Some(content_range))
            }
        };
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(size(&content)),
            body: Some(Body::from(content).into()),
            content_range,
            accept_ranges: Some("bytes".to_owned()),
            content_type: object.content_type,
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.modified.into()),
            metadata: object.metadata,
            version_id,
            ..Default::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        // The same conditions hold as for the object itself.
        let as_get = request.map_input(|input| GetObjectInput {
            bucket: input.bucket,
            key: input.key,
            version_id: input.version_id,
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            ..Default::default()
        });
        let object = self.get_object(as_get).await?.output;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: object.content_length,
            accept_ranges: object.accept_ranges,
            content_type: object.content_type,
            e_tag: object.e_tag,
            last_modified: object.last_modified,
            metadata: object.metadata,
            version_id: object.version_id,
            ..Default::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let DeleteObjectInput { bucket, key, version_id, .. } = request.input;
        let marker = self.delete(&bucket, &key, version_id.as_deref())?;
        Ok(S3Response::new(DeleteObjectOutput {
            delete_marker: marker.is_some().then_some(true),
            version_id: marker.or(version_id),
            ..Default::default()
        }))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket, delete, .. } = request.input;
        let mut deleted = Vec::new();
        for ObjectIdentifier { key, version_id, .. } in delete.objects {
            let marker = self.delete(&bucket, &key, version_id.as_deref())?;
            deleted.push(DeletedObject {
                key: Some(key),
                version_id,
                delete_marker: marker.is_some().then_some(true),
                delete_marker_version_id: marker,
            });
        }
        Ok(S3Response::new(DeleteObjectsOutput { deleted: Some(deleted), ..Default::default() }))
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = request.input;
        let encode = encoding(input.encoding_type.as_ref());
        let marker = input.marker.as_deref().unwrap_or_default();
        let page = list(
            &self.store(),
            &input.bucket,
            input.prefix.as_deref(),
            input.delimiter.as_deref(),
            marker,
            input.max_keys,
            encode,
        )?;
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: input.prefix.map(encode),
            delimiter: input.delimiter.map(encode),
            marker: input.marker.map(encode),
            max_keys: Some(page.max_keys),
            is_truncated: Some(page.next.is_some()),
            next_marker: page.next.map(encode),
            contents: Some(page.contents),
            common_prefixes: Some(page.common_prefixes),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let encode = encoding(input.encoding_type.as_ref());
        let marker = match &input.continuation_token {
            Some(token) => key_in(token).ok_or_else(|| s3_error!(InvalidArgument))?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let page = list(
            &self.store(),
            &input.bucket,
            input.prefix.as_deref(),
            input.delimiter.as_deref(),
            &marker,
            input.max_keys,
            encode,
        )?;
        let count = page.contents.len() + page.common_prefixes.len();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix.map(encode),
            delimiter: input.delimiter.map(encode),
            start_after: input.start_after.map(encode),
            continuation_token: input.continuation_token,
            max_keys: Some(page.max_keys),
            key_count: i32::try_from(count).ok(),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(hex::encode),
            contents: Some(page.contents),
            common_prefixes: Some(page.common_prefixes),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let store = self.store();
        let versions = versions::list(bucket(&store, &request.input.bucket)?, request.input)?;
        Ok(S3Response::new(versions))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let CreateMultipartUploadInput { bucket: name, key, content_type, metadata, .. } =
            request.input;
        let mut store = self.store();
        bucket(&store, &name)?;
        let upload_id = store.new_id();
        let (bucket, parts) = (name.clone(), BTreeMap::default());
        let upload = Upload { bucket, key: key.clone(), content_type, metadata, parts };
        store.uploads.insert(upload_id.clone(), upload);
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(name),
            key: Some(key),
            upload_id: Some(upload_id),
            ..Default::default()
        }))
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let UploadPartInput { body, content_length, part_number, upload_id, .. } = request.input;
        let (content, etag) = receive(body, content_length).await?;
        let mut store = self.store();
        let upload = store.uploads.get_mut(&upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        upload.parts.insert(part_number, (content, etag.clone()));
        let output = UploadPartOutput { e_tag: Some(ETag::Strong(etag)), ..Default::default() };
        Ok(S3Response::new(output))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let CompleteMultipartUploadInput { upload_id, multipart_upload, if_none_match, .. } =
            request.input;
        let must_be_new = if_none_match.is_some();
        let wanted = multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let (new, content, etag) = {
            let mut store = self.store();
            let upload = store.uploads.get(&upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
            if wanted.is_empty() {
                return Err(s3_error!(MalformedXML));
            }
            if !wanted.is_sorted_by(|one, next| one.part_number < next.part_number) {
                return Err(s3_error!(InvalidPartOrder));
            }
            let mut content = BytesMut::new();
            let mut md5 = Md5::new();
            for part in &wanted {
                let number = part.part_number.unwrap_or_default();
                let is_it = |etag: &str| part.e_tag.as_ref().is_none_or(|it| it.value() == etag);
                let (bytes, etag) = upload
                    .parts
                    .get(&number)
                    .filter(|(_, etag)| is_it(etag))
                    .ok_or_else(|| s3_error!(InvalidPart))?;
                content.extend_from_slice(bytes);
                // The digest of the parts' digests, not of their hexadecimal form.
                md5.update(hex::decode(etag).unwrap_or_default());
            }
            let etag = format!("{}-{}", hex::encode(md5.finalize()), wanted.len());
            let upload = store.uploads.remove(&upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
            let Upload { bucket, key, content_type, metadata, .. } = upload;
            let by = "CompleteMultipartUpload";
            let new = NewObject { by, bucket, key, content_type, metadata, must_be_new };
            (new, content.freeze(), etag)
        };
        let (bucket, key) = (Some(new.bucket.clone()), Some(new.key.clone()));
        let (etag, version_id) = self.create(new, content, etag).await?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket,
            key,
            e_tag: Some(etag),
            version_id,
            ..Default::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let aborted = self.store().uploads.remove(&request.input.upload_id);
        aborted.ok_or_else(|| s3_error!(NoSuchUpload))?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

/// One page of a listing.
struct Page {
    contents: Vec<Object>,
    common_prefixes: Vec<CommonPrefix>,
    max_keys: i32,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

/// Returns the key in a continuation token, which is the key's hexadecimal form.
fn key_in(token: &str) -> Option<String> {
    String::from_utf8(hex::decode(token).ok()?).ok()
}

fn list(
    store: &Store,
    name: &str,
    prefix: Option<&str>,
    delimiter: Option<&str>,
    marker: &str,
    max_keys: Option<i32>,
    encode: impl Fn(String) -> String,
) -> S3Result<Page> {
    let max_keys = max_keys.unwrap_or(1000).clamp(0, 1000);
    let mut page = Page { contents: Vec::new(), common_prefixes: Vec::new(), max_keys, next: None };
    let prefix = prefix.unwrap_or_default();
    let mut last = String::new();
    for (key, object) in bucket(store, name)?.list(prefix, marker) {
        let rest = &key[prefix.len()..];
        let folder = delimiter.filter(|delimiter| !delimiter.is_empty()).and_then(|delimiter| {
            Some(&key[..prefix.len() + rest.find(delimiter)? + delimiter.len()])
        });
        if folder.is_some_and(|folder| folder == last || marker.starts_with(folder)) {
            continue;
        }
        if page.contents.len() + page.common_prefixes.len()
            >= usize::try_from(max_keys).unwrap_or(0)
        {
            page.next = Some(last);
            break;
        }
        folder.unwrap_or(key).clone_into(&mut last);
        if let Some(folder) = folder {
            page.common_prefixes.push(CommonPrefix { prefix: Some(encode(folder.to_owned())) });
        } else {
            page.contents.push(Object {
                key: Some(encode(key.to_owned())),
                size: Some(size(&object.content)),
                e_tag: Some(ETag::Strong(object.etag.clone())),
                last_modified: Some(object.modified.into()),
                ..Default::default()
            });
        }
    }
    Ok(page)
}
