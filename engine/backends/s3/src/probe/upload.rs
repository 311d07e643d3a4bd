//! Experiments on uploads in parts.

use brigade_core::ErrorKind;
use brigade_core::digest::{Digests, crc32c_to_base64};
use brigade_store::{Honoured, PartReceipt, ProofSupport, Result, patiently};
use http::HeaderMap;
use http::header::{HeaderValue, IF_MATCH};

use super::{NO_ETAG, Probing, is_inability, is_refused_condition};
use crate::control::{self, Checks, Finish};
use crate::errors::protocol;
use crate::headers::quoted;
use crate::hot::{PutPart, Stored};

/// What an upload with one way of checking showed.
struct Shown {
    /// A wrong part is refused.
    part_checked: bool,
    /// A wrong whole is refused.
    whole_checked: bool,
    /// A part's ETag is its MD5.
    etag_is_md5: bool,
    /// The upload was completed, though it should have been refused.
    completed: bool,
}

impl Probing<'_> {
    /// The strongest way of checking that the endpoint honours, and the condition of completing.
    pub(super) async fn uploads(&mut self) -> Result<()> {
        let mut decided = None;
        for checks in [Checks::FullObject, Checks::Parts, Checks::Plain] {
            let shown = match self.try_checks(checks).await {
                Ok(shown) => shown,
                Err(error) if error.kind == ErrorKind::Denied => {
                    self.missing("s3:PutObject");
                    return Ok(());
                }
                Err(error) if is_inability(&error) => continue,
                Err(error) => return Err(error.context("cannot probe an upload in parts")),
            };
            self.known.part_etag_is_md5 = shown.etag_is_md5;
            decided = match (checks, shown) {
                (Checks::FullObject, Shown { whole_checked: true, .. }) => Some((checks, ProofSupport::Crc32c)),
                // Parts that are checked prove the whole only where the ETag shows that they were put together as sent.
                (Checks::Parts, Shown { part_checked: true, etag_is_md5: true, .. }) => Some((checks, ProofSupport::Crc32c)),
                (Checks::Plain, Shown { etag_is_md5: true, .. }) => Some((checks, ProofSupport::Md5)),
                (Checks::Plain, _) => Some((checks, ProofSupport::None)),
                _ => None,
            };
            if decided.is_some() {
                break;
            }
        }
        let Some((checks, proof)) = decided else {
            self.known.facts.upload_proof = ProofSupport::None;
            self.known.checks = Checks::Plain;
            self.note("uploads in parts are not supported");
            return Ok(());
        };
        (self.known.checks, self.known.facts.upload_proof) = (checks, proof);
        self.note(match (checks, proof) {
            (Checks::FullObject | Checks::FullObjectNvme, _) => "uploads in parts are checked as a whole by CRC-32C",
            (Checks::Parts, _) => "uploads are checked part by part by CRC-32C, and put together by ETag",
            (Checks::Plain, ProofSupport::Md5) => "uploads are proven by the MD5s of their parts",
            (Checks::Plain, _) => "uploads in parts prove nothing about what is stored",
        });
        self.conditional_complete(checks).await
    }

    async fn try_checks(&mut self, checks: Checks) -> Result<Shown> {
        let id = self.create(checks).await?;
        let shown = self.try_upload(&id, checks).await;
        // A completed upload is gone, and some servers answer its abort with a denial.
        if !shown.as_ref().is_ok_and(|shown| shown.completed) {
            self.abort(&id).await;
        }
        shown
    }

    async fn try_upload(&mut self, id: &str, checks: Checks) -> Result<Shown> {
        let crc32c = Some(self.sum.crc32c).filter(|_| checks != Checks::Plain);
        let part_checked = match crc32c {
            Some(crc32c) => self.is_checked(self.part(id, Some(crc32c ^ 1)).await)?,
            None => false,
        };
        let stored = self.part(id, crc32c).await?;
        let etag_is_md5 = self.names_md5(&stored);
        let mut shown = Shown { part_checked, whole_checked: false, etag_is_md5, completed: false };
        if checks == Checks::FullObject {
            let answer = self.complete(id, checks, &stored, self.sum.crc32c ^ 1, HeaderMap::new()).await;
            if let Ok(created) = &answer {
                shown.completed = true;
                self.remove(created.version.clone()).await;
            }
            shown.whole_checked = self.is_checked(answer)?;
        }
        Ok(shown)
    }

    /// Refused for its digest, or accepted; whatever else went wrong says nothing of checking.
    fn is_checked(&self, answer: Result<Stored>) -> Result<bool> {
        match answer {
            Ok(_) => Ok(false),
            Err(error) if error.kind == ErrorKind::Corrupt => Ok(true),
            Err(error) if is_inability(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// `If-Match` on a key that does not exist must fail.
    async fn conditional_complete(&mut self, checks: Checks) -> Result<()> {
        let id = self.create(checks).await?;
        let answer = match self.part(&id, Some(self.sum.crc32c).filter(|_| checks != Checks::Plain)).await {
            Ok(stored) => {
                let etag = HeaderValue::from_str(&quoted(NO_ETAG)).expect("a quoted ASCII word is a header value");
                let headers = HeaderMap::from_iter([(IF_MATCH, etag)]);
                self.complete(&id, checks, &stored, self.sum.crc32c, headers).await
            }
            Err(error) => Err(error),
        };
        if answer.is_err() {
            self.abort(&id).await;
        }
        self.known.facts.conditional_complete = match answer {
            Err(error) if is_refused_condition(&error) => Honoured::Yes,
            Err(error) if is_inability(&error) => Honoured::No,
            Err(error) => return Err(error.context("cannot probe a conditional completion")),
            Ok(stored) => {
                self.remove(stored.version).await;
                Honoured::No
            }
        };
        if !self.known.facts.conditional_complete.is_yes() {
            self.note("completing an upload ignores If-Match");
        }
        Ok(())
    }

    async fn create(&self, checks: Checks) -> Result<String> {
        let (inner, name) = (self.inner, &self.name);
        patiently(|| inner.run(|link| async move { control::create(&link, inner.bucket(), name, checks, HeaderMap::new()).await })).await
    }

    async fn part(&self, id: &str, crc32c: Option<u32>) -> Result<Stored> {
        let crc32c = crc32c.map(crc32c_to_base64);
        let part = PutPart { key: &self.name, upload: id, number: 1, body: &self.body, crc32c };
        let (inner, part) = (self.inner, &part);
        patiently(|| inner.run(|link| async move { inner.hot.put_part(&link, part).await })).await
    }

    async fn complete(&self, id: &str, checks: Checks, part: &Stored, crc32c: u32, headers: HeaderMap) -> Result<Stored> {
        let tag = part.etag.as_deref().ok_or_else(|| protocol("UploadPart answered without an ETag"))?.to_owned();
        let receipt = PartReceipt { number: 1, size: self.sum.size, tag, digests: Digests::of_crc32c(self.sum.crc32c) };
        let parts = [receipt];
        let finish = Finish {
            key: &self.name,
            upload: id,
            parts: &parts,
            checks,
            digests: Digests::of_crc32c(crc32c),
            size: self.sum.size,
            headers,
        };
        let (inner, finish) = (self.inner, &finish);
        patiently(|| inner.run(|link| async move { control::complete(&link, inner.bucket(), finish).await })).await
    }

    async fn abort(&mut self, id: &str) {
        let (inner, name) = (self.inner, &self.name);
        let aborted = patiently(|| inner.run(|link| async move { control::abort(&link, inner.bucket(), name, id).await })).await;
        match aborted {
            Err(error) if error.kind == ErrorKind::Denied => self.missing("s3:AbortMultipartUpload"),
            Err(error) => self.note(format!("the probe upload to {} could not be aborted: {error}", self.name)),
            Ok(()) => {}
        }
    }
}
