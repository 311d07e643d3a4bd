//! The inside of a bucket: the key tree, the versions of a key, and the uploads under way. Never seen outside the world's lock.

use super::error::WorldError;
use super::object::{Object, VersionId};
use super::upload::Upload;
use jiff::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub(crate) type Key = Box<[u8]>;

/// So many of the latest changes of a bucket can be hidden from a listing. They keep what they replaced in memory.
pub const CHANGES_KEPT_MAX: usize = 64;

/// Whether a bucket keeps what is overwritten or deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versioning {
    /// Never was enabled.
    #[default]
    Off,
    /// Every write makes a version; a delete adds a marker.
    Enabled,
    /// Old versions stay; new writes replace the `null` version.
    Suspended,
}

/// Which version of a key is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The current one.
    #[default]
    Current,
    /// By S3 version.
    Version(VersionId),
    /// By GCS generation.
    Generation(u64),
}

#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) keys: BTreeMap<Key, Slot>,
    /// By key and upload id; ids ascend, so uploads of one key are in order of creation.
    pub(crate) uploads: BTreeMap<(Vec<u8>, String), Upload>,
    pub(crate) versioning: Versioning,
    pub(crate) created: Timestamp,
    /// What the latest writes and deletes replaced, the oldest first.
    changes: VecDeque<(Key, Option<Arc<Object>>)>,
}

/// All versions of a key; never empty.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) current: Arc<Object>,
    /// Oldest first.
    pub(crate) older: Vec<Arc<Object>>,
}

impl Slot {
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Arc<Object>> {
        std::iter::once(&self.current).chain(self.older.iter().rev())
    }

    fn find(&self, which: Which) -> Option<&Arc<Object>> {
        self.newest_first().find(|object| match which {
            Which::Current => true,
            Which::Version(version) => object.version == version,
            Which::Generation(generation) => object.generation == generation,
        })
    }
}

impl Bucket {
    pub(crate) fn new(created: Timestamp) -> Self {
        Self { keys: BTreeMap::new(), uploads: BTreeMap::new(), versioning: Versioning::Off, created, changes: VecDeque::new() }
    }

    /// The live current version.
    pub(crate) fn live(&self, key: &[u8]) -> Option<&Arc<Object>> {
        self.keys.get(key).map(|slot| &slot.current).filter(|object| !object.is_marker())
    }

    pub(crate) fn find(&self, key: &[u8], which: Which) -> Result<&Arc<Object>, WorldError> {
        let slot = self.keys.get(key).ok_or(WorldError::NoSuchKey)?;
        let object = slot.find(which).ok_or(WorldError::NoSuchVersion)?;
        if object.is_marker() { Err(WorldError::DeleteMarker(object.version)) } else { Ok(object) }
    }

    /// Puts a version on top; without versioning it replaces what was there.
    pub(crate) fn push(&mut self, key: &[u8], object: Arc<Object>) {
        self.remember(key);
        let versioning = self.versioning;
        let Some(slot) = self.keys.get_mut(key) else {
            self.keys.insert(key.into(), Slot { current: object, older: Vec::new() });
            return;
        };
        let previous = std::mem::replace(&mut slot.current, object);
        match versioning {
            Versioning::Off => {}
            Versioning::Enabled => slot.older.push(previous),
            Versioning::Suspended => {
                slot.older.push(previous);
                slot.older.retain(|version| version.version != VersionId::Null);
            }
        }
    }

    /// What the keys of the latest `behind` changes held before them.
    pub(crate) fn before(&self, behind: usize) -> BTreeMap<&[u8], Option<&Arc<Object>>> {
        let latest_first = self.changes.iter().rev().take(behind);
        // The oldest of several changes of a key comes last, and stays.
        latest_first.map(|(key, before)| (&**key, before.as_ref())).collect()
    }

    fn remember(&mut self, key: &[u8]) {
        if self.changes.len() == CHANGES_KEPT_MAX {
            self.changes.pop_front();
        }
        self.changes.push_back((key.into(), self.live(key).cloned()));
    }

    /// The version that a write or an unversioned delete would destroy.
    pub(crate) fn destroyed_by_write(&self, key: &[u8]) -> Option<&Arc<Object>> {
        let slot = self.keys.get(key)?;
        match self.versioning {
            Versioning::Off => Some(&slot.current),
            Versioning::Enabled => None,
            Versioning::Suspended => slot.find(Which::Version(VersionId::Null)),
        }
    }

    /// Removes one version; the key goes with its last one.
    pub(crate) fn remove(&mut self, key: &[u8], generation: u64) {
        if self.keys.get(key).is_some_and(|slot| slot.current.generation == generation) {
            self.remember(key);
        }
        let Some(slot) = self.keys.get_mut(key) else { return };
        if slot.current.generation != generation {
            slot.older.retain(|object| object.generation != generation);
        } else if let Some(newest) = slot.older.pop() {
            slot.current = newest;
        } else {
            self.keys.remove(key);
        }
    }

    /// Puts another state of the same version in its place.
    pub(crate) fn replace(&mut self, key: &[u8], object: Arc<Object>) {
        let Some(slot) = self.keys.get_mut(key) else { return };
        let place = std::iter::once(&mut slot.current).chain(&mut slot.older).find(|version| version.generation == object.generation);
        if let Some(place) = place {
            *place = object;
        }
    }
}
