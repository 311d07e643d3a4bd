//! Pinned reads: exactly the bytes of exactly the version that was listed, or an error.

use async_trait::async_trait;
use brigade_core::digest::{Digests, parts_of_etag};
use brigade_core::parts::Part;
use brigade_core::{Entry, ErrorKind, Identity, Key};
use brigade_http::limits::SMALL_BODY_BYTES;
use brigade_store::{Collector, Layout, Piece, Read, ReadRequest, Result, StoreError};
use bytes::Bytes;

use super::{Inner, S3Store};
use crate::control;
use crate::errors::{Outcome, as_pinned_read, protocol};
use crate::headers::etag_of;
use crate::hot::{Get, Got};

#[async_trait]
impl Read for S3Store {
    async fn read(&self, request: &ReadRequest<'_>) -> Result<Piece> {
        let name = self.inner.name(request.key)?;
        if request.part.is_some_and(|part| part.size == 0 || part.size != request.size) {
            return Err(StoreError::new(ErrorKind::Internal, "a part is read with its own, non-zero size"));
        }
        let get = Get { key: &name, range: request.part, etag: etag_of(request.identity)? };
        let (inner, get) = (&self.inner, &get);
        inner.run(|link| async move { fetch(inner, &link, get, request).await }).await
    }

    async fn digests(&self, entry: &Entry) -> Result<Digests> {
        let name = self.inner.name(&entry.key)?;
        let (inner, name) = (&self.inner, &name);
        let head = inner.run(|link| async move { inner.hot.head(&link, name).await.map_err(as_pinned_read) }).await?.0;
        if head.identity != entry.identity {
            return Err(changed(&entry.identity, &head.identity));
        }
        Ok(head.digests)
    }

    async fn tags(&self, key: &Key, _identity: &Identity) -> Result<Vec<(String, String)>> {
        let name = self.inner.name(key)?;
        let (inner, name) = (&self.inner, &name);
        inner.run(|link| async move { control::tags(&link, inner.bucket(), name).await.map_err(as_pinned_read) }).await
    }

    async fn layout(&self, entry: &Entry) -> Result<Option<Layout>> {
        let name = self.inner.name(&entry.key)?;
        if parts_of_etag(etag_of(&entry.identity)?).is_none() {
            return Ok(None);
        }
        let (inner, name) = (&self.inner, &name);
        let told = inner.run(|link| async move { control::layout(&link, inner.bucket(), name).await.map_err(as_pinned_read) }).await;
        match told {
            // Not every endpoint knows the question.
            Err(error) if matches!(error.kind, ErrorKind::Invalid | ErrorKind::Unsupported | ErrorKind::Protocol) => Ok(None),
            told => told,
        }
    }
}

async fn fetch(inner: &Inner, link: &crate::connection::Link, get: &Get<'_>, request: &ReadRequest<'_>) -> Outcome<Piece> {
    let mut got = inner.hot.get(link, get).await.map_err(as_pinned_read)?;
    check(request, &got)?;
    let small = usize::try_from(request.size).is_ok_and(|size| size <= SMALL_BODY_BYTES);
    let mut collector = Collector::new(request.size, request.wanted);
    while let Some(chunk) = got.body.next().await? {
        // A small body would keep the whole read buffer alive that it arrived in.
        collector.push(if small { Bytes::copy_from_slice(&chunk) } else { chunk })?;
    }
    let (bytes, sum) = collector.finish()?;
    let mut head = got.head;
    if request.part.is_some_and(|part| part.size != head.size) {
        // Checksums that come with a range are those of a part.
        head.digests = Digests { md5: head.digests.md5, ..Digests::default() };
    }
    Ok(Piece { head, bytes, sum })
}

/// Compares the head of the answer with what was asked, before the body is read.
fn check(request: &ReadRequest<'_>, got: &Got) -> Result<()> {
    if got.head.identity != *request.identity {
        return Err(changed(request.identity, &got.head.identity));
    }
    if got.length.is_some_and(|length| length != request.size) {
        let length = got.length.unwrap_or_default();
        return Err(protocol(format!("GetObject announced {length} bytes where {} were asked for", request.size)));
    }
    match (request.part, got.range.as_deref()) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(protocol("GetObject answered with a range where the whole object was asked for")),
        (Some(_), None) => Err(protocol("GetObject ignored the range")),
        (Some(part), Some(range)) if is_range(range, part, got.head.size) => Ok(()),
        (Some(_), Some(_)) => Err(protocol("GetObject answered with another range than was asked for")),
    }
}

fn changed(asked: &Identity, found: &Identity) -> StoreError {
    StoreError::new(ErrorKind::Changed, format!("the object is {found} now, not {asked}"))
}

/// Whether `Content-Range` names exactly this part of an object of `size` bytes.
fn is_range(range: &str, part: Part, size: u64) -> bool {
    range.trim() == format!("bytes {}-{}/{size}", part.offset, part.offset + part.size - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p07_only_the_range_that_was_asked_for_counts() {
        let part = Part { number: 2, offset: 8, size: 4 };
        assert!(is_range("bytes 8-11/100", part, 100));
        for other in ["bytes 8-12/100", "bytes 0-11/100", "bytes 8-11/*", "bytes 8-11/99", "8-11/100", ""] {
            assert!(!is_range(other, part, 100), "{other}");
        }
    }
}
