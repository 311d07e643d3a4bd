//! The world: buckets in memory that behave as the clouds do, for both embedded servers, the simulated store and the tests.
//!
//! It is the single place where objects change. Every operation is atomic under one lock and checks its conditions together with
//! its effect. Bodies are digested before they enter, so the lock is held for moments only. The world knows neither HTTP nor
//! providers: a server translates its dialect to these calls, and their errors back.

mod body;
mod bucket;
mod checksum;
mod clock;
mod condition;
mod content;
mod error;
mod helpers;
mod listing;
mod object;
mod options;
#[cfg(test)]
mod tests;
mod upload;

pub use body::{Body, Chunks, PATTERN_BLOCK_BYTES, Piece};
pub use bucket::{CHANGES_KEPT_MAX, Versioning, Which};
pub use checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, checksum_of, combine};
pub use clock::{LabClock, ManualClock, SystemClock};
pub use condition::{Conditions, Tag};
pub use content::{Arrived, Content, Intake, PATTERN_MD5_BYTES_MAX, Retention};
pub use error::WorldError;
pub use helpers::Snapshot;
pub use listing::{ListQuery, Listed, ListedVersion, Listing, Place, VersionListing};
pub use object::{Attributes, ETag, Hold, Holds, Identity, Object, ObjectKind, ObjectPart, RetentionMode, VersionId};
pub use options::{Honours, Limits, WorldOptions};
pub use upload::{Asked, Completion, More, NamedPart, NewUpload, PART_NUMBER_MAX, Part, Upload, UploadChecksum};

pub(crate) use body::mix;

use crate::door::Counters;
use crate::fault::Faults;
use bucket::Bucket;
use jiff::Timestamp;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest key of both clouds, bytes.
pub const KEY_BYTES_MAX: usize = 1024;

/// The first generation; real ones are microseconds since 1970, so clients must not take them for small numbers.
const GENERATION_FIRST: u64 = 1_700_000_000_000_000;

/// Buckets, objects and uploads; see the module.
#[derive(Debug)]
pub struct World {
    buckets: RwLock<BTreeMap<String, Bucket>>,
    clock: Arc<dyn LabClock>,
    retention: Retention,
    honours: RwLock<Honours>,
    limits: RwLock<Limits>,
    generation: AtomicU64,
    serial: AtomicU64,
    faults: Faults,
    counters: Arc<Counters>,
}

/// What is put under a key.
#[derive(Clone, Debug, Default)]
pub struct NewObject {
    /// The bytes.
    pub content: Content,
    /// The checksum to keep.
    pub checksum: Option<Checksum>,
    /// Its parts, when it came in parts.
    pub parts: Option<Arc<[ObjectPart]>>,
    /// Headers, metadata and tags; shared, so that a million objects may have the same.
    pub attributes: Arc<Attributes>,
    /// Holds from the start.
    pub holds: Holds,
    /// GCS component count; 0 when it was not composed.
    pub components: u32,
}

impl NewObject {
    /// Only bytes.
    pub fn of(content: Content) -> Self {
        Self { content, ..Self::default() }
    }
}

/// What a delete did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The version is gone for good; `marker` tells whether it was a delete marker.
    Removed {
        /// Which version.
        version: VersionId,
        /// Content or marker.
        kind: ObjectKind,
    },
    /// A delete marker of this version is now on top.
    MarkerAdded(VersionId),
    /// There was nothing (unconditional deletes only).
    Absent,
}

impl World {
    /// An empty world with default options.
    pub fn new() -> Arc<Self> {
        Self::with(WorldOptions::default())
    }

    /// An empty world.
    pub fn with(options: WorldOptions) -> Arc<Self> {
        Arc::new(Self {
            buckets: RwLock::default(),
            clock: options.clock,
            retention: options.retention,
            honours: RwLock::new(options.honours),
            limits: RwLock::new(options.limits),
            generation: AtomicU64::new(GENERATION_FIRST),
            serial: AtomicU64::new(1),
            faults: Faults::new(options.fault_seed),
            counters: Arc::default(),
        })
    }

    /// The present moment of this world.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the servers honour.
    pub fn honours(&self) -> Honours {
        *self.honours.read()
    }

    /// Changes what the servers honour.
    pub fn set_honours(&self, honours: Honours) {
        *self.honours.write() = honours;
    }

    /// The limits.
    pub fn limits(&self) -> Limits {
        *self.limits.read()
    }

    /// Changes the limits.
    pub fn set_limits(&self, limits: Limits) {
        *self.limits.write() = limits;
    }

    /// The scripted faults.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Counts of all requests that came through any door of this world.
    pub fn requests(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// A taker of bytes that keeps or discards them as this world does.
    pub fn intake(&self, algorithms: &[ChecksumAlgorithm]) -> Intake {
        Intake::new(self.retention, algorithms)
    }

    /// Makes a bucket.
    ///
    /// # Errors
    /// [`WorldError::BucketExists`].
    pub fn create_bucket(&self, name: &str) -> Result<(), WorldError> {
        let now = self.now();
        let mut buckets = self.buckets.write();
        if buckets.contains_key(name) {
            return Err(WorldError::BucketExists);
        }
        buckets.insert(name.to_owned(), Bucket::new(now));
        Ok(())
    }

    /// Removes an empty bucket, with the uploads that were under way in it.
    ///
    /// # Errors
    /// [`WorldError::NoSuchBucket`], [`WorldError::BucketNotEmpty`].
    pub fn delete_bucket(&self, name: &str) -> Result<(), WorldError> {
        let mut buckets = self.buckets.write();
        let bucket = buckets.get(name).ok_or(WorldError::NoSuchBucket)?;
        if !bucket.keys.is_empty() {
            return Err(WorldError::BucketNotEmpty);
        }
        buckets.remove(name);
        Ok(())
    }

    /// Names and creation times of all buckets.
    pub fn buckets(&self) -> Vec<(String, Timestamp)> {
        self.buckets.read().iter().map(|(name, bucket)| (name.clone(), bucket.created)).collect()
    }

    /// Whether the bucket keeps versions.
    ///
    /// # Errors
    /// [`WorldError::NoSuchBucket`].
    pub fn versioning(&self, bucket: &str) -> Result<Versioning, WorldError> {
        self.read(bucket, |bucket| Ok(bucket.versioning))
    }

    /// Makes the bucket keep versions, or stop doing so.
    ///
    /// # Errors
    /// [`WorldError::NoSuchBucket`].
    pub fn set_versioning(&self, bucket: &str, versioning: Versioning) -> Result<(), WorldError> {
        self.write(bucket, |bucket| {
            bucket.versioning = versioning;
            Ok(())
        })
    }

    /// Puts an object under a key if the conditions hold for what is there.
    ///
    /// # Errors
    /// Failed conditions, [`WorldError::Held`], [`WorldError::NoSuchBucket`], [`WorldError::KeyLength`].
    pub fn put(&self, bucket: &str, key: &[u8], new: NewObject, conditions: &Conditions) -> Result<Arc<Object>, WorldError> {
        let conditions = if self.honours().conditional_put { conditions } else { &Conditions::NONE };
        let now = self.now();
        self.write(bucket, |bucket| self.publish(bucket, key, new, conditions, now))
    }

    /// A version of an object, if the conditions of the read hold.
    ///
    /// # Errors
    /// Absence, failed conditions, [`WorldError::NotModified`], [`WorldError::DeleteMarker`].
    pub fn get(&self, bucket: &str, key: &[u8], which: Which, conditions: &Conditions) -> Result<Arc<Object>, WorldError> {
        let object = self.read(bucket, |bucket| bucket.find(key, which).cloned())?;
        if self.honours().conditional_get {
            conditions.check_read(&object)?;
        }
        Ok(object)
    }

    /// Changes metadata, holds or tags of a version, never its content. The metageneration grows.
    ///
    /// # Errors
    /// Absence and failed conditions.
    pub fn update(
        &self,
        bucket: &str,
        key: &[u8],
        which: Which,
        conditions: &Conditions,
        change: impl FnOnce(&mut Object),
    ) -> Result<Arc<Object>, WorldError> {
        let now = self.now();
        self.write(bucket, |bucket| {
            let mut object = Object::clone(bucket.find(key, which)?);
            conditions.check_write(Some(&object))?;
            change(&mut object);
            object.metageneration += 1;
            object.updated = now;
            let object = Arc::new(object);
            bucket.replace(key, Arc::clone(&object));
            Ok(object)
        })
    }

    /// Deletes: a named version for good, the current one as the bucket's versioning says. Conditions see the version that goes;
    /// for [`Which::Current`] that is the current one.
    ///
    /// # Errors
    /// Failed conditions, [`WorldError::NoSuchKey`] when a condition names something and nothing is there, [`WorldError::Held`].
    pub fn delete(&self, bucket: &str, key: &[u8], which: Which, conditions: &Conditions) -> Result<Deleted, WorldError> {
        let conditions = if self.honours().conditional_delete { conditions } else { &Conditions::NONE };
        let now = self.now();
        self.write(bucket, |bucket| match which {
            Which::Current => self.delete_current(bucket, key, conditions, now),
            Which::Version(_) | Which::Generation(_) => delete_version(bucket, key, which, conditions, now),
        })
    }

    /// Gives an object another name in its bucket, in one step (`objects.move`). The content keeps its digests; the generation is new.
    ///
    /// # Errors
    /// As of a read, a put and a delete.
    pub fn rename(&self, bucket: &str, from: (&[u8], &Conditions), to: (&[u8], &Conditions)) -> Result<Arc<Object>, WorldError> {
        let now = self.now();
        self.write(bucket, |bucket| {
            let source = Arc::clone(bucket.find(from.0, Which::Current)?);
            from.1.check_write(Some(&source))?;
            source.holds.allow_removal(now)?;
            let renamed = self.publish(bucket, to.0, NewObject::from(&*source), to.1, now)?;
            self.delete_current(bucket, from.0, &Conditions::NONE, now)?;
            Ok(renamed)
        })
    }

    fn publish(
        &self,
        bucket: &mut Bucket,
        key: &[u8],
        new: NewObject,
        conditions: &Conditions,
        now: Timestamp,
    ) -> Result<Arc<Object>, WorldError> {
        check_key(key)?;
        conditions.check_write(bucket.live(key).map(|object| &**object))?;
        bucket.destroyed_by_write(key).map_or(Ok(()), |object| object.holds.allow_removal(now))?;
        let generation = self.next_generation();
        let object = Arc::new(Object {
            kind: ObjectKind::Live,
            etag: stored_etag(&new),
            content: new.content,
            checksum: new.checksum.map(Box::new),
            parts: new.parts,
            attributes: new.attributes,
            generation,
            metageneration: 1,
            version: version_of(bucket.versioning, generation),
            modified: now,
            updated: now,
            holds: new.holds,
            components: new.components,
        });
        bucket.push(key, Arc::clone(&object));
        Ok(object)
    }

    fn delete_current(&self, bucket: &mut Bucket, key: &[u8], conditions: &Conditions, now: Timestamp) -> Result<Deleted, WorldError> {
        let on_top = bucket.keys.get(key).map(|slot| Arc::clone(&slot.current));
        match &on_top {
            Some(marker) if marker.is_marker() && !conditions.is_empty() => {
                return Err(WorldError::PreconditionFailed("If-Match"));
            }
            other => conditions.check_write(other.as_deref())?,
        }
        bucket.destroyed_by_write(key).map_or(Ok(()), |object| object.holds.allow_removal(now))?;
        if bucket.versioning == Versioning::Off {
            let Some(object) = on_top else { return Ok(Deleted::Absent) };
            bucket.remove(key, object.generation);
            return Ok(Deleted::Removed { version: object.version, kind: object.kind });
        }
        let generation = self.next_generation();
        let version = version_of(bucket.versioning, generation);
        let marker = Object {
            kind: ObjectKind::Marker,
            content: Content::default(),
            etag: Content::default().etag(),
            checksum: None,
            parts: None,
            attributes: Arc::default(),
            generation,
            metageneration: 1,
            version,
            modified: now,
            updated: now,
            holds: Holds::default(),
            components: 0,
        };
        bucket.push(key, Arc::new(marker));
        Ok(Deleted::MarkerAdded(version))
    }

    /// A name that no other thing in this world has: 32 hexadecimal digits, ascending, and the same in every repetition of a script.
    pub(crate) fn unique_id(&self) -> String {
        let number = self.serial.fetch_add(1, Ordering::Relaxed);
        format!("{number:016x}{:016x}", body::mix(number))
    }

    fn next_generation(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn read<T>(&self, name: &str, act: impl FnOnce(&Bucket) -> Result<T, WorldError>) -> Result<T, WorldError> {
        act(self.buckets.read().get(name).ok_or(WorldError::NoSuchBucket)?)
    }

    pub(crate) fn write<T>(&self, name: &str, act: impl FnOnce(&mut Bucket) -> Result<T, WorldError>) -> Result<T, WorldError> {
        act(self.buckets.write().get_mut(name).ok_or(WorldError::NoSuchBucket)?)
    }
}

impl From<&Object> for NewObject {
    /// The same content and attributes, to be put under another key.
    fn from(object: &Object) -> Self {
        Self {
            content: object.content.clone(),
            checksum: object.checksum.as_deref().cloned(),
            parts: object.parts.clone(),
            attributes: Arc::clone(&object.attributes),
            holds: Holds::default(),
            components: object.components,
        }
    }
}

fn delete_version(bucket: &mut Bucket, key: &[u8], which: Which, conditions: &Conditions, now: Timestamp) -> Result<Deleted, WorldError> {
    let object = match bucket.find(key, which) {
        Ok(object) => Arc::clone(object),
        Err(WorldError::DeleteMarker(version)) => {
            let slot = bucket.keys.get(key).ok_or(WorldError::NoSuchKey)?;
            let marker = slot.newest_first().find(|object| object.version == version).ok_or(WorldError::NoSuchVersion)?;
            let generation = marker.generation;
            bucket.remove(key, generation);
            return Ok(Deleted::Removed { version, kind: ObjectKind::Marker });
        }
        Err(error) => return Err(error),
    };
    conditions.check_write(Some(&object))?;
    object.holds.allow_removal(now)?;
    bucket.remove(key, object.generation);
    Ok(Deleted::Removed { version: object.version, kind: object.kind })
}

fn version_of(versioning: Versioning, generation: u64) -> VersionId {
    match versioning {
        Versioning::Enabled => VersionId::Id(generation),
        Versioning::Off | Versioning::Suspended => VersionId::Null,
    }
}

/// Under SSE-KMS the ETag has the form of an MD5 but is none.
fn stored_etag(new: &NewObject) -> ETag {
    let etag = new.content.etag();
    match (etag, new.attributes.encryption.as_deref()) {
        (ETag::Md5(value), Some("aws:kms")) => ETag::Opaque(value.map(|byte| !byte)),
        _ => etag,
    }
}

fn check_key(key: &[u8]) -> Result<(), WorldError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX { Err(WorldError::KeyLength) } else { Ok(()) }
}
