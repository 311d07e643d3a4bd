//! Targets and deleters that break the engine's writing and deleting.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use brigade_core::digest::{Digests, Sum, Wanted};
use brigade_core::parts::Part;
use brigade_core::{Entry, Identity, Key, KeyRange, Metadata};
use brigade_store::{
    Complete, Delete, Deletion, Facts, Head, List, Pages, PartReceipt, PendingUpload, Piece, Probe, ProbeFor, Read, ReadRequest, Result,
    Rope, Target, Upload, When, Write, WriteSpec, Written,
};
use parking_lot::Mutex;

use super::Bug;

/// Every so many-th call goes wrong, where one in some is enough.
const EVERY: u64 = 5;

pub(super) struct BrokenTarget {
    inner: Arc<dyn Target>,
    bug: Bug,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: u64,
    metadata: Option<Arc<Metadata>>,
    imagined: BTreeMap<String, Vec<PartReceipt>>,
}

impl BrokenTarget {
    pub(super) fn new(inner: Arc<dyn Target>, bug: Bug) -> Self {
        Self { inner, bug, state: Mutex::default() }
    }

    /// Whether this call is one of those that go wrong.
    fn strikes(&self, bug: Bug) -> bool {
        let mut state = self.state.lock();
        state.calls += 1;
        self.bug == bug && state.calls.is_multiple_of(EVERY)
    }

    fn key(&self, key: &Key) -> Key {
        match (self.bug, key.as_str()) {
            (Bug::KeysAreTidied, Some(text)) => Key::from(text.replace("//", "/").as_str()),
            _ => key.clone(),
        }
    }

    fn spec(&self, spec: &WriteSpec) -> WriteSpec {
        let mut spec = spec.clone();
        if self.bug == Bug::UnconditionalWrites {
            spec.when = When::Always;
        }
        if self.bug == Bug::MetadataIsMixed {
            let before = self.state.lock().metadata.replace(spec.metadata.clone());
            if self.strikes(Bug::MetadataIsMixed) {
                spec.metadata = before.unwrap_or(spec.metadata);
            }
        }
        spec
    }
}

/// The same bytes with one of them changed.
fn changed(bytes: &Rope) -> Rope {
    let mut copy: Vec<u8> = bytes.chunks().iter().flat_map(|chunk| chunk.to_vec()).collect();
    if let Some(first) = copy.first_mut() {
        *first ^= 1;
    }
    Rope::from(copy)
}

#[async_trait]
impl Write for BrokenTarget {
    async fn put(&self, key: &Key, bytes: &Rope, sum: &Sum, md5: Option<[u8; 16]>, spec: &WriteSpec) -> Result<Written> {
        let (key, spec) = (self.key(key), self.spec(spec));
        if self.strikes(Bug::ProofsAreEchoed) {
            let wrong = changed(bytes);
            let written = self.inner.put(&key, &wrong, &wrong.sum(Wanted::default()), None, &spec).await?;
            return Ok(Written { digests: sum.digests(), ..written });
        }
        self.inner.put(&key, bytes, sum, md5, &spec).await
    }

    async fn create(&self, key: &Key, size: u64, spec: &WriteSpec) -> Result<Upload> {
        self.inner.create(&self.key(key), size, &self.spec(spec)).await
    }

    async fn part(&self, upload: &Upload, part: Part, bytes: &Rope, sum: &Sum) -> Result<PartReceipt> {
        if self.strikes(Bug::PartsAreImagined) {
            let receipt = PartReceipt { number: part.number, size: part.size, tag: "imagined".into(), digests: sum.digests() };
            self.state.lock().imagined.entry(upload.id.clone()).or_default().push(receipt.clone());
            return Ok(receipt);
        }
        self.inner.part(upload, part, bytes, sum).await
    }

    async fn parts(&self, upload: &Upload) -> Result<Vec<PartReceipt>> {
        let mut held = self.inner.parts(upload).await?;
        held.extend(self.state.lock().imagined.get(&upload.id).into_iter().flatten().cloned());
        Ok(held)
    }

    async fn complete(&self, upload: &Upload, complete: &Complete<'_>) -> Result<Written> {
        let mut spec = complete.spec.clone();
        if self.bug == Bug::UnconditionalWrites {
            spec.when = When::Always;
        }
        self.inner.complete(upload, &Complete { spec: &spec, ..complete.clone() }).await
    }

    async fn abort(&self, upload: &Upload) -> Result<()> {
        if self.bug == Bug::UploadsAreLeft { Ok(()) } else { self.inner.abort(upload).await }
    }

    async fn pending(&self) -> Result<Vec<PendingUpload>> {
        self.inner.pending().await
    }

    async fn retract(&self, key: &Key, written: &Identity) -> Result<()> {
        self.inner.retract(key, written).await
    }
}

#[async_trait]
impl List for BrokenTarget {
    fn list(&self, range: &KeyRange) -> Box<dyn Pages> {
        self.inner.list(range)
    }

    async fn head(&self, key: &Key) -> Result<Head> {
        self.inner.head(key).await
    }
}

#[async_trait]
impl Read for BrokenTarget {
    async fn read(&self, request: &ReadRequest<'_>) -> Result<Piece> {
        self.inner.read(request).await
    }

    async fn digests(&self, entry: &Entry) -> Result<Digests> {
        self.inner.digests(entry).await
    }

    async fn tags(&self, key: &Key, identity: &Identity) -> Result<Vec<(String, String)>> {
        self.inner.tags(key, identity).await
    }
}

#[async_trait]
impl Probe for BrokenTarget {
    fn facts(&self) -> Facts {
        self.inner.facts()
    }

    async fn probe(&self, purpose: ProbeFor) -> Result<Facts> {
        self.inner.probe(purpose).await
    }
}

pub(super) struct BrokenDelete {
    pub(super) inner: Arc<dyn Delete>,
    pub(super) look: Arc<dyn List>,
    pub(super) bug: Bug,
}

#[async_trait]
impl Delete for BrokenDelete {
    async fn delete(&self, batch: &[Deletion]) -> Result<Vec<Result<()>>> {
        if self.bug != Bug::UnconditionalDeletes {
            return self.inner.delete(batch).await;
        }
        let mut whatever = Vec::new();
        for deletion in batch {
            let identity = self.look.head(&deletion.key).await.map_or_else(|_| deletion.identity.clone(), |head| head.identity);
            whatever.push(Deletion { key: deletion.key.clone(), identity });
        }
        self.inner.delete(&whatever).await
    }
}
