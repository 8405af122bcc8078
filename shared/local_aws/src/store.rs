//! The contents of the embedded S3: buckets, objects and their versions, in memory.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use bytes::Bytes;
use s3s::dto::{BucketName, BucketVersioningStatus, NotificationConfiguration, ObjectKey};

/// The name of a version that has no identifier.
pub(super) const NULL_VERSION: &str = "null";

/// All buckets by name, and the multipart uploads that are under way.
#[derive(Default)]
pub(super) struct Store {
    pub(super) buckets: BTreeMap<BucketName, Bucket>,
    pub(super) uploads: HashMap<String, Upload>,
    ids: u64,
}

pub(super) struct Bucket {
    pub(super) created: SystemTime,
    /// `None` until a client sets it.
    pub(super) versioning: Option<BucketVersioningStatus>,
    pub(super) notifications: NotificationConfiguration,
    /// Each key's versions, the latest last. An unversioned bucket keeps one.
    objects: BTreeMap<ObjectKey, Vec<Version>>,
}

/// One version of an object.
#[derive(Clone)]
pub(super) struct Version {
    /// `None` if the bucket was not versioned when this version was made.
    pub(super) id: Option<String>,
    /// `None` for a delete marker.
    pub(super) object: Option<Object>,
}

impl Version {
    pub(super) fn name(&self) -> &str {
        self.id.as_deref().unwrap_or(NULL_VERSION)
    }

    fn is_called(&self, id: &str) -> bool {
        self.name() == id
    }
}

#[derive(Clone)]
pub(super) struct Object {
    pub(super) content: Bytes,
    pub(super) etag: String,
    pub(super) modified: SystemTime,
    pub(super) content_type: Option<String>,
    pub(super) metadata: Option<HashMap<String, String>>,
}

pub(super) struct Upload {
    pub(super) bucket: BucketName,
    pub(super) key: ObjectKey,
    pub(super) content_type: Option<String>,
    pub(super) metadata: Option<HashMap<String, String>>,
    /// Content and `ETag` by part number.
    pub(super) parts: BTreeMap<i32, (Bytes, String)>,
}

impl Store {
    /// Returns an identifier that is greater than all that this store has given before.
    pub(super) fn new_id(&mut self) -> String {
        self.ids += 1;
        format!("{:016X}", self.ids)
    }

    pub(super) fn create_bucket(&mut self, name: BucketName) {
        self.buckets.entry(name).or_insert_with(|| Bucket {
            created: SystemTime::now(),
            versioning: None,
            notifications: NotificationConfiguration::default(),
            objects: BTreeMap::new(),
        });
    }

    pub(super) fn new_version_id(&mut self, bucket: &str) -> Option<String> {
        let status = self.buckets.get(bucket)?.versioning.as_ref()?;
        (status.as_str() == BucketVersioningStatus::ENABLED).then(|| self.new_id())
    }
}

impl Bucket {
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Adds a version, or replaces the object if the bucket is not versioned.
    pub(super) fn put(&mut self, key: ObjectKey, version: Version) {
        let versions = self.objects.entry(key).or_default();
        versions.retain(|old| old.id != version.id);
        versions.push(version);
    }

    /// Returns a version, by default the latest.
    pub(super) fn version(&self, key: &str, id: Option<&str>) -> Option<&Version> {
        let versions = self.objects.get(key)?;
        match id {
            None => versions.last(),
            Some(id) => versions.iter().find(|version| version.is_called(id)),
        }
    }

    /// Removes one version, or the object of a bucket that is not versioned.
    pub(super) fn remove(&mut self, key: &str, id: Option<&str>) {
        if let Some(versions) = self.objects.get_mut(key) {
            versions.retain(|version| !version.is_called(id.unwrap_or(NULL_VERSION)));
            if versions.is_empty() {
                self.objects.remove(key);
            }
        }
    }

    /// Returns all versions of the objects whose keys begin with `prefix`, in the order of their keys, and the latest first.
    pub(super) fn versions<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a Version, bool)> {
        self.objects.iter().filter(move |(key, _)| key.starts_with(prefix)).flat_map(
            |(key, versions)| {
                let of_key = versions.iter().rev().enumerate();
                of_key.map(move |(position, version)| (key, version, position == 0))
            },
        )
    }

    /// Returns the objects after `marker` whose keys begin with `prefix`, in the order of their keys.
    pub(super) fn list<'a>(
        &'a self,
        prefix: &'a str,
        marker: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Object)> {
        self.objects
            .iter()
            .filter(move |(key, _)| key.starts_with(prefix) && key.as_str() > marker)
            .filter_map(|(key, versions)| Some((key.as_str(), versions.last()?.object.as_ref()?)))
    }
}
