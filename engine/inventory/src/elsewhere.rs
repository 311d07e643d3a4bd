//! A store whose listing comes from elsewhere.
//!
//! Everything but the listing goes to the store itself: a HEAD is always the store's own word, so whoever looks at an object
//! again before it is replaced or deleted never gets an old answer.

use std::sync::Arc;

use async_trait::async_trait;
use brigade_core::digest::{Digests, Sum};
use brigade_core::parts::Part;
use brigade_core::{Entry, Identity, Key, KeyRange};
use brigade_store::{
    Complete, Facts, Head, Layout, List, Pages, PartReceipt, PendingUpload, Piece, Probe, ProbeFor, Read, ReadRequest, Result, Rope,
    Upload, Write, WriteSpec, Written,
};

/// Where entries come from instead of a listing.
pub trait Entries: Send + Sync {
    /// The entries of the keys in `range`, in byte order, with the contract of [`List::list`].
    fn list(&self, range: &KeyRange) -> Box<dyn Pages>;
}

/// A store that is listed by other means. Cheap to clone.
pub struct Elsewhere<S: ?Sized> {
    store: Arc<S>,
    entries: Arc<dyn Entries>,
}

impl<S: ?Sized> Elsewhere<S> {
    /// Lists `store` by `entries`.
    pub fn new(store: Arc<S>, entries: Arc<dyn Entries>) -> Self {
        Self { store, entries }
    }
}

impl<S: ?Sized> Clone for Elsewhere<S> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), entries: self.entries.clone() }
    }
}

#[async_trait]
impl<S: List + ?Sized> List for Elsewhere<S> {
    fn list(&self, range: &KeyRange) -> Box<dyn Pages> {
        self.entries.list(range)
    }

    async fn head(&self, key: &Key) -> Result<Head> {
        self.store.head(key).await
    }
}

#[async_trait]
impl<S: Read + ?Sized> Read for Elsewhere<S> {
    async fn read(&self, request: &ReadRequest<'_>) -> Result<Piece> {
        self.store.read(request).await
    }

    async fn digests(&self, entry: &Entry) -> Result<Digests> {
        self.store.digests(entry).await
    }

    async fn tags(&self, key: &Key, identity: &Identity) -> Result<Vec<(String, String)>> {
        self.store.tags(key, identity).await
    }

    async fn layout(&self, entry: &Entry) -> Result<Option<Layout>> {
        self.store.layout(entry).await
    }
}

#[async_trait]
impl<S: Write + ?Sized> Write for Elsewhere<S> {
    async fn put(&self, key: &Key, bytes: &Rope, sum: &Sum, md5: Option<[u8; 16]>, spec: &WriteSpec) -> Result<Written> {
        self.store.put(key, bytes, sum, md5, spec).await
    }

    async fn create(&self, key: &Key, size: u64, spec: &WriteSpec) -> Result<Upload> {
        self.store.create(key, size, spec).await
    }

    async fn part(&self, upload: &Upload, part: Part, bytes: &Rope, sum: &Sum) -> Result<PartReceipt> {
        self.store.part(upload, part, bytes, sum).await
    }

    async fn parts(&self, upload: &Upload) -> Result<Vec<PartReceipt>> {
        self.store.parts(upload).await
    }

    async fn complete(&self, upload: &Upload, complete: &Complete<'_>) -> Result<Written> {
        self.store.complete(upload, complete).await
    }

    async fn abort(&self, upload: &Upload) -> Result<()> {
        self.store.abort(upload).await
    }

    async fn pending(&self) -> Result<Vec<PendingUpload>> {
        self.store.pending().await
    }

    async fn retract(&self, key: &Key, written: &Identity) -> Result<()> {
        self.store.retract(key, written).await
    }
}

#[async_trait]
impl<S: Probe + ?Sized> Probe for Elsewhere<S> {
    fn facts(&self) -> Facts {
        self.store.facts()
    }

    async fn probe(&self, purpose: ProbeFor) -> Result<Facts> {
        self.store.probe(purpose).await
    }
}
