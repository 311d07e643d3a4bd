//! Listing and reading the simulated store.

use super::{Dialect, STALL_TIME_MAX, SimStore, errors, metadata_of, storage_class};
use crate::door::{ConnectionCut, ObjectBody};
use crate::fault::Op;
use crate::world::{ChecksumAlgorithm, ChecksumKind, Conditions, ListQuery, Object, Which};
use async_trait::async_trait;
use brigade_core::digest::{Algorithm, Digests};
use brigade_core::{Availability, Entry, ErrorKind, Identity, Key, KeyRange};
use brigade_store::{Collector, Head, Layout, List, Pages, Piece, Read, ReadRequest, Result, StoreError};
use http::Response;
use http_body_util::BodyExt as _;
use std::sync::Arc;

struct SimPages {
    store: SimStore,
    range: KeyRange,
    after: Option<Vec<u8>>,
    ended: bool,
}

#[async_trait]
impl List for SimStore {
    fn list(&self, range: &KeyRange) -> Box<dyn Pages> {
        let after = range.after.as_ref().map(|after| self.full(after));
        Box::new(SimPages { store: self.clone(), range: range.clone(), after, ended: false })
    }

    async fn head(&self, key: &Key) -> Result<Head> {
        let name = self.full(key);
        let passage = self.enter(Op::Head, &name).await?;
        let object = self.world().get(self.bucket(), &name, Which::Current, &Conditions::NONE).map_err(errors::from_world)?;
        passage.acknowledge().map_err(|_| errors::cut())?;
        Ok(self.head_of(&object))
    }
}

#[async_trait]
impl Pages for SimPages {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        if self.ended {
            return Ok(None);
        }
        let prefix = self.store.inner.prefix.clone();
        let passage = self.store.enter(Op::List, &prefix).await?;
        let world = self.store.world();
        let max = world.limits().page_items_max;
        let query = ListQuery { prefix, after: self.after.clone(), max, behind: passage.behind(), ..ListQuery::default() };
        let page = world.list(self.store.bucket(), &query).map_err(errors::from_world)?;
        passage.acknowledge().map_err(|_| errors::cut())?;
        let mut entries = Vec::with_capacity(page.objects.len());
        for listed in page.objects {
            let key = self.store.short(&listed.key);
            if self.range.is_past(&key) {
                self.ended = true;
                break;
            }
            entries.push(self.store.entry(key, &listed.object));
        }
        self.ended |= page.next.is_none();
        self.after = page.next;
        Ok(Some(entries).filter(|entries| !entries.is_empty()))
    }
}

impl SimStore {
    fn entry(&self, key: Key, object: &Object) -> Entry {
        let s3 = self.dialect() == Dialect::S3;
        let kept = object.checksum.as_deref().filter(|checksum| s3 && checksum.kind == ChecksumKind::FullObject);
        Entry {
            modified: Some(object.modified),
            digests: self.listed_digests(object),
            checksum_kept: kept.and_then(|checksum| algorithm(checksum.algorithm)),
            storage_class: storage_class(object),
            availability: self.availability(object),
            metadata: (!s3).then(|| Arc::new(metadata_of(&object.attributes))),
            ..Entry::new(key, object.size(), self.identity(object))
        }
    }

    fn find_pinned(&self, name: &[u8], conditions: &Conditions, identity: &Identity) -> Result<Arc<Object>> {
        let found = self.world().get(self.bucket(), name, Which::Current, conditions);
        let object = found.map_err(errors::from_pinned_read)?;
        // A store that ignores the pin is noticed by the identity in its answer.
        if self.identity(&object) != *identity {
            return Err(StoreError::new(ErrorKind::Changed, "the object is another version than the one that was asked for"));
        }
        Ok(object)
    }
}

fn algorithm(kept: ChecksumAlgorithm) -> Option<Algorithm> {
    match kept {
        ChecksumAlgorithm::Crc32c => Some(Algorithm::Crc32c),
        ChecksumAlgorithm::Crc64Nvme => Some(Algorithm::Crc64nvme),
        ChecksumAlgorithm::Crc32 => Some(Algorithm::Crc32),
        ChecksumAlgorithm::Sha1 => Some(Algorithm::Sha1),
        ChecksumAlgorithm::Sha256 => Some(Algorithm::Sha256),
    }
}

#[async_trait]
impl Read for SimStore {
    async fn read(&self, request: &ReadRequest<'_>) -> Result<Piece> {
        let name = self.full(request.key);
        let passage = self.enter(Op::Get, &name).await?;
        let conditions = passage.conditions(self.pinned(request.identity));
        let object = self.find_pinned(&name, &conditions, request.identity)?;
        if self.availability(&object) == Availability::Archived {
            return Err(StoreError::new(ErrorKind::Archived, "the object is archived"));
        }
        let part = request.part.filter(|_| !passage.ignores_range());
        let body = match part {
            Some(part) if part.offset >= object.size() && part.size > 0 => {
                return Err(StoreError::new(ErrorKind::Protocol, "the range lies beyond the object"));
            }
            Some(part) => object.body().slice(part.offset, part.size),
            None => object.body().clone(),
        };
        let body = ObjectBody::new(&body).map_err(errors::from_world)?;
        let mut body = passage.leave(Response::new(body)).map_err(|_| errors::cut())?.into_body();
        let mut collector = Collector::new(request.size, request.wanted);
        loop {
            let frame = tokio::time::timeout(STALL_TIME_MAX, body.frame()).await;
            let frame = frame.map_err(|_| StoreError::new(ErrorKind::Stalled, "no byte came in time"))?;
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|error| broken(&*error))?;
            if let Ok(chunk) = frame.into_data() {
                collector.push(chunk)?;
            }
        }
        let (bytes, sum) = collector.finish()?;
        let mut head = self.head_of(&object);
        if request.part.is_some() && self.dialect() == Dialect::S3 {
            // A ranged answer shows the ETag and no checksum.
            head.digests = self.listed_digests(&object);
        }
        Ok(Piece { head, bytes, sum })
    }

    async fn digests(&self, entry: &Entry) -> Result<Digests> {
        let head = self.head(&entry.key).await.map_err(|error| match error.kind {
            ErrorKind::NotFound => StoreError { kind: ErrorKind::Vanished, ..error },
            _ => error,
        })?;
        if head.identity != entry.identity {
            return Err(StoreError::new(ErrorKind::Changed, "the object is another version than the one that was listed"));
        }
        Ok(head.digests)
    }

    async fn tags(&self, key: &Key, identity: &Identity) -> Result<Vec<(String, String)>> {
        let name = self.full(key);
        let passage = self.enter(Op::Tags, &name).await?;
        let object = self.find_pinned(&name, &Conditions::NONE, identity)?;
        passage.acknowledge().map_err(|_| errors::cut())?;
        Ok(object.attributes.tags.clone().into_iter().collect())
    }

    async fn layout(&self, entry: &Entry) -> Result<Option<Layout>> {
        let name = self.full(&entry.key);
        let passage = self.enter(Op::Head, &name).await?;
        let object = self.find_pinned(&name, &Conditions::NONE, &entry.identity)?;
        passage.acknowledge().map_err(|_| errors::cut())?;
        let Some(parts) = object.parts.as_deref().filter(|_| self.dialect() == Dialect::S3) else { return Ok(None) };
        let count = u32::try_from(parts.len()).expect("an upload has at most 10,000 parts");
        Ok(parts.first().map(|first| Layout { part_bytes: first.size, count }))
    }
}

fn broken(error: &(dyn std::error::Error + Send + Sync + 'static)) -> StoreError {
    if error.is::<ConnectionCut>() {
        return StoreError::new(ErrorKind::Network, "the body ended early");
    }
    StoreError::new(ErrorKind::Internal, error.to_string())
}
