//! Writing to the simulated store: what is checked before anything is visible, and what the answers prove.

use super::{Dialect, SimStore, errors, full_crc32c};
use crate::door::Receiving;
use crate::fault::Op;
use crate::world::{
    Arrived, Asked, Attributes, ChecksumAlgorithm, ChecksumKind, Completion, Conditions, NamedPart, NewObject, NewUpload, Object,
    UploadChecksum,
};
use async_trait::async_trait;
use brigade_core::digest::{Digests, Sum};
use brigade_core::parts::Part;
use brigade_core::{ErrorKind, Identity, Key};
use brigade_store::{
    Complete, Delete as _, Deletion, PartReceipt, PendingUpload, Result, Rope, StoreError, Upload, When, Write, WriteSpec, Written,
};
use std::sync::Arc;

/// Uploads of one page when all are looked through.
const UPLOADS_PAGE_MAX: usize = 1000;

const FULL_CRC32C: UploadChecksum =
    UploadChecksum { algorithm: ChecksumAlgorithm::Crc32c, kind: ChecksumKind::FullObject, asked: Asked::ByClient };

impl SimStore {
    pub(super) fn condition(&self, when: &When) -> Conditions {
        match (when, self.dialect()) {
            (When::Always, _) => Conditions::NONE,
            (When::IfAbsent, Dialect::S3) => Conditions::if_absent(),
            (When::IfAbsent, Dialect::Gcs) => Conditions::if_generation(0),
            (When::IfMatches(identity), _) => self.pinned(identity),
        }
    }

    pub(super) fn attributes(&self, spec: &WriteSpec) -> Attributes {
        let metadata = &spec.metadata;
        let s3 = self.dialect() == Dialect::S3;
        Attributes {
            content_type: metadata.content_type.clone(),
            content_encoding: metadata.content_encoding.clone(),
            content_disposition: metadata.content_disposition.clone(),
            content_language: metadata.content_language.clone(),
            cache_control: metadata.cache_control.clone(),
            expires: metadata.expires.clone().filter(|_| s3),
            metadata: metadata.user.clone(),
            tags: if s3 { metadata.tags.iter().cloned().collect() } else { Default::default() },
            storage_class: spec.storage_class.as_deref().filter(|class| *class != "STANDARD").map(str::to_owned),
            encryption: None,
            custom_time: None,
        }
    }

    /// Takes bytes in and compares them with the sum that came with them, where this world checks.
    fn take_in(&self, bytes: &Rope, sum: &Sum, mut receiving: Receiving) -> Result<Arrived> {
        let mut intake = self.world().intake(&[]);
        for chunk in bytes.chunks() {
            intake.push(chunk.clone());
        }
        let arrived = intake.finish();
        self.door().count_received(arrived.content.size());
        receiving.push(arrived.content.size());
        receiving.whole(arrived.md5);
        if self.world().honours().checksums && arrived.content.crc32c() != sum.crc32c {
            return Err(StoreError::new(ErrorKind::Corrupt, "the content does not match its CRC-32C"));
        }
        Ok(arrived)
    }

    /// What the answer to a write proves: what the store computed itself, never an echo.
    fn proven(&self, object: &Object) -> Digests {
        let crc32c = (self.dialect() == Dialect::Gcs || self.world().honours().checksums).then(|| object.crc32c());
        Digests { crc32c, md5: object.md5(), crc64nvme: None }
    }

    fn written(&self, object: &Object) -> Written {
        Written { identity: Some(self.identity(object)), digests: self.proven(object) }
    }
}

#[async_trait]
impl Write for SimStore {
    async fn put(&self, key: &Key, bytes: &Rope, sum: &Sum, md5: Option<[u8; 16]>, spec: &WriteSpec) -> Result<Written> {
        let name = self.fit(key)?;
        let passage = self.enter(Op::Put, &name).await?;
        let arrived = self.take_in(bytes, sum, passage.receiving(None))?;
        if self.world().honours().content_md5 && md5.is_some_and(|md5| md5 != arrived.md5) {
            return Err(StoreError::new(ErrorKind::Corrupt, "the content does not match its MD5"));
        }
        let checksum = self.world().honours().checksums.then(|| full_crc32c(arrived.content.crc32c()));
        let new = NewObject { checksum, attributes: Arc::new(self.attributes(spec)), ..NewObject::of(passage.stored(arrived.content)) };
        let conditions = passage.conditions(self.condition(&spec.when));
        let object = self.world().put(self.bucket(), &name, new, &conditions).map_err(errors::from_world)?;
        passage.acknowledge().map_err(|_| errors::cut())?;
        Ok(self.written(&object))
    }

    async fn create(&self, key: &Key, _: u64, spec: &WriteSpec) -> Result<Upload> {
        let name = self.fit(key)?;
        let passage = self.enter(Op::CreateUpload, &name).await?;
        let checksum = self.world().honours().checksums.then_some(FULL_CRC32C);
        let new = NewUpload { attributes: self.attributes(spec), checksum, ..NewUpload::default() };
        let id = self.world().create_upload(self.bucket(), &name, new).map_err(errors::from_world)?;
        passage.acknowledge().map_err(|_| errors::cut())?;
        Ok(Upload { key: key.clone(), id, staging: None })
    }

    async fn part(&self, upload: &Upload, part: Part, bytes: &Rope, sum: &Sum) -> Result<PartReceipt> {
        let name = self.full(&upload.key);
        let passage = self.enter(Op::PutPart, &name).await?;
        let arrived = self.take_in(bytes, sum, passage.receiving(Some((&upload.id, part.number))))?;
        let checks = self.world().honours().checksums;
        let checksum = checks.then(|| full_crc32c(arrived.content.crc32c()));
        let content = passage.stored(arrived.content);
        let receipt = PartReceipt {
            number: part.number,
            size: content.size(),
            tag: content.etag().to_string(),
            digests: Digests { crc32c: checks.then(|| content.crc32c()), ..Digests::default() },
        };
        let stored = self.world().put_part(self.bucket(), &name, &upload.id, part.number, content, checksum);
        stored.map_err(errors::from_world)?;
        passage.acknowledge().map_err(|_| errors::cut())?;
        Ok(receipt)
    }

    async fn parts(&self, upload: &Upload) -> Result<Vec<PartReceipt>> {
        let name = self.full(&upload.key);
        let passage = self.enter(Op::ListParts, &name).await?;
        let found = self.world().upload(self.bucket(), &name, &upload.id).map_err(errors::from_world)?;
        passage.acknowledge().map_err(|_| errors::cut())?;
        let receipts = found.parts.iter().map(|(number, part)| PartReceipt {
            number: *number,
            size: part.content.size(),
            tag: part.content.etag().to_string(),
            digests: super::copy::digests(part.checksum.as_ref(), &part.content.etag().to_string()),
        });
        Ok(receipts.collect())
    }

    async fn complete(&self, upload: &Upload, complete: &Complete<'_>) -> Result<Written> {
        let name = self.full(&upload.key);
        let passage = self.enter(Op::CompleteUpload, &name).await?;
        if passage.answers_error_in_200() {
            return Err(StoreError::new(ErrorKind::Unavailable, "the store answered 200 with an error in the body"));
        }
        let parts = complete.parts.iter().map(|receipt| NamedPart { number: receipt.number, etag: receipt.tag.clone(), checksum: None });
        let completion = Completion {
            parts: parts.collect(),
            checksum: self.world().honours().checksums.then(|| full_crc32c(complete.sum.crc32c)),
            kind: None,
            size: Some(complete.sum.size),
            conditions: passage.conditions(self.condition(&complete.spec.when)),
        };
        let completed = self.world().complete_upload(self.bucket(), &name, &upload.id, &completion);
        let object = completed.map_err(errors::from_world)?;
        passage.spoil_stored(self.bucket(), &name);
        passage.acknowledge().map_err(|_| errors::cut())?;
        Ok(self.written(&object))
    }

    async fn abort(&self, upload: &Upload) -> Result<()> {
        let name = self.full(&upload.key);
        let passage = self.enter(Op::AbortUpload, &name).await?;
        match self.world().abort_upload(self.bucket(), &name, &upload.id).map_err(errors::from_world) {
            Err(error) if error.kind != ErrorKind::UploadGone => return Err(error),
            _ => {}
        }
        passage.acknowledge().map_err(|_| errors::cut())
    }

    async fn pending(&self) -> Result<Vec<PendingUpload>> {
        let prefix = &self.inner.prefix;
        let (mut pending, mut after) = (Vec::new(), None);
        loop {
            let passage = self.enter(Op::ListUploads, prefix).await?;
            let page = self.world().list_uploads(self.bucket(), prefix, after.take(), UPLOADS_PAGE_MAX);
            let (page, more) = page.map_err(errors::from_world)?;
            passage.acknowledge().map_err(|_| errors::cut())?;
            after = page.last().map(|last| (last.key.clone(), last.id.clone()));
            pending.extend(page.into_iter().map(|upload| PendingUpload {
                upload: Upload { key: self.short(&upload.key), id: upload.id, staging: None },
                started: Some(upload.created),
            }));
            if more == crate::world::More::No {
                return Ok(pending);
            }
        }
    }

    async fn retract(&self, key: &Key, written: &Identity) -> Result<()> {
        let deletion = Deletion { key: key.clone(), identity: written.clone() };
        match self.delete(&[deletion]).await?.pop() {
            Some(Err(error)) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
