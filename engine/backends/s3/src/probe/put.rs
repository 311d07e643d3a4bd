//! Experiments on whole-object writes.

use brigade_core::ErrorKind;
use brigade_core::digest::{crc32c_to_base64, md5_to_base64};
use brigade_store::{Honoured, ProofSupport, Result, patiently};
use http::HeaderMap;
use http::header::{HeaderValue, IF_MATCH};

use super::{NO_ETAG, Probing, Rights, is_inability, is_refused_condition};
use crate::headers::quoted;
use crate::hot::{Put, Stored};

/// What one experiment sends.
struct Trial {
    crc32c: Option<u32>,
    md5: Option<[u8; 16]>,
    conditional: bool,
}

impl Probing<'_> {
    /// The condition, the checksum and the MD5 of a PUT.
    pub(super) async fn puts(&mut self) -> Result<Rights> {
        let rights = self.conditional_put().await?;
        if rights == Rights::Enough {
            self.checksum_of_put().await?;
            self.md5_of_put().await?;
            self.remove_if_there().await;
        }
        Ok(rights)
    }

    /// `If-Match` on a key that does not exist must fail; S3 has had `If-None-Match` for longer than `If-Match`.
    async fn conditional_put(&mut self) -> Result<Rights> {
        let trial = Trial { crc32c: Some(self.sum.crc32c), md5: None, conditional: true };
        let mut answer = self.put(trial).await;
        self.known.sends_crc32c = true;
        if answer.as_ref().is_err_and(is_inability) {
            answer = self.put(Trial { crc32c: None, md5: None, conditional: true }).await;
            if answer.as_ref().is_ok() || answer.as_ref().is_err_and(is_refused_condition) {
                self.known.sends_crc32c = false;
                self.note("a PUT with x-amz-checksum-crc32c is refused: it is left out");
            }
        }
        self.known.facts.conditional_put = match answer {
            Err(error) if is_refused_condition(&error) => Honoured::Yes,
            Err(error) if error.kind == ErrorKind::Denied => {
                self.missing("s3:PutObject");
                return Ok(Rights::Missing);
            }
            Err(error) if is_inability(&error) => Honoured::No,
            Err(error) => return Err(error.context("cannot probe a conditional PUT")),
            Ok(stored) => {
                self.remove(stored.version).await;
                Honoured::No
            }
        };
        if !self.known.facts.conditional_put.is_yes() {
            self.note("a PUT ignores If-Match: objects written meanwhile by others cannot be protected");
        }
        Ok(Rights::Enough)
    }

    async fn checksum_of_put(&mut self) -> Result<()> {
        let wrong = Trial { crc32c: self.known.sends_crc32c.then_some(self.sum.crc32c ^ 1), md5: None, conditional: false };
        self.known.facts.put_proof = match self.put(wrong).await {
            Err(error) if error.kind == ErrorKind::Corrupt => ProofSupport::Crc32c,
            Err(error) if is_inability(&error) => ProofSupport::None,
            Err(error) => return Err(error.context("cannot probe the checksum of a PUT")),
            Ok(stored) => {
                let proof = if self.names_md5(&stored) { ProofSupport::Md5 } else { ProofSupport::None };
                self.remove(stored.version).await;
                proof
            }
        };
        match self.known.facts.put_proof {
            ProofSupport::Crc32c => self.note("a PUT with a wrong CRC-32C is refused"),
            ProofSupport::Md5 => self.note("a PUT with a wrong CRC-32C is accepted; the ETag is the MD5 of what is stored"),
            ProofSupport::None => self.note("a PUT proves nothing about what is stored"),
        }
        Ok(())
    }

    async fn md5_of_put(&mut self) -> Result<()> {
        let mut md5 = self.md5();
        md5[0] ^= 1;
        let trial = Trial { crc32c: self.known.sends_crc32c.then_some(self.sum.crc32c), md5: Some(md5), conditional: false };
        self.known.facts.checks_md5 = match self.put(trial).await {
            Err(error) if error.kind == ErrorKind::Corrupt => Honoured::Yes,
            Err(error) if is_inability(&error) => Honoured::No,
            Err(error) => return Err(error.context("cannot probe the MD5 of a PUT")),
            Ok(stored) => {
                self.remove(stored.version).await;
                Honoured::No
            }
        };
        if !self.known.facts.checks_md5.is_yes() {
            self.note("a PUT with a wrong Content-MD5 is accepted");
        }
        Ok(())
    }

    async fn put(&self, trial: Trial) -> Result<Stored> {
        let mut headers = HeaderMap::new();
        if trial.conditional {
            let etag = HeaderValue::from_str(&quoted(NO_ETAG)).expect("a quoted ASCII word is a header value");
            headers.insert(IF_MATCH, etag);
        }
        let put = Put {
            key: &self.name,
            body: &self.body,
            crc32c: trial.crc32c.map(crc32c_to_base64),
            md5: trial.md5.map(md5_to_base64),
            headers: &headers,
        };
        let (inner, put) = (self.inner, &put);
        patiently(|| inner.run(|link| async move { inner.hot.put(&link, put).await })).await
    }
}
