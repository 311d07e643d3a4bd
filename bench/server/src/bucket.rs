//! A bucket: generated objects below, and above them what was written or deleted since.
//!
//! The upper layer is a sorted map from keys to objects; a deletion of a generated object is an entry without one.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use crate::content::{Catalog, Known};
use crate::keys::{Shape, scramble};
use crate::object::{Metadata, Object};
use crate::uploads::Uploads;

/// When generated objects were written: 2026-10-01T00:00:00Z.
const SOURCE_MODIFIED_MILLIS: u64 = 1_790_812_800_000;
/// When the copies of a generated target were written: a day later.
const COPY_MODIFIED_MILLIS: u64 = SOURCE_MODIFIED_MILLIS + 86_400_000;
/// When the outdated objects of a generated target were written: a day before their source.
const STALE_MODIFIED_MILLIS: u64 = SOURCE_MODIFIED_MILLIS - 86_400_000;
/// Generations of generated objects count from here; those of uploads are microseconds and larger.
const GENERATION_BASE: u64 = 1_700_000_000_000_000;
const PER_MILLION: u64 = 1_000_000;

/// Whether a generated bucket is an original or a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It is an original.
    Source,
    /// It holds what its source holds, except for some of a million objects, which are older and one byte shorter.
    Copy {
        /// How many of a million are outdated.
        stale_per_million: u64,
    },
}

/// The generated objects of a bucket.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    shape: Arc<Shape>,
    role: Role,
    right: Arc<Catalog>,
    stale: Option<Arc<Catalog>>,
    copied: Arc<Metadata>,
}

impl Base {
    /// Computes all digests, which takes a moment for large sizes.
    pub(crate) fn new(shape: Arc<Shape>, role: Role, known: &Known) -> Self {
        let right = Arc::new(Catalog::new(&shape, 0, known));
        let has_stale = matches!(role, Role::Copy { stale_per_million } if stale_per_million > 0);
        let stale = has_stale.then(|| Arc::new(Catalog::new(&shape, 1, known)));
        // What rclone writes: without it, it takes every copy for outdated.
        let seconds = SOURCE_MODIFIED_MILLIS / 1_000;
        let copied = Metadata { user: vec![("mtime".to_owned(), seconds.to_string())], ..Metadata::default() };
        Self { shape, role, right, stale, copied: Arc::new(copied) }
    }

    /// The shape, for a copy of it.
    pub(crate) fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    fn object(&self, index: u64) -> Object {
        let content = self.shape.content(index);
        let generation = GENERATION_BASE + index;
        let (catalog, modified, metadata) = match (self.role, &self.stale) {
            (Role::Source, _) => (&self.right, SOURCE_MODIFIED_MILLIS, None),
            (Role::Copy { stale_per_million }, Some(stale)) if scramble(!index) % PER_MILLION < stale_per_million => {
                (stale, STALE_MODIFIED_MILLIS, None)
            }
            (Role::Copy { .. }, _) => (&self.right, COPY_MODIFIED_MILLIS, Some(self.copied.clone())),
        };
        let (size, class, digests) = catalog.pick(content);
        Object { size, etag: digests.etag, crc32c: digests.crc32c, generation, modified, content: Some(class), metadata }
    }
}

/// A bucket.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    base: Option<Base>,
    above: BTreeMap<Box<[u8]>, Option<Object>>,
    /// Uploads in parts that are not completed.
    pub(crate) uploads: Uploads,
}

impl Bucket {
    /// A bucket over generated objects, or an empty one.
    pub(crate) fn new(base: Option<Base>) -> Self {
        Self { base, ..Self::default() }
    }

    /// The generated objects.
    pub(crate) fn base(&self) -> Option<&Base> {
        self.base.as_ref()
    }

    /// The object of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Object> {
        match self.above.get(key) {
            Some(entry) => entry.clone(),
            None => self.base.as_ref().and_then(|base| Some(base.object(base.shape.find(key)?))),
        }
    }

    /// Writes an object.
    pub(crate) fn put(&mut self, key: &[u8], object: Object) {
        self.above.insert(key.into(), Some(object));
    }

    /// Removes an object, if it is there.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        if self.base.as_ref().is_some_and(|base| base.shape.find(key).is_some()) {
            self.above.insert(key.into(), None);
        } else {
            self.above.remove(key);
        }
    }

    /// All objects from a key on, in order.
    pub(crate) fn walk(&self, from: Bound<&[u8]>) -> Walk<'_> {
        let mut walk = Walk {
            bucket: self,
            above: self.above.range::<[u8], _>((Bound::Unbounded, Bound::Unbounded)).peekable(),
            index: 0,
            end: self.base.as_ref().map_or(0, |base| base.shape.objects()),
            base_key: Vec::new(),
        };
        walk.seek(from);
        walk
    }
}

/// Goes through a bucket in key order.
pub(crate) struct Walk<'a> {
    bucket: &'a Bucket,
    above: Peekable<Range<'a, Box<[u8]>, Option<Object>>>,
    index: u64,
    end: u64,
    base_key: Vec<u8>,
}

impl Walk<'_> {
    /// Goes on from another key.
    pub(crate) fn seek(&mut self, from: Bound<&[u8]>) {
        self.above = self.bucket.above.range::<[u8], _>((from, Bound::Unbounded)).peekable();
        let Some(base) = &self.bucket.base else { return };
        self.index = match from {
            Bound::Unbounded => 0,
            Bound::Included(key) => base.shape.lower_bound(key),
            Bound::Excluded(key) => {
                let index = base.shape.lower_bound(key);
                index + u64::from(base.shape.find(key) == Some(index))
            }
        };
        self.load();
    }

    fn load(&mut self) {
        if let Some(base) = &self.bucket.base
            && self.index < self.end
        {
            base.shape.key(self.index, &mut self.base_key);
        }
    }

    /// The next object; its key is written into `key`.
    pub(crate) fn next(&mut self, key: &mut Vec<u8>) -> Option<Object> {
        loop {
            let below = self.bucket.base.as_ref().filter(|_| self.index < self.end);
            let (Some((above_key, _)), below) = (self.above.peek(), below) else {
                let base = below?;
                let object = base.object(self.index);
                self.take_base_key(key);
                return Some(object);
            };
            if let Some(base) = below {
                match self.base_key.as_slice().cmp(above_key) {
                    std::cmp::Ordering::Less => {
                        let object = base.object(self.index);
                        self.take_base_key(key);
                        return Some(object);
                    }
                    std::cmp::Ordering::Equal => self.take_base_key(key),
                    std::cmp::Ordering::Greater => {}
                }
            }
            let (above_key, object) = self.above.next()?;
            if let Some(object) = object {
                key.clear();
                key.extend_from_slice(above_key);
                return Some(object.clone());
            }
        }
    }

    fn take_base_key(&mut self, key: &mut Vec<u8>) {
        key.clear();
        key.extend_from_slice(&self.base_key);
        self.index += 1;
        self.load();
    }
}
