//! Copies from one bucket to another of the same endpoint, signed by the target's credentials.

use std::sync::Arc;

use async_trait::async_trait;
use brigade_core::digest::Digests;
use brigade_core::limits::PUT_BYTES_MAX;
use brigade_core::parts::Part;
use brigade_core::{ErrorKind, Identity, Key};
use brigade_store::{
    CopyBy, CopyComplete, CopyFacts, Honoured, Origin, PartReceipt, ProofSupport, Result, ServerCopy, StoreError, Upload, WriteSpec,
    Written,
};
use http::HeaderMap;

use super::write::upload_gone;
use super::{Inner, S3Store};
use crate::control::{self, Checks, Finish};
use crate::copy::{self, From, Kept, PartOf};
use crate::errors::as_pinned_read;
use crate::headers::{add_condition, etag_of, of_spec};

/// The road from one S3 location to another of the same endpoint.
#[derive(Clone)]
pub struct S3Copier {
    pub(crate) source: Arc<Inner>,
    pub(crate) target: Arc<Inner>,
}

impl S3Store {
    /// The road from `source` to here. Whether it can be used shows when it is probed.
    pub fn copier(&self, source: &Self) -> S3Copier {
        S3Copier { source: source.inner.clone(), target: self.inner.clone() }
    }
}

impl S3Copier {
    /// Tells a source that changed from a target that did: the answer to a failed condition does not say which it was.
    async fn which(&self, origin: &Origin<'_>, name: &str, error: StoreError) -> StoreError {
        if !matches!(error.kind, ErrorKind::Conflict | ErrorKind::NotFound) {
            return error;
        }
        let source = &self.source;
        let kind = match source.run(|link| async move { source.hot.head(&link, name).await }).await {
            Ok((head, _)) if head.identity == *origin.identity => error.kind,
            Ok(_) => ErrorKind::Changed,
            Err(missing) if missing.kind == ErrorKind::NotFound => ErrorKind::Vanished,
            Err(_) => error.kind,
        };
        StoreError { kind, ..error }
    }

    /// Which checksums an upload of copied parts carries: those of the endpoint, by the algorithm of the original.
    fn checks(&self, origin: &Origin<'_>) -> Checks {
        match (self.target.known.read().checks, Kept::of(&origin.digests)) {
            (Checks::FullObject, Kept::Crc64nvme) => Checks::FullObjectNvme,
            (checks, _) => checks,
        }
    }
}

#[async_trait]
impl ServerCopy for S3Copier {
    fn whole_bytes_max(&self) -> u64 {
        // "You create a copy of your object up to 5 GB in size in a single atomic action" (CopyObject, Amazon S3 API reference).
        PUT_BYTES_MAX
    }

    async fn probe(&self, origin: &Origin<'_>, by: CopyBy) -> Result<CopyFacts> {
        crate::probe::copies(self, origin, by).await
    }

    async fn copy(&self, origin: &Origin<'_>, key: &Key, spec: &WriteSpec) -> Result<Written> {
        let (source, name) = (self.source.name(origin.key)?, self.target.name(key)?);
        let from = From { bucket: self.source.bucket(), key: &source, etag: Some(etag_of(origin.identity)?) };
        let mut headers = of_spec(spec)?;
        add_condition(&mut headers, &spec.when)?;
        let kept = Some(Kept::of(&origin.digests)).filter(|_| self.target.known.read().sends_crc32c);
        let (target, from, name, headers) = (&self.target, &from, &name, &headers);
        let answer = target.run(|link| async move { copy::object(&target.connection, &link, from, name, kept, headers).await }).await;
        match answer {
            Ok(copied) => Ok(Written { identity: Some(Identity::etag(&copied.etag)), digests: copied.digests }),
            Err(error) => Err(self.which(origin, &source, error).await),
        }
    }

    async fn create(&self, origin: &Origin<'_>, key: &Key, spec: &WriteSpec) -> Result<Upload> {
        let name = self.target.name(key)?;
        let (checks, headers) = (self.checks(origin), of_spec(spec)?);
        let (target, name, headers) = (&self.target, &name, &headers);
        let id = target.run(|link| async move { control::create(&link, target.bucket(), name, checks, headers.clone()).await }).await?;
        Ok(Upload { key: key.clone(), id, staging: None })
    }

    async fn part(&self, origin: &Origin<'_>, part: Part, upload: &Upload) -> Result<PartReceipt> {
        let (source, name) = (self.source.name(origin.key)?, self.target.name(&upload.key)?);
        let from = From { bucket: self.source.bucket(), key: &source, etag: Some(etag_of(origin.identity)?) };
        // A range is refused where the source is small; such a source is one part.
        let range = (part.size < origin.size).then(|| (part.offset, part.offset + part.size - 1));
        let wanted = PartOf { key: &name, upload: &upload.id, number: part.number, range };
        let (target, from, wanted) = (&self.target, &from, &wanted);
        let copied = target.run(|link| async move { copy::part(&target.connection, &link, from, wanted).await.map_err(pinned) }).await?;
        let md5 = copied.digests.md5.filter(|_| target.known.read().part_etag_is_md5);
        Ok(PartReceipt { number: part.number, size: part.size, tag: copied.etag, digests: Digests { md5, ..copied.digests } })
    }

    async fn complete(&self, origin: &Origin<'_>, upload: &Upload, complete: &CopyComplete<'_>) -> Result<Written> {
        let (target, name) = (&self.target, self.target.name(&upload.key)?);
        let mut headers = HeaderMap::new();
        add_condition(&mut headers, &complete.spec.when)?;
        let checks = self.checks(origin);
        let finish =
            Finish { key: &name, upload: &upload.id, parts: complete.parts, checks, digests: origin.digests, size: origin.size, headers };
        let finish = &finish;
        let completed = target.run(|link| async move { control::complete(&link, target.bucket(), finish).await }).await;
        let stored = completed.map_err(upload_gone)?;
        let checked =
            matches!(checks, Checks::FullObject | Checks::FullObjectNvme) && target.known.read().facts.upload_proof == ProofSupport::Crc32c;
        let digests = if checked { Digests { crc32c: stored.crc32c, crc64nvme: stored.crc64nvme, md5: None } } else { Digests::default() };
        Ok(Written { identity: stored.etag.as_deref().map(Identity::etag), digests })
    }
}

/// The only condition of a part is that on its source.
fn pinned(failure: Box<crate::errors::Failure>) -> Box<crate::errors::Failure> {
    match failure.error.kind {
        ErrorKind::UploadGone => failure,
        _ => as_pinned_read(failure),
    }
}

/// What is known before anything was asked.
pub(crate) const UNKNOWN: CopyFacts = CopyFacts { pinned: Honoured::Unknown, conditional: Honoured::Unknown };
