//! Listings in byte order, over ranges of the key tree: a page costs what it returns, however many keys the bucket holds.

use super::World;
use super::bucket::{Bucket, Key, Slot};
use super::error::WorldError;
use super::object::{Object, VersionId};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// What to list. The default is everything.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Only keys that start so.
    pub prefix: Vec<u8>,
    /// Only keys at or after this one (`startOffset` of GCS).
    pub from: Option<Vec<u8>>,
    /// Only keys before this one (`endOffset` of GCS).
    pub until: Option<Vec<u8>>,
    /// Only items, keys or common prefixes, after this one (`start-after`, `marker` and continuation tokens).
    pub after: Option<Vec<u8>>,
    /// Rolls keys up to the first occurrence after the prefix; empty means none.
    pub delimiter: Vec<u8>,
    /// At most so many items: keys and common prefixes together.
    pub max: usize,
    /// How many of the bucket's latest changes live objects are shown without; at most
    /// [`CHANGES_KEPT_MAX`](super::CHANGES_KEPT_MAX). Versions are always shown as they are.
    pub behind: usize,
}

/// A key and its live version.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The key.
    pub key: Vec<u8>,
    /// The live version.
    pub object: Arc<Object>,
}

/// One page.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Live objects in key order.
    pub objects: Vec<Listed>,
    /// Common prefixes in order.
    pub prefixes: Vec<Vec<u8>>,
    /// When there is more: the last item of this page, to be given as `after`.
    pub next: Option<Vec<u8>>,
}

/// A page of versions.
#[derive(Clone, Debug, Default)]
pub struct VersionListing {
    /// Versions in key order, the newest of a key first, delete markers included.
    pub versions: Vec<ListedVersion>,
    /// Common prefixes in order.
    pub prefixes: Vec<Vec<u8>>,
    /// When there is more: the last key or prefix, and the last version where the page ends inside a key.
    pub next: Option<(Vec<u8>, Option<VersionId>)>,
}

/// A version of a key.
#[derive(Clone, Debug)]
pub struct ListedVersion {
    /// The key.
    pub key: Vec<u8>,
    /// The version.
    pub object: Arc<Object>,
    /// Its place among the versions of the key.
    pub place: Place,
}

/// Whether a version is the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The newest.
    Latest,
    /// Any other.
    Older,
}

impl World {
    /// One page of live objects. `max` of 0 gives an empty page.
    ///
    /// # Errors
    /// [`WorldError::NoSuchBucket`].
    pub fn list(&self, bucket: &str, query: &ListQuery) -> Result<Listing, WorldError> {
        self.read(bucket, |bucket| Ok(list(bucket, query)))
    }

    /// One page of versions; `after_version` continues inside the key `query.after`.
    ///
    /// # Errors
    /// [`WorldError::NoSuchBucket`].
    pub fn list_versions(&self, bucket: &str, query: &ListQuery, after_version: Option<VersionId>) -> Result<VersionListing, WorldError> {
        self.read(bucket, |bucket| Ok(list_versions(bucket, query, after_version)))
    }
}

fn list(bucket: &Bucket, query: &ListQuery) -> Listing {
    let mut page = Listing::default();
    let mut last: Option<Vec<u8>> = None;
    let mut cursor = Cursor::new(query);
    let view = View { bucket, before: bucket.before(query.behind) };
    while let Some((key, object)) = cursor.next_live(&view) {
        let item = cursor.item(key);
        if item.is_already_passed(query) {
            cursor.skip(&item);
            continue;
        }
        if page.objects.len() + page.prefixes.len() >= query.max {
            page.next = last;
            break;
        }
        match &item {
            Item::Key(key) => page.objects.push(Listed { key: key.clone(), object: Arc::clone(object) }),
            Item::Prefix(prefix) => page.prefixes.push(prefix.clone()),
        }
        cursor.skip(&item);
        last = Some(item.into_bytes());
    }
    page
}

fn list_versions(bucket: &Bucket, query: &ListQuery, after_version: Option<VersionId>) -> VersionListing {
    let mut page = VersionListing::default();
    let mut last = None;
    let mut cursor = Cursor::new(query);
    if after_version.is_some() {
        cursor.position = query.after.clone().map_or(Bound::Unbounded, Bound::Included);
    }
    while let Some((key, slot)) = cursor.next(bucket) {
        let item = cursor.item(key);
        let resumed = after_version.filter(|_| query.after.as_deref() == Some(&**key));
        if item.is_already_passed(query) && resumed.is_none() {
            cursor.skip(&item);
            continue;
        }
        cursor.skip(&item);
        let Item::Key(key) = item else {
            if page.versions.len() + page.prefixes.len() >= query.max {
                page.next = last;
                return page;
            }
            let prefix = item.into_bytes();
            last = Some((prefix.clone(), None));
            page.prefixes.push(prefix);
            continue;
        };
        let newest_first = slot.newest_first().enumerate();
        let mut waiting = resumed;
        for (index, object) in newest_first {
            if waiting.is_some() {
                waiting = waiting.filter(|version| *version != object.version);
                continue;
            }
            if page.versions.len() + page.prefixes.len() >= query.max {
                page.next = last;
                return page;
            }
            let place = if index == 0 { Place::Latest } else { Place::Older };
            page.versions.push(ListedVersion { key: key.clone(), object: Arc::clone(object), place });
            last = Some((key.clone(), Some(object.version)));
        }
    }
    page
}

/// The live objects of a bucket, as they are or as they were.
struct View<'a> {
    bucket: &'a Bucket,
    /// What keys held that have changed since; `None` where they held nothing.
    before: BTreeMap<&'a [u8], Option<&'a Arc<Object>>>,
}

impl<'a> View<'a> {
    /// The first live object at or after a position.
    fn first(&self, from: Bound<&[u8]>) -> Option<(&'a [u8], &'a Arc<Object>)> {
        let mut past: Option<&'a [u8]> = None;
        loop {
            let start = match past {
                Some(key) => Bound::Excluded(key),
                None => from,
            };
            let now = self.bucket.keys.range::<[u8], _>((start, Bound::Unbounded)).next().map(|(key, slot)| (&**key, slot));
            let before = self.before.range::<[u8], _>((start, Bound::Unbounded)).next().map(|(key, object)| (*key, *object));
            let (key, object) = match (now, before) {
                (None, None) => return None,
                (Some((key, slot)), before) if before.is_none_or(|(changed, _)| key < changed) => (key, Some(&slot.current)),
                (_, Some((key, object))) => (key, object),
                (Some((key, slot)), None) => (key, Some(&slot.current)),
            };
            match object.filter(|object| !object.is_marker()) {
                Some(object) => return Some((key, object)),
                None => past = Some(key),
            }
        }
    }
}

enum Item {
    Key(Vec<u8>),
    Prefix(Vec<u8>),
}

impl Item {
    fn is_already_passed(&self, query: &ListQuery) -> bool {
        let (Self::Key(bytes) | Self::Prefix(bytes)) = self;
        query.after.as_ref().is_some_and(|after| bytes <= after)
    }

    fn into_bytes(self) -> Vec<u8> {
        let (Self::Key(bytes) | Self::Prefix(bytes)) = self;
        bytes
    }
}

/// Walks the key tree by range queries, jumping over what a common prefix covers.
struct Cursor<'a> {
    query: &'a ListQuery,
    position: Bound<Vec<u8>>,
}

impl<'a> Cursor<'a> {
    fn new(query: &'a ListQuery) -> Self {
        let mut start = query.prefix.clone();
        if let Some(from) = &query.from {
            start = start.max(from.clone());
        }
        let position = match &query.after {
            Some(after) if *after >= start => Bound::Excluded(after.clone()),
            _ => Bound::Included(start),
        };
        Self { query, position }
    }

    fn next<'b>(&mut self, bucket: &'b Bucket) -> Option<(&'b Key, &'b Slot)> {
        let (key, slot) = bucket.keys.range::<[u8], _>((self.start()?, Bound::Unbounded)).next()?;
        self.advance(key).then_some((key, slot))
    }

    fn next_live<'b>(&mut self, view: &View<'b>) -> Option<(&'b [u8], &'b Arc<Object>)> {
        let (key, object) = view.first(self.start()?)?;
        self.advance(key).then_some((key, object))
    }

    /// Where to look for the next key; `None` when nothing can follow.
    fn start(&self) -> Option<Bound<&[u8]>> {
        match &self.position {
            Bound::Included(key) => Some(Bound::Included(key)),
            Bound::Excluded(key) => Some(Bound::Excluded(key)),
            Bound::Unbounded => None,
        }
    }

    /// Goes past a key, unless the query ends before it.
    fn advance(&mut self, key: &[u8]) -> bool {
        let beyond = self.query.until.as_ref().is_some_and(|until| *key >= **until);
        if beyond || !key.starts_with(&self.query.prefix) {
            return false;
        }
        self.position = Bound::Excluded(key.to_vec());
        true
    }

    fn item(&self, key: &[u8]) -> Item {
        let rest = &key[self.query.prefix.len()..];
        let delimiter = &self.query.delimiter;
        if delimiter.is_empty() {
            return Item::Key(key.to_vec());
        }
        match rest.windows(delimiter.len()).position(|window| window == delimiter) {
            Some(at) => Item::Prefix(key[..self.query.prefix.len() + at + delimiter.len()].to_vec()),
            None => Item::Key(key.to_vec()),
        }
    }

    fn skip(&mut self, item: &Item) {
        if let Item::Prefix(prefix) = item {
            self.position = successor(prefix).map_or(Bound::Unbounded, Bound::Included);
        }
    }
}

/// The first key after all that start with `prefix`; `None` when there can be none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut next = prefix[..=keep].to_vec();
    next[keep] += 1;
    Some(next)
}
