//! Keys that somebody named (`--files-from`), looked up one by one instead of being picked from a listing.
//!
//! A run must not tell by which way its entries came, so a look says of an object exactly what a listing of its store would
//! have said, and no more; and a key that is not there is no entry, as in a listing. Where a look is refused, the listing has
//! the last word: an object that cannot be looked at is there all the same, and an endpoint that may not be listed fails here
//! as it fails there.

use std::sync::Arc;

use async_trait::async_trait;
use brigade_core::digest::md5_from_etag;
use brigade_core::{Algorithm, Digests, Entry, ErrorKind, Identity, Key, KeyRange};
use brigade_store::{Head, List, Listing, Pages, Probe, Result};
use futures::{StreamExt, TryStreamExt, stream};

use crate::Entries;
use crate::limits::{LOOKS_AT_ONCE, LOOKS_MAX, LOOKS_PER_PAGE, NAMES_PER_PAGE};

/// The storage class of an S3 object whose HEAD names none ("HeadObject", Amazon S3 API reference: `x-amz-storage-class`).
const CLASS_UNNAMED: &str = "STANDARD";

/// How named keys are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Each by a HEAD.
    Look,
    /// By a listing of the location, of which the other keys are dropped.
    List,
}

/// Decides how `names` (sorted) are found in `store`. It may take one page of its listing, for only that tells how many of the
/// keys that are there were named. A page that cannot be had decides for the listing, which then fails as it always did.
pub async fn way<S: List + Probe + ?Sized>(store: &S, names: &[Key]) -> Way {
    if store.facts().listing == Listing::Serial || names.len() > LOOKS_MAX {
        return Way::List;
    }
    let Some(first) = names.first().filter(|_| names.len() > LOOKS_PER_PAGE) else { return Way::Look };
    let sample = KeyRange { after: Some(first.clone()), through: None };
    match store.list(&sample).next().await {
        Ok(Some(page)) => {
            let last = page.last().map(|entry| &entry.key);
            let spanned = names.partition_point(|name| Some(name) <= last);
            if spanned <= LOOKS_PER_PAGE { Way::Look } else { Way::List }
        }
        Ok(None) | Err(_) => Way::List,
    }
}

/// Entries of named keys.
pub struct Named<S: ?Sized> {
    store: Arc<S>,
    names: Arc<[Key]>,
}

impl<S: Probe + ?Sized> Named<S> {
    /// Looks up `names` (sorted, each once) below the key prefix `prefix`. A name that the store cannot hold is not there, and
    /// costs no request.
    pub fn new(store: Arc<S>, names: &[Key], prefix: &[u8]) -> Self {
        let rules = store.facts().keys;
        let fit = |name: &&Key| rules.unfit(&[prefix, name.as_bytes()].concat()).is_none();
        let names = names.iter().filter(fit).cloned().collect();
        Self { store, names }
    }
}

impl<S: List + ?Sized + 'static> Entries for Named<S> {
    fn list(&self, range: &KeyRange) -> Box<dyn Pages> {
        let after = range.after.as_ref().map_or(0, |after| self.names.partition_point(|name| name <= after));
        let through = range.through.as_ref().map_or(self.names.len(), |last| self.names.partition_point(|name| name <= last));
        Box::new(NamedPages { store: self.store.clone(), names: self.names.clone(), next: after, end: through })
    }
}

/// The named keys from `next` up to `end`, page by page. It only moves on after a page was found, so that a failed one can be
/// asked for again.
struct NamedPages<S: ?Sized> {
    store: Arc<S>,
    names: Arc<[Key]>,
    next: usize,
    end: usize,
}

#[async_trait]
impl<S: List + ?Sized> Pages for NamedPages<S> {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        while self.next < self.end {
            let end = self.end.min(self.next + NAMES_PER_PAGE);
            let looks = (self.next..end).map(|at| look(&*self.store, &self.names, at));
            let found: Vec<Option<Entry>> = stream::iter(looks).buffered(LOOKS_AT_ONCE).try_collect().await?;
            self.next = end;
            let entries: Vec<Entry> = found.into_iter().flatten().collect();
            if !entries.is_empty() {
                return Ok(Some(entries));
            }
        }
        Ok(None)
    }
}

async fn look<S: List + ?Sized>(store: &S, names: &[Key], at: usize) -> Result<Option<Entry>> {
    let key = &names[at];
    match store.head(key).await {
        Ok(head) => Ok(Some(as_listed(key.clone(), head))),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(_) => listed(store, key, at.checked_sub(1).map(|before| &names[before])).await,
    }
}

/// What a listing says of `key`: begun as near before it as a name is known that a listing can begin at.
async fn listed<S: List + ?Sized>(store: &S, key: &Key, before: Option<&Key>) -> Result<Option<Entry>> {
    let slash = key.as_bytes().iter().rposition(|byte| *byte == b'/');
    let directory = slash.map(|slash| Key::new(&key.as_bytes()[..=slash])).filter(|directory| directory < key);
    let range = KeyRange { after: directory.max(before.cloned()), through: Some(key.clone()) };
    let mut pages = store.list(&range);
    while let Some(page) = pages.next().await? {
        if let Some(entry) = page.into_iter().find(|entry| entry.key == *key) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// What a listing of the same store says of the object. A listing of S3 has neither metadata nor the values of checksums, and
/// takes every ETag that has the form of an MD5 for one; one of GCS has everything; one of a directory has neither.
fn as_listed(key: Key, head: Head) -> Entry {
    let entry = Entry {
        modified: head.modified,
        availability: head.availability,
        storage_class: head.storage_class,
        ..Entry::new(key, head.size, head.identity)
    };
    match &entry.identity {
        Identity::Etag(etag) => Entry {
            digests: Digests { md5: md5_from_etag(etag), ..Digests::default() },
            checksum_kept: kept(&head.digests),
            storage_class: entry.storage_class.or_else(|| Some(CLASS_UNNAMED.into())),
            ..entry
        },
        Identity::Generation(_) => Entry { digests: head.digests, metadata: Some(head.metadata), ..entry },
        Identity::File(_) => entry,
    }
}

/// The full-object checksum that a HEAD shows and a listing announces.
fn kept(shown: &Digests) -> Option<Algorithm> {
    let crc64nvme = shown.crc64nvme.map(|_| Algorithm::Crc64nvme);
    crc64nvme.or(shown.crc32c.map(|_| Algorithm::Crc32c))
}
