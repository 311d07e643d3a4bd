//! Copies inside the simulated provider, from one of its stores to another.

use super::{Dialect, SimStore, errors};
use crate::door::Passage;
use crate::fault::Op;
use crate::world::{
    Asked, Checksum, ChecksumAlgorithm, ChecksumKind, Completion, Conditions, Content, ETag, NamedPart, NewObject, NewUpload, Object,
    UploadChecksum, Which,
};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use brigade_core::digest::{Digests, crc32c_from_base64, crc64nvme_from_base64, crc64nvme_to_base64, md5_from_etag};
use brigade_core::parts::Part;
use brigade_core::{Availability, ErrorKind, Key};
use brigade_store::{
    CopyBy, CopyComplete, CopyFacts, Honoured, Origin, PartReceipt, Result, ServerCopy, StoreError, Upload, WriteSpec, Written,
};
use std::sync::Arc;

/// The road from one store to another of the same world. Faults strike at the door of the target, where the requests go.
#[derive(Clone, Debug)]
pub struct SimCopy {
    source: SimStore,
    target: SimStore,
}

impl SimCopy {
    /// Both must be of one world and one dialect: a provider copies only inside itself.
    pub fn new(source: SimStore, target: SimStore) -> Self {
        assert!(std::ptr::eq(source.world(), target.world()), "both ends of a server-side copy are in one world");
        assert_eq!(source.dialect(), target.dialect(), "both ends of a server-side copy speak one dialect");
        Self { source, target }
    }

    /// The version that is to be copied, as the endpoint finds it.
    fn find(&self, origin: &Origin<'_>, passage: &Passage) -> Result<Arc<Object>> {
        let world = self.source.world();
        let pin = passage.conditions(self.source.pinned(origin.identity));
        let pin = if world.honours().conditional_copy { pin } else { Conditions::NONE };
        let found = world.get(self.source.bucket(), &self.source.full(origin.key), Which::Current, &pin);
        let object = found.map_err(errors::from_pinned_read)?;
        match self.source.availability(&object) {
            Availability::Ready => Ok(object),
            Availability::Archived => Err(StoreError::new(ErrorKind::Archived, "the object is archived")),
        }
    }

    fn checksum(&self, origin: &Origin<'_>, content: &Content) -> Result<Option<Checksum>> {
        if !self.target.world().honours().checksums {
            return Ok(None);
        }
        let algorithm = algorithm(origin);
        let value = content.checksum(algorithm).map_err(errors::from_world)?;
        Ok(Some(Checksum { algorithm, kind: ChecksumKind::FullObject, value: value.into() }))
    }

    fn condition(&self, spec: &WriteSpec, passage: &Passage) -> Conditions {
        let honoured = self.target.world().honours().conditional_copy;
        if honoured { passage.conditions(self.target.condition(&spec.when)) } else { Conditions::NONE }
    }

    fn written(&self, object: &Object) -> Written {
        Written { identity: Some(self.target.identity(object)), digests: self.target.kept_digests(object) }
    }
}

/// By which checksum the copy can be compared with its original.
fn algorithm(origin: &Origin<'_>) -> ChecksumAlgorithm {
    match origin.digests {
        Digests { crc32c: None, crc64nvme: Some(_), .. } => ChecksumAlgorithm::Crc64Nvme,
        _ => ChecksumAlgorithm::Crc32c,
    }
}

fn refuses_with_200(passage: &Passage) -> Result<()> {
    if passage.answers_error_in_200() {
        return Err(StoreError::new(ErrorKind::Unavailable, "the store answered 200 with an error in the body"));
    }
    Ok(())
}

#[async_trait]
impl ServerCopy for SimCopy {
    fn whole_bytes_max(&self) -> u64 {
        match self.target.dialect() {
            Dialect::S3 => self.target.world().limits().copy_bytes_max,
            Dialect::Gcs => u64::MAX,
        }
    }

    async fn probe(&self, origin: &Origin<'_>, by: CopyBy) -> Result<CopyFacts> {
        let op = if by == CopyBy::Whole { Op::Copy } else { Op::CopyPart };
        let passage = self.target.enter(op, &self.target.full(&Key::from(".brigade-probe"))).await?;
        self.find(origin, &passage)?;
        passage.acknowledge().map_err(|_| errors::cut())?;
        let honoured = if self.target.world().honours().conditional_copy { Honoured::Yes } else { Honoured::No };
        Ok(CopyFacts { pinned: honoured, conditional: honoured })
    }

    async fn copy(&self, origin: &Origin<'_>, key: &Key, spec: &WriteSpec) -> Result<Written> {
        let (world, name) = (self.target.world(), self.target.fit(key)?);
        let passage = self.target.enter(Op::Copy, &name).await?;
        refuses_with_200(&passage)?;
        let object = self.find(origin, &passage)?;
        if object.size() > self.whole_bytes_max() {
            return Err(StoreError::new(ErrorKind::Invalid, "the object is larger than one copy takes"));
        }
        // What was put together from parts becomes one piece, whose ETag is another.
        let content = match object.etag {
            ETag::Multipart(..) => Content::of_body(object.body()).map_err(errors::from_world)?,
            ETag::Md5(_) | ETag::Opaque(_) => object.content.clone(),
        };
        let checksum = self.checksum(origin, &content)?;
        let attributes = Arc::new(self.target.attributes(spec));
        let new = NewObject { checksum, attributes, ..NewObject::of(passage.stored(content)) };
        let written = world.put(self.target.bucket(), &name, new, &self.condition(spec, &passage)).map_err(errors::from_world)?;
        passage.acknowledge().map_err(|_| errors::cut())?;
        Ok(self.written(&written))
    }

    async fn create(&self, origin: &Origin<'_>, key: &Key, spec: &WriteSpec) -> Result<Upload> {
        let (world, name) = (self.target.world(), self.target.fit(key)?);
        let passage = self.target.enter(Op::CreateUpload, &name).await?;
        let kept = UploadChecksum { algorithm: algorithm(origin), kind: ChecksumKind::FullObject, asked: Asked::ByClient };
        let checksum = world.honours().checksums.then_some(kept);
        let new = NewUpload { attributes: self.target.attributes(spec), checksum, ..NewUpload::default() };
        let id = world.create_upload(self.target.bucket(), &name, new).map_err(errors::from_world)?;
        passage.acknowledge().map_err(|_| errors::cut())?;
        Ok(Upload { key: key.clone(), id, staging: None })
    }

    async fn part(&self, origin: &Origin<'_>, part: Part, upload: &Upload) -> Result<PartReceipt> {
        let (world, name) = (self.target.world(), self.target.full(&upload.key));
        let passage = self.target.enter(Op::CopyPart, &name).await?;
        refuses_with_200(&passage)?;
        let object = self.find(origin, &passage)?;
        if part.offset + part.size > object.size() {
            return Err(StoreError::new(ErrorKind::Invalid, "the range lies beyond the object"));
        }
        let content = Content::of_body(&object.body().slice(part.offset, part.size)).map_err(errors::from_world)?;
        let checksum = self.checksum(origin, &content)?;
        let content = passage.stored(content);
        let tag = content.etag().to_string();
        let receipt = PartReceipt { number: part.number, size: content.size(), digests: digests(checksum.as_ref(), &tag), tag };
        let stored = world.put_part(self.target.bucket(), &name, &upload.id, part.number, content, checksum);
        stored.map_err(errors::from_world)?;
        passage.acknowledge().map_err(|_| errors::cut())?;
        Ok(receipt)
    }

    async fn complete(&self, origin: &Origin<'_>, upload: &Upload, complete: &CopyComplete<'_>) -> Result<Written> {
        let (world, name) = (self.target.world(), self.target.full(&upload.key));
        let passage = self.target.enter(Op::CompleteUpload, &name).await?;
        refuses_with_200(&passage)?;
        let parts = complete.parts.iter().map(|receipt| NamedPart { number: receipt.number, etag: receipt.tag.clone(), checksum: None });
        let completion = Completion {
            parts: parts.collect(),
            checksum: stored_checksum(origin).filter(|_| world.honours().checksums),
            kind: None,
            size: Some(origin.size),
            conditions: passage.conditions(self.target.condition(&complete.spec.when)),
        };
        let completed = world.complete_upload(self.target.bucket(), &name, &upload.id, &completion);
        let object = completed.map_err(errors::from_world)?;
        passage.spoil_stored(self.target.bucket(), &name);
        passage.acknowledge().map_err(|_| errors::cut())?;
        Ok(self.written(&object))
    }
}

/// The checksum of the whole that the source stores, where it does.
fn stored_checksum(origin: &Origin<'_>) -> Option<Checksum> {
    let (algorithm, value) = match origin.digests {
        Digests { crc32c: Some(value), .. } => (ChecksumAlgorithm::Crc32c, BASE64.encode(value.to_be_bytes())),
        Digests { crc64nvme: Some(value), .. } => (ChecksumAlgorithm::Crc64Nvme, crc64nvme_to_base64(value)),
        _ => return None,
    };
    Some(Checksum { algorithm, kind: ChecksumKind::FullObject, value: value.into() })
}

/// What the store says of a part.
pub(super) fn digests(checksum: Option<&Checksum>, tag: &str) -> Digests {
    let of = |wanted| checksum.filter(|checksum| checksum.algorithm == wanted).map(|checksum| &*checksum.value);
    Digests {
        crc32c: of(ChecksumAlgorithm::Crc32c).and_then(crc32c_from_base64),
        crc64nvme: of(ChecksumAlgorithm::Crc64Nvme).and_then(crc64nvme_from_base64),
        md5: md5_from_etag(tag),
    }
}
