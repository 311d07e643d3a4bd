//! A store whose every call is two steps: before it takes effect and after. It notes what was sent.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use brigade_core::digest::{Digests, Sum};
use brigade_core::parts::Part;
use brigade_core::{Entry, Identity, Key, KeyRange};
use brigade_lab::sim::{SimCopy, SimStore};
use brigade_store::{
    Complete, CopyBy, CopyComplete, CopyFacts, Delete, Deletion, Facts, Head, Layout, List, Origin, Pages, PartReceipt, PendingUpload,
    Piece, Probe, ProbeFor, Read, ReadRequest, Result, Rope, ServerCopy, Upload, When, Write, WriteSpec, Written,
};
use parking_lot::Mutex;

use crate::steps::Steps;

/// A store at the seam.
#[derive(Clone)]
pub struct Watched {
    inner: SimStore,
    steps: Arc<Steps>,
    sent: Arc<Mutex<Sent>>,
}

/// What went to a store.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Whole objects, by key, each time.
    pub puts: Vec<Key>,
    /// Parts: upload id and number, each time.
    pub parts: Vec<(String, u32)>,
    /// The tasks that sent them.
    pub part_tasks: HashSet<Option<tokio::task::Id>>,
    /// Uploads that were begun and acknowledged: key and id.
    pub begun: Vec<(Key, String)>,
    /// The condition of every write that became or could have become visible, by key.
    pub conditions: Vec<(Key, When)>,
    /// Objects that the provider copied at once.
    pub copied: u64,
    /// Those that it copied in parts.
    pub copied_in_parts: u64,
    /// Objects that were asked to be deleted, each time.
    pub deletes: Vec<Key>,
}

impl Watched {
    /// Puts a store behind these steps.
    pub fn new(inner: SimStore, steps: Arc<Steps>) -> Self {
        Self { inner, steps, sent: Arc::default() }
    }

    /// What was sent so far.
    pub fn sent(&self) -> Sent {
        self.sent.lock().clone()
    }

    /// The road from a source to this target.
    pub fn road(&self, source: &Self) -> WatchedCopy {
        WatchedCopy { inner: SimCopy::new(source.inner.clone(), self.inner.clone()), target: self.clone() }
    }

    async fn around<T>(&self, what: &str, key: &[u8], call: impl Future<Output = T>) -> T {
        self.steps.step(what, key).await;
        let result = call.await;
        self.steps.step("answered", key).await;
        result
    }
}

struct WatchedPages {
    inner: Box<dyn Pages>,
    steps: Arc<Steps>,
}

#[async_trait]
impl Pages for WatchedPages {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        self.steps.step("list", b"").await;
        let page = self.inner.next().await;
        self.steps.step("listed", b"").await;
        page
    }
}

#[async_trait]
impl List for Watched {
    fn list(&self, range: &KeyRange) -> Box<dyn Pages> {
        Box::new(WatchedPages { inner: self.inner.list(range), steps: self.steps.clone() })
    }

    async fn head(&self, key: &Key) -> Result<Head> {
        self.around("head", key.as_bytes(), self.inner.head(key)).await
    }
}

#[async_trait]
impl Read for Watched {
    async fn read(&self, request: &ReadRequest<'_>) -> Result<Piece> {
        self.around("read", request.key.as_bytes(), self.inner.read(request)).await
    }

    async fn digests(&self, entry: &Entry) -> Result<Digests> {
        self.around("digests", entry.key.as_bytes(), self.inner.digests(entry)).await
    }

    async fn tags(&self, key: &Key, identity: &Identity) -> Result<Vec<(String, String)>> {
        self.around("tags", key.as_bytes(), self.inner.tags(key, identity)).await
    }

    async fn layout(&self, entry: &Entry) -> Result<Option<Layout>> {
        self.around("layout", entry.key.as_bytes(), self.inner.layout(entry)).await
    }
}

#[async_trait]
impl Write for Watched {
    async fn put(&self, key: &Key, bytes: &Rope, sum: &Sum, md5: Option<[u8; 16]>, spec: &WriteSpec) -> Result<Written> {
        {
            let mut sent = self.sent.lock();
            sent.puts.push(key.clone());
            sent.conditions.push((key.clone(), spec.when.clone()));
        }
        self.around("put", key.as_bytes(), self.inner.put(key, bytes, sum, md5, spec)).await
    }

    async fn create(&self, key: &Key, size: u64, spec: &WriteSpec) -> Result<Upload> {
        let created = self.around("create", key.as_bytes(), self.inner.create(key, size, spec)).await?;
        self.sent.lock().begun.push((key.clone(), created.id.clone()));
        Ok(created)
    }

    async fn part(&self, upload: &Upload, part: Part, bytes: &Rope, sum: &Sum) -> Result<PartReceipt> {
        {
            let mut sent = self.sent.lock();
            sent.parts.push((upload.id.clone(), part.number));
            sent.part_tasks.insert(tokio::task::try_id());
        }
        self.around("part", upload.key.as_bytes(), self.inner.part(upload, part, bytes, sum)).await
    }

    async fn parts(&self, upload: &Upload) -> Result<Vec<PartReceipt>> {
        self.around("parts", upload.key.as_bytes(), self.inner.parts(upload)).await
    }

    async fn complete(&self, upload: &Upload, complete: &Complete<'_>) -> Result<Written> {
        self.sent.lock().conditions.push((upload.key.clone(), complete.spec.when.clone()));
        self.around("complete", upload.key.as_bytes(), self.inner.complete(upload, complete)).await
    }

    async fn abort(&self, upload: &Upload) -> Result<()> {
        self.around("abort", upload.key.as_bytes(), self.inner.abort(upload)).await
    }

    async fn pending(&self) -> Result<Vec<PendingUpload>> {
        self.around("pending", b"", self.inner.pending()).await
    }

    async fn retract(&self, key: &Key, written: &Identity) -> Result<()> {
        self.around("retract", key.as_bytes(), self.inner.retract(key, written)).await
    }
}

#[async_trait]
impl Delete for Watched {
    async fn delete(&self, batch: &[Deletion]) -> Result<Vec<Result<()>>> {
        self.sent.lock().deletes.extend(batch.iter().map(|deletion| deletion.key.clone()));
        self.around("delete", b"", self.inner.delete(batch)).await
    }
}

#[async_trait]
impl Probe for Watched {
    fn facts(&self) -> Facts {
        self.inner.facts()
    }

    async fn probe(&self, purpose: ProbeFor) -> Result<Facts> {
        self.around("probe", b"", self.inner.probe(purpose)).await
    }
}

/// Copies inside a provider, at the seam of their target.
pub struct WatchedCopy {
    inner: SimCopy,
    target: Watched,
}

#[async_trait]
impl ServerCopy for WatchedCopy {
    fn whole_bytes_max(&self) -> u64 {
        self.inner.whole_bytes_max()
    }

    async fn probe(&self, origin: &Origin<'_>, by: CopyBy) -> Result<CopyFacts> {
        self.target.around("probe copies", origin.key.as_bytes(), self.inner.probe(origin, by)).await
    }

    async fn copy(&self, origin: &Origin<'_>, key: &Key, spec: &WriteSpec) -> Result<Written> {
        {
            let mut sent = self.target.sent.lock();
            sent.puts.push(key.clone());
            sent.conditions.push((key.clone(), spec.when.clone()));
        }
        let written = self.target.around("copy", key.as_bytes(), self.inner.copy(origin, key, spec)).await?;
        self.target.sent.lock().copied += 1;
        Ok(written)
    }

    async fn create(&self, origin: &Origin<'_>, key: &Key, spec: &WriteSpec) -> Result<Upload> {
        let created = self.target.around("create", key.as_bytes(), self.inner.create(origin, key, spec)).await?;
        self.target.sent.lock().begun.push((key.clone(), created.id.clone()));
        Ok(created)
    }

    async fn part(&self, origin: &Origin<'_>, part: Part, upload: &Upload) -> Result<PartReceipt> {
        self.target.around("copy part", upload.key.as_bytes(), self.inner.part(origin, part, upload)).await
    }

    async fn complete(&self, origin: &Origin<'_>, upload: &Upload, complete: &CopyComplete<'_>) -> Result<Written> {
        self.target.sent.lock().conditions.push((upload.key.clone(), complete.spec.when.clone()));
        let written = self.target.around("complete", upload.key.as_bytes(), self.inner.complete(origin, upload, complete)).await?;
        self.target.sent.lock().copied_in_parts += 1;
        Ok(written)
    }
}
