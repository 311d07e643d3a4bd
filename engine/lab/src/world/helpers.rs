//! What tests do to a world behind the servers' backs: seed it, look at it, spoil it.
//!
//! None of these passes a door: no request is counted and no fault strikes.

use super::body::Body;
use super::bucket::Which;
use super::condition::Conditions;
use super::content::Content;
use super::error::WorldError;
use super::object::{Identity, Object};
use super::{NewObject, World};
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a bucket held at one moment: equal to a later one only if no object was written, changed or removed in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The live objects by key.
    pub objects: BTreeMap<Vec<u8>, Identity>,
}

impl World {
    /// Makes a bucket unless it is there.
    pub fn ensure_bucket(&self, bucket: &str) {
        match self.create_bucket(bucket) {
            Ok(()) | Err(WorldError::BucketExists) => {}
            Err(other) => unreachable!("creating a bucket fails only when it exists: {other}"),
        }
    }

    /// Puts bytes under a key without conditions, in a bucket that is made when it is missing.
    ///
    /// # Errors
    /// [`WorldError::Held`] and [`WorldError::KeyLength`].
    pub fn seed(&self, bucket: &str, key: impl AsRef<[u8]>, content: impl Into<Content>) -> Result<Arc<Object>, WorldError> {
        self.seed_object(bucket, key, NewObject::of(content.into()))
    }

    /// As [`World::seed`], with everything else that an object has.
    ///
    /// # Errors
    /// [`WorldError::Held`] and [`WorldError::KeyLength`].
    pub fn seed_object(&self, bucket: &str, key: impl AsRef<[u8]>, new: NewObject) -> Result<Arc<Object>, WorldError> {
        self.ensure_bucket(bucket);
        self.put(bucket, key.as_ref(), new, &Conditions::NONE)
    }

    /// Puts one content under many keys. All share one object, so a million keys cost little more than their names.
    ///
    /// # Errors
    /// [`WorldError::KeyLength`]; the keys before the wrong one are there.
    pub fn populate<K: AsRef<[u8]>>(&self, bucket: &str, keys: impl IntoIterator<Item = K>, new: &NewObject) -> Result<(), WorldError> {
        self.ensure_bucket(bucket);
        let now = self.now();
        self.write(bucket, |bucket| {
            let mut shared: Option<Arc<Object>> = None;
            for key in keys {
                super::check_key(key.as_ref())?;
                match &shared {
                    Some(object) => bucket.push(key.as_ref(), Arc::clone(object)),
                    None => shared = Some(self.publish(bucket, key.as_ref(), new.clone(), &Conditions::NONE, now)?),
                }
            }
            Ok(())
        })
    }

    /// The current live version.
    ///
    /// # Errors
    /// Absence.
    pub fn peek(&self, bucket: &str, key: impl AsRef<[u8]>) -> Result<Arc<Object>, WorldError> {
        self.read(bucket, |bucket| bucket.find(key.as_ref(), Which::Current).cloned())
    }

    /// All bytes of the current live version.
    ///
    /// # Errors
    /// Absence, and [`WorldError::Discarded`].
    pub fn bytes(&self, bucket: &str, key: impl AsRef<[u8]>) -> Result<Bytes, WorldError> {
        self.peek(bucket, key)?.body().to_bytes()
    }

    /// Keys of all live objects, in order; empty for a bucket that does not exist.
    pub fn keys(&self, bucket: &str) -> Vec<Vec<u8>> {
        self.objects(bucket).into_iter().map(|(key, _)| key).collect()
    }

    /// All live objects, in key order; empty for a bucket that does not exist.
    pub fn objects(&self, bucket: &str) -> Vec<(Vec<u8>, Arc<Object>)> {
        let live = self.read(bucket, |bucket| {
            let slots = bucket.keys.iter().filter(|(_, slot)| !slot.current.is_marker());
            Ok(slots.map(|(key, slot)| (key.to_vec(), Arc::clone(&slot.current))).collect())
        });
        live.unwrap_or_default()
    }

    /// How many uploads are under way; none for a bucket that does not exist.
    pub fn uploads_under_way(&self, bucket: &str) -> usize {
        self.read(bucket, |bucket| Ok(bucket.uploads.len())).unwrap_or_default()
    }

    /// Makes all uploads of a bucket disappear with their parts, as a lifecycle rule or another client would; gives how many.
    pub fn expire_uploads(&self, bucket: &str) -> usize {
        self.expire(bucket, |_| true)
    }

    /// The same for the uploads of one key.
    pub fn expire_uploads_of(&self, bucket: &str, key: impl AsRef<[u8]>) -> usize {
        self.expire(bucket, |upload| upload == key.as_ref())
    }

    fn expire(&self, bucket: &str, chosen: impl Fn(&[u8]) -> bool) -> usize {
        let expired = self.write(bucket, |bucket| {
            let before = bucket.uploads.len();
            bucket.uploads.retain(|(key, _), _| !chosen(key));
            Ok(before - bucket.uploads.len())
        });
        // A bucket that does not exist has no uploads either.
        expired.unwrap_or_default()
    }

    /// What the bucket holds now, to be compared later.
    pub fn snapshot(&self, bucket: &str) -> Snapshot {
        Snapshot { objects: self.objects(bucket).into_iter().map(|(key, object)| (key, object.identity())).collect() }
    }

    /// Flips one bit of the stored bytes of the current version; digests, generation and dates stay as they were.
    ///
    /// # Errors
    /// Absence, and [`WorldError::Discarded`] when that byte is gone.
    pub fn flip_stored_bit(&self, bucket: &str, key: impl AsRef<[u8]>, bit: u64) -> Result<(), WorldError> {
        self.spoil(bucket, key.as_ref(), |body| body.with_flipped_bit(bit))
    }

    /// Sets when the current version was written.
    ///
    /// # Errors
    /// Absence.
    pub fn set_modified(&self, bucket: &str, key: impl AsRef<[u8]>, modified: Timestamp) -> Result<(), WorldError> {
        self.edit(bucket, key.as_ref(), |object| {
            (object.modified, object.updated) = (modified, modified);
            Ok(())
        })
    }

    /// Makes the current version disappear as if somebody else had deleted it, holds or not; nothing happens when it is not there.
    pub fn vanish(&self, bucket: &str, key: impl AsRef<[u8]>) {
        let removed = self.write(bucket, |bucket| {
            let generation = bucket.live(key.as_ref()).map(|object| object.generation);
            if let Some(generation) = generation {
                bucket.remove(key.as_ref(), generation);
            }
            Ok(())
        });
        // A bucket that does not exist holds no such object either.
        drop(removed);
    }

    fn spoil(&self, bucket: &str, key: &[u8], change: impl FnOnce(&Body) -> Result<Body, WorldError>) -> Result<(), WorldError> {
        self.edit(bucket, key, |object| {
            object.content = object.content.with_body(change(object.content.body())?);
            Ok(())
        })
    }

    fn edit(&self, bucket: &str, key: &[u8], change: impl FnOnce(&mut Object) -> Result<(), WorldError>) -> Result<(), WorldError> {
        self.write(bucket, |bucket| {
            let mut object = Object::clone(bucket.find(key, Which::Current)?);
            change(&mut object)?;
            bucket.replace(key, Arc::new(object));
            Ok(())
        })
    }
}
