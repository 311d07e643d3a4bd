//! One object of a store, under another name: for a SOURCE that is exactly one object.
//!
//! Source and target are each seen as a store that holds at most one key, and that key is the same on both sides, so the
//! pipeline needs to know nothing of renaming.

use std::sync::Arc;

use async_trait::async_trait;
use brigade_core::digest::{Digests, Sum};
use brigade_core::parts::Part;
use brigade_core::{Entry, Identity, Key, KeyRange};

use crate::{
    Complete, CopyBy, CopyComplete, CopyFacts, Delete, Deletion, Facts, Head, Layout, List, Listing, Origin, Pages, PartReceipt,
    PendingUpload, Piece, Probe, ProbeFor, Read, ReadRequest, Result, Rope, ServerCopy, Upload, Write, WriteSpec, Written,
};
use brigade_core::ErrorKind;

/// A view of one object: `shown` is its key for the engine, `real` its key in the store.
pub struct Single<S: ?Sized> {
    inner: Arc<S>,
    shown: Key,
    real: Key,
}

impl<S: ?Sized> Single<S> {
    /// Shows the object `real` as `shown`.
    pub fn new(inner: Arc<S>, real: Key, shown: Key) -> Self {
        Self { inner, shown, real }
    }

    /// The key in the store. Any key but the one that is shown is its own.
    fn name<'a>(&'a self, key: &'a Key) -> &'a Key {
        if *key == self.shown { &self.real } else { key }
    }

    fn entry(&self, entry: &Entry) -> Entry {
        Entry { key: self.real.clone(), ..entry.clone() }
    }

    fn upload(&self, upload: &Upload) -> Upload {
        Upload { key: self.real.clone(), ..upload.clone() }
    }
}

/// At most one page of one entry.
struct OnePage<S: ?Sized> {
    inner: Arc<S>,
    shown: Key,
    real: Key,
    asked: bool,
}

#[async_trait]
impl<S: List + ?Sized> Pages for OnePage<S> {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        if self.asked {
            return Ok(None);
        }
        let found = match self.inner.head(&self.real).await {
            Ok(head) => Some(vec![entry_of(self.shown.clone(), head)]),
            Err(error) if error.kind == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        self.asked = true;
        Ok(found)
    }
}

/// What a listing would say of an object, from its facts.
pub fn entry_of(key: Key, head: Head) -> Entry {
    Entry {
        modified: head.modified,
        digests: head.digests,
        storage_class: head.storage_class,
        availability: head.availability,
        metadata: Some(head.metadata),
        ..Entry::new(key, head.size, head.identity)
    }
}

#[async_trait]
impl<S: List + ?Sized + 'static> List for Single<S> {
    fn list(&self, range: &KeyRange) -> Box<dyn Pages> {
        let asked = !range.contains(&self.shown);
        Box::new(OnePage { inner: self.inner.clone(), shown: self.shown.clone(), real: self.real.clone(), asked })
    }

    async fn head(&self, key: &Key) -> Result<Head> {
        self.inner.head(self.name(key)).await
    }
}

#[async_trait]
impl<S: Read + ?Sized> Read for Single<S> {
    async fn read(&self, request: &ReadRequest<'_>) -> Result<Piece> {
        self.inner.read(&ReadRequest { key: &self.real, ..request.clone() }).await
    }

    async fn digests(&self, entry: &Entry) -> Result<Digests> {
        self.inner.digests(&self.entry(entry)).await
    }

    async fn tags(&self, _key: &Key, identity: &Identity) -> Result<Vec<(String, String)>> {
        self.inner.tags(&self.real, identity).await
    }

    async fn layout(&self, entry: &Entry) -> Result<Option<Layout>> {
        self.inner.layout(&self.entry(entry)).await
    }
}

#[async_trait]
impl<S: Write + ?Sized> Write for Single<S> {
    async fn put(&self, key: &Key, bytes: &Rope, sum: &Sum, md5: Option<[u8; 16]>, spec: &WriteSpec) -> Result<Written> {
        self.inner.put(self.name(key), bytes, sum, md5, spec).await
    }

    async fn create(&self, key: &Key, size: u64, spec: &WriteSpec) -> Result<Upload> {
        self.inner.create(self.name(key), size, spec).await
    }

    async fn part(&self, upload: &Upload, part: Part, bytes: &Rope, sum: &Sum) -> Result<PartReceipt> {
        self.inner.part(&self.upload(upload), part, bytes, sum).await
    }

    async fn parts(&self, upload: &Upload) -> Result<Vec<PartReceipt>> {
        self.inner.parts(&self.upload(upload)).await
    }

    async fn complete(&self, upload: &Upload, complete: &Complete<'_>) -> Result<Written> {
        self.inner.complete(&self.upload(upload), complete).await
    }

    async fn abort(&self, upload: &Upload) -> Result<()> {
        self.inner.abort(&self.upload(upload)).await
    }

    async fn pending(&self) -> Result<Vec<PendingUpload>> {
        Ok(self.inner.pending().await?.into_iter().filter(|pending| pending.upload.key == self.real).collect())
    }

    async fn retract(&self, key: &Key, written: &Identity) -> Result<()> {
        self.inner.retract(self.name(key), written).await
    }
}

/// A road between two such views: the one key has a real name at either end.
pub struct SingleCopy {
    inner: Arc<dyn ServerCopy>,
    source: Key,
    target: Key,
}

impl SingleCopy {
    /// Copies the object `source` to `target`, whatever the engine calls them.
    pub fn new(inner: Arc<dyn ServerCopy>, source: Key, target: Key) -> Self {
        Self { inner, source, target }
    }

    fn origin<'a>(&'a self, origin: &Origin<'a>) -> Origin<'a> {
        Origin { key: &self.source, ..*origin }
    }

    fn upload(&self, upload: &Upload) -> Upload {
        Upload { key: self.target.clone(), ..upload.clone() }
    }
}

#[async_trait]
impl ServerCopy for SingleCopy {
    fn whole_bytes_max(&self) -> u64 {
        self.inner.whole_bytes_max()
    }

    async fn probe(&self, origin: &Origin<'_>, by: CopyBy) -> Result<CopyFacts> {
        self.inner.probe(&self.origin(origin), by).await
    }

    async fn copy(&self, origin: &Origin<'_>, _key: &Key, spec: &WriteSpec) -> Result<Written> {
        self.inner.copy(&self.origin(origin), &self.target, spec).await
    }

    async fn create(&self, origin: &Origin<'_>, _key: &Key, spec: &WriteSpec) -> Result<Upload> {
        self.inner.create(&self.origin(origin), &self.target, spec).await
    }

    async fn part(&self, origin: &Origin<'_>, part: Part, upload: &Upload) -> Result<PartReceipt> {
        self.inner.part(&self.origin(origin), part, &self.upload(upload)).await
    }

    async fn complete(&self, origin: &Origin<'_>, upload: &Upload, complete: &CopyComplete<'_>) -> Result<Written> {
        self.inner.complete(&self.origin(origin), &self.upload(upload), complete).await
    }
}

#[async_trait]
impl<S: Delete + ?Sized> Delete for Single<S> {
    async fn delete(&self, batch: &[Deletion]) -> Result<Vec<Result<()>>> {
        let batch: Vec<Deletion> =
            batch.iter().map(|deletion| Deletion { key: self.real.clone(), identity: deletion.identity.clone() }).collect();
        self.inner.delete(&batch).await
    }
}

#[async_trait]
impl<S: Probe + ?Sized> Probe for Single<S> {
    fn facts(&self) -> Facts {
        Facts { listing: Listing::Serial, ..self.inner.facts() }
    }

    async fn probe(&self, purpose: ProbeFor) -> Result<Facts> {
        Ok(Facts { listing: Listing::Serial, ..self.inner.probe(purpose).await? })
    }
}
