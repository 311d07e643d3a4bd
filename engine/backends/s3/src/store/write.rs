//! Writes: whole objects and uploads in parts, with the checksums that the endpoint was seen to check.
//!
//! `Written` and `PartReceipt` only name digests that the store proved to verify; an echo of our own header is none.

use async_trait::async_trait;
use brigade_core::digest::{Digests, Sum, crc32c_to_base64, md5_from_etag, md5_to_base64};
use brigade_core::parts::Part;
use brigade_core::{ErrorKind, Identity, Key};
use brigade_store::{
    Complete, Honoured, PartReceipt, PendingUpload, ProofSupport, Result, Rope, StoreError, Upload, Write, WriteSpec, Written,
};

use super::{Known, S3Store};
use crate::control::{self, Believed, Checks, Finish};
use crate::errors::protocol;
use crate::headers::{add_condition, etag_of, of_spec};
use crate::hot::{DeleteOne, Put, PutPart, Stored};

#[async_trait]
impl Write for S3Store {
    async fn put(&self, key: &Key, bytes: &Rope, sum: &Sum, md5: Option<[u8; 16]>, spec: &WriteSpec) -> Result<Written> {
        let name = self.inner.name(key)?;
        let known = self.inner.known();
        let mut headers = of_spec(spec)?;
        add_condition(&mut headers, &spec.when)?;
        let put = Put {
            key: &name,
            body: bytes,
            crc32c: known.sends_crc32c.then(|| crc32c_to_base64(sum.crc32c)),
            md5: md5.filter(|_| known.facts.checks_md5 != Honoured::No).map(md5_to_base64),
            headers: &headers,
        };
        let (inner, put) = (&self.inner, &put);
        let stored = inner.run(|link| async move { inner.hot.put(&link, put).await }).await?;
        let checked = known.sends_crc32c && known.facts.put_proof == ProofSupport::Crc32c;
        Ok(Written {
            identity: stored.etag.as_deref().map(Identity::etag),
            digests: Digests {
                crc32c: checked.then(|| stored.crc32c.unwrap_or(sum.crc32c)),
                crc64nvme: None,
                md5: stored.etag.as_deref().filter(|_| stored.etag_may_be_md5).and_then(md5_from_etag),
            },
        })
    }

    async fn create(&self, key: &Key, _size: u64, spec: &WriteSpec) -> Result<Upload> {
        let name = self.inner.name(key)?;
        let checks = self.inner.known.read().checks;
        let headers = of_spec(spec)?;
        let (inner, name, headers) = (&self.inner, &name, &headers);
        let id = inner.run(|link| async move { control::create(&link, inner.bucket(), name, checks, headers.clone()).await }).await?;
        Ok(Upload { key: key.clone(), id, staging: None })
    }

    async fn part(&self, upload: &Upload, part: Part, bytes: &Rope, sum: &Sum) -> Result<PartReceipt> {
        let name = self.inner.name(&upload.key)?;
        let known = self.inner.known();
        let sends = known.checks != Checks::Plain;
        let crc32c = sends.then(|| crc32c_to_base64(sum.crc32c));
        let put = PutPart { key: &name, upload: &upload.id, number: part.number, body: bytes, crc32c };
        let (inner, put) = (&self.inner, &put);
        let stored = inner.run(|link| async move { inner.hot.put_part(&link, put).await }).await.map_err(upload_gone)?;
        let tag = stored.etag.as_deref().ok_or_else(|| protocol("UploadPart answered without an ETag"))?;
        let checked = sends && known.facts.upload_proof == ProofSupport::Crc32c;
        let digests = Digests {
            crc32c: checked.then(|| stored.crc32c.unwrap_or(sum.crc32c)),
            crc64nvme: None,
            md5: Some(tag).filter(|_| stored.etag_may_be_md5 && known.part_etag_is_md5).and_then(md5_from_etag),
        };
        Ok(PartReceipt { number: part.number, size: part.size, tag: tag.to_owned(), digests })
    }

    async fn parts(&self, upload: &Upload) -> Result<Vec<PartReceipt>> {
        let name = self.inner.name(&upload.key)?;
        let known = self.inner.known();
        let believed = Believed { crc32c: known.facts.upload_proof == ProofSupport::Crc32c, md5: known.part_etag_is_md5 };
        let (inner, name) = (&self.inner, &name);
        let parts = inner.run(|link| async move { control::parts(&link, inner.bucket(), name, &upload.id, believed).await }).await;
        parts.map_err(upload_gone)
    }

    async fn complete(&self, upload: &Upload, complete: &Complete<'_>) -> Result<Written> {
        let name = self.inner.name(&upload.key)?;
        let known = self.inner.known();
        let mut headers = http::HeaderMap::new();
        add_condition(&mut headers, &complete.spec.when)?;
        let finish = Finish {
            key: &name,
            upload: &upload.id,
            parts: complete.parts,
            checks: known.checks,
            digests: Digests::of_crc32c(complete.sum.crc32c),
            size: complete.sum.size,
            headers,
        };
        agree(complete)?;
        let (inner, finish) = (&self.inner, &finish);
        let completed = inner.run(|link| async move { control::complete(&link, inner.bucket(), finish).await }).await;
        let stored = completed.map_err(upload_gone)?;
        let identity = stored.etag.as_deref().map(Identity::etag);
        match assembled(&known, complete, &stored) {
            Assembled::Digests(digests) => Ok(Written { identity, digests }),
            Assembled::Otherwise => {
                if let Some(identity) = &identity {
                    self.retract(&upload.key, identity).await?;
                }
                let message = "the store put the parts together otherwise than they were sent; what it made was removed";
                Err(StoreError::new(ErrorKind::Corrupt, message))
            }
        }
    }

    async fn abort(&self, upload: &Upload) -> Result<()> {
        let name = self.inner.name(&upload.key)?;
        let (inner, name) = (&self.inner, &name);
        inner.run(|link| async move { control::abort(&link, inner.bucket(), name, &upload.id).await }).await
    }

    /// Every unfinished upload below the location, with its start: S3 tells nobody's name for an upload and returns none of
    /// its metadata, so ours cannot be told from others'. Who cleans up must ask for an age, or match upload ids of a journal.
    async fn pending(&self) -> Result<Vec<PendingUpload>> {
        let inner = &self.inner;
        inner.run(|link| async move { control::uploads(&link, inner.bucket(), &inner.prefix).await }).await
    }

    async fn retract(&self, key: &Key, written: &Identity) -> Result<()> {
        let name = self.inner.name(key)?;
        let etag = etag_of(written)?.to_owned();
        let (inner, name) = (&self.inner, &name);
        let found = match inner.run(|link| async move { inner.hot.head(&link, name).await }).await {
            Ok(found) => found,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let (head, version) = found;
        if head.identity != *written {
            return Err(StoreError::new(ErrorKind::Conflict, format!("the object is {} now, not {written}", head.identity)));
        }
        // In a versioned bucket the version itself goes: a delete marker would only hide it.
        let version = version.filter(|version| version != "null");
        let etag = if version.is_some() { None } else { Some(etag) };
        let one = DeleteOne { key: name.clone(), etag, version };
        let one = &one;
        match inner.run(|link| async move { inner.hot.delete_one(&link, one).await }).await {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

/// A missing upload is told from a missing object.
pub(super) fn upload_gone(mut error: StoreError) -> StoreError {
    if error.kind == ErrorKind::NotFound && error.code.as_deref() != Some("NoSuchKey") {
        error.kind = ErrorKind::UploadGone;
    }
    error
}

/// The receipts and the sum of the whole must be of the same bytes.
fn agree(complete: &Complete<'_>) -> Result<()> {
    let size: u64 = complete.parts.iter().map(|part| part.size).sum();
    if size != complete.sum.size {
        let message = format!("the parts hold {size} bytes where the object has {}", complete.sum.size);
        return Err(StoreError::new(ErrorKind::Internal, message));
    }
    let combined = complete
        .parts
        .iter()
        .try_fold(Sum::EMPTY, |sum, part| Some(sum.then(Sum { crc32c: part.digests.crc32c?, crc64nvme: None, size: part.size })));
    match combined {
        Some(combined) if combined.crc32c != complete.sum.crc32c => {
            Err(StoreError::new(ErrorKind::Corrupt, "the checksums of the stored parts are not those of the bytes that were read"))
        }
        _ => Ok(()),
    }
}

/// What the answer to completing an upload proves.
enum Assembled {
    /// These digests; none where the endpoint proves nothing.
    Digests(Digests),
    /// Something else than was sent became visible.
    Otherwise,
}

/// With a full-object checksum the store has verified the whole. Without one, the ETag over the parts' MD5s says whether
/// exactly these parts were put together in this order; the whole is as good as the parts then.
fn assembled(known: &Known, complete: &Complete<'_>, stored: &Stored) -> Assembled {
    let proven = known.facts.upload_proof == ProofSupport::Crc32c;
    if known.checks == Checks::FullObject && proven {
        return Assembled::Digests(Digests::of_crc32c(stored.crc32c.unwrap_or(complete.sum.crc32c)));
    }
    let expected = composite_etag(complete.parts).filter(|_| known.part_etag_is_md5 && stored.etag_may_be_md5);
    let (Some(expected), Some(etag)) = (expected, stored.etag.as_deref()) else {
        return Assembled::Digests(Digests::default());
    };
    if *etag != expected {
        return Assembled::Otherwise;
    }
    let crc32c = proven.then_some(complete.sum.crc32c);
    Assembled::Digests(Digests { crc32c, ..Digests::default() })
}

/// The ETag of an upload whose parts' ETags are MD5s: the MD5 of them all, and their number.
fn composite_etag(parts: &[PartReceipt]) -> Option<String> {
    let md5s: Option<Vec<[u8; 16]>> = parts.iter().map(|part| md5_from_etag(&part.tag)).collect();
    md5s.map(brigade_core::digest::composite_etag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::{Digest as _, Md5};

    fn receipt(number: u32, bytes: &[u8]) -> PartReceipt {
        let sum = Rope::from(bytes.to_vec()).sum(brigade_core::digest::Wanted::default());
        let tag = hex::encode(Md5::digest(bytes));
        PartReceipt { number, size: sum.size, tag, digests: Digests::of_crc32c(sum.crc32c) }
    }

    #[test]
    fn the_etag_of_parts_is_known_where_each_of_theirs_is_an_md5() {
        assert!(composite_etag(&[receipt(1, b"a"), receipt(2, b"b")]).is_some_and(|etag| etag.ends_with("-2")));
        assert_eq!(composite_etag(&[PartReceipt { tag: "opaque".into(), ..receipt(1, b"a") }]), None);
    }

    #[test]
    fn p02_parts_that_do_not_sum_up_are_never_completed() {
        let parts = [receipt(1, b"hello "), receipt(2, b"world")];
        let spec = WriteSpec { metadata: std::sync::Arc::default(), storage_class: None, when: brigade_store::When::Always };
        let sum = Rope::from(b"hello world".to_vec()).sum(brigade_core::digest::Wanted::default());
        assert!(agree(&Complete { parts: &parts, sum, spec: &spec }).is_ok());
        let short = Sum { size: 10, ..sum };
        assert_eq!(agree(&Complete { parts: &parts, sum: short, spec: &spec }).expect_err("refused").kind, ErrorKind::Internal);
        let other = Sum { crc32c: sum.crc32c ^ 1, ..sum };
        assert_eq!(agree(&Complete { parts: &parts, sum: other, spec: &spec }).expect_err("refused").kind, ErrorKind::Corrupt);
    }
}
