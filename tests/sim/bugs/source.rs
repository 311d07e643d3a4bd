//! Sources that break the engine's reading and listing.

use std::sync::Arc;

use async_trait::async_trait;
use brigade_core::digest::{Digests, Sum, Wanted};
use brigade_core::{Availability, Entry, Identity, Key, KeyRange};
use brigade_store::{Facts, Head, List, Pages, Piece, Probe, ProbeFor, Read, ReadRequest, Result, Rope, Source, Target, When, WriteSpec};

use super::Bug;

pub(super) struct BrokenSource {
    pub(super) inner: Arc<dyn Source>,
    /// The source as something that can be written, which no engine ever gets.
    pub(super) mark: Arc<dyn Target>,
    pub(super) bug: Bug,
}

struct BrokenPages {
    inner: Box<dyn Pages>,
    range: KeyRange,
    bug: Bug,
    begun: bool,
    ended: bool,
}

#[async_trait]
impl Pages for BrokenPages {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        if self.ended {
            return Ok(None);
        }
        let is_first = !std::mem::replace(&mut self.begun, true);
        match (self.bug, self.inner.next().await) {
            (Bug::ShardsBeginLate, Ok(Some(mut page))) if is_first && self.range.after.is_some() => {
                page.remove(0);
                Ok(Some(page).filter(|page| !page.is_empty()))
            }
            (Bug::ShardsEndEarly, Ok(Some(mut page))) => {
                page.retain(|entry| Some(&entry.key) != self.range.through.as_ref());
                Ok(Some(page).filter(|page| !page.is_empty()))
            }
            (Bug::ListingErrorIsTheEnd, Err(_)) => {
                self.ended = true;
                Ok(None)
            }
            (Bug::PagesLoseAnEntry, Ok(Some(mut page))) if page.len() > 2 => {
                page.pop();
                Ok(Some(page))
            }
            (_, page) => page,
        }
    }
}

#[async_trait]
impl List for BrokenSource {
    fn list(&self, range: &KeyRange) -> Box<dyn Pages> {
        Box::new(BrokenPages { inner: self.inner.list(range), range: range.clone(), bug: self.bug, begun: false, ended: false })
    }

    async fn head(&self, key: &Key) -> Result<Head> {
        self.inner.head(key).await
    }
}

#[async_trait]
impl Read for BrokenSource {
    async fn read(&self, request: &ReadRequest<'_>) -> Result<Piece> {
        match self.bug {
            Bug::ReadsNotPinned => match self.inner.head(request.key).await {
                Ok(head) => self.inner.read(&ReadRequest { identity: &head.identity, ..request.clone() }).await,
                Err(_) => self.inner.read(request).await,
            },
            Bug::FailedReadsAreEmpty => Ok(self.inner.read(request).await.unwrap_or_else(|_| zeroes(request))),
            Bug::SourceIsMarked => {
                let spec = WriteSpec { metadata: Arc::default(), storage_class: None, when: When::Always };
                let (rope, marker) = (Rope::from(b"seen".to_vec()), Key::from("seen-by-the-engine"));
                // What becomes of the mark is no matter.
                let _ = self.mark.put(&marker, &rope, &rope.sum(Wanted::default()), None, &spec).await;
                self.inner.read(request).await
            }
            _ => self.inner.read(request).await,
        }
    }

    async fn digests(&self, entry: &Entry) -> Result<Digests> {
        self.inner.digests(entry).await
    }

    async fn tags(&self, key: &Key, identity: &Identity) -> Result<Vec<(String, String)>> {
        self.inner.tags(key, identity).await
    }
}

fn zeroes(request: &ReadRequest<'_>) -> Piece {
    let bytes = Rope::from(vec![0; usize::try_from(request.size).expect("small")]);
    let sum: Sum = bytes.sum(request.wanted);
    let head = Head {
        size: request.size,
        identity: request.identity.clone(),
        modified: None,
        digests: Digests::default(),
        metadata: Arc::default(),
        tags: 0,
        storage_class: None,
        availability: Availability::Ready,
    };
    Piece { head, bytes, sum }
}

#[async_trait]
impl Probe for BrokenSource {
    fn facts(&self) -> Facts {
        self.inner.facts()
    }

    async fn probe(&self, purpose: ProbeFor) -> Result<Facts> {
        self.inner.probe(purpose).await
    }
}
