//! An object that its provider copies itself: no byte of it passes this machine.
//!
//! It is proven as a streamed copy is, only that the two digests that are compared are both of the store: what it keeps of the
//! original, and what it computed over the copy. An object of which nothing comparable is kept is streamed, and so is everything
//! where copies are to be read back. What is copied by parts is compared before it becomes visible; a whole copy is compared right
//! after, and removed where it is wrong.

mod parts;

use std::sync::Arc;

use brigade_core::digest::{Agreement, parts_of_etag};
use brigade_core::event::Event;
use brigade_core::job::{ServerSide, Verify};
use brigade_core::outcome::{Copied, Way};
use brigade_core::{Digests, Entry, ErrorKind, Identity, Proof};
use brigade_store::{CopyBy, Head, Origin, Result, StoreError, WriteSpec, Written};

use crate::ctx::Ctx;
use crate::limits::COPIED_PART_BYTES;
use crate::road::{Road, says_no_road};
use crate::transfer::etag::aligned;
use crate::transfer::{completed, spec};
use crate::verify::{may_have_happened, retract};

/// Why an object did not arrive this way.
enum Detour {
    /// It may still arrive through this machine.
    Stream(StoreError),
    /// It would not.
    Failed(StoreError),
}

impl From<StoreError> for Detour {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

type Went<T> = std::result::Result<T, Detour>;

/// How an object is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Whole,
    Parts { part_bytes: u64 },
}

impl Route {
    fn by(self) -> CopyBy {
        match self {
            Self::Whole => CopyBy::Whole,
            Self::Parts { .. } => CopyBy::Parts,
        }
    }
}

/// What is needed of one object on its way.
struct Trip<'a> {
    entry: &'a Entry,
    origin: Origin<'a>,
    head: Head,
    road: &'a Road,
    cx: &'a Ctx,
}

/// Whether objects may go this way at all: there is a road, or no other is allowed.
pub(super) fn is_in_question(cx: &Ctx) -> bool {
    cx.road.is_some() || cx.job.server_side == ServerSide::Always
}

/// Copies an object inside the provider; `None` where it has to be streamed.
pub(super) async fn copy(entry: &Entry, replaces: Option<&Identity>, cx: &Ctx) -> Result<Option<Copied>> {
    let only = cx.job.server_side == ServerSide::Always;
    let Some(road) = &cx.road else {
        let message = "the provider cannot copy it: source and target are not one endpoint, or copies are to be read back";
        return if only { Err(StoreError::new(ErrorKind::Unsupported, message)) } else { Ok(None) };
    };
    if !only && parts::was_begun_by_sending(entry, cx) {
        return Ok(None);
    }
    match travel(entry, replaces, road, cx).await {
        Ok(copied) => Ok(Some(copied)),
        Err(Detour::Stream(error)) if !only => {
            tracing::debug!(key = %entry.key, reason = %error.message, "an object is streamed instead of copied by the provider");
            Ok(None)
        }
        Err(Detour::Stream(error)) => Err(error.context("the provider cannot copy it, and --server-side always allows no other way")),
        Err(Detour::Failed(error)) => Err(error),
    }
}

async fn travel(entry: &Entry, replaces: Option<&Identity>, road: &Road, cx: &Ctx) -> Went<Copied> {
    let head = look(entry, cx).await?;
    let route = route(entry, &head, road, cx).await?;
    let origin = Origin { key: &entry.key, identity: &entry.identity, size: entry.size, digests: head.digests };
    let conditional = road.passable(&origin, route.by(), &cx.target_facts).await.map_err(unless_about_the_object)?;
    // Exactly what a streamed copy would get.
    let (spec, dropped) = spec(&head, entry, replaces, conditional, cx).await?;
    let trip = Trip { entry, origin, head, road, cx };
    let (written, proof) = match route {
        Route::Whole => trip.whole(&spec).await?,
        Route::Parts { part_bytes } => Box::pin(trip.in_parts(&spec, part_bytes)).await?,
    };
    road.went(route.by());
    Ok(trip.copied(written, proof, dropped))
}

/// An endpoint that cannot be asked now may still be read and written.
fn unless_about_the_object(error: StoreError) -> Detour {
    match error.kind {
        ErrorKind::Changed | ErrorKind::Vanished | ErrorKind::Archived | ErrorKind::Cancelled => Detour::Failed(error),
        _ => Detour::Stream(error),
    }
}

/// What the source knows of the listed version. A listing that tells everything costs no request.
async fn look(entry: &Entry, cx: &Ctx) -> Result<Head> {
    if let Some(metadata) = entry.metadata.as_ref().filter(|_| !entry.digests.is_empty()) {
        return Ok(Head {
            size: entry.size,
            identity: entry.identity.clone(),
            modified: entry.modified,
            digests: entry.digests,
            metadata: Arc::clone(metadata),
            tags: 0,
            storage_class: entry.storage_class.clone(),
            availability: entry.availability,
        });
    }
    let head = cx.source.head(&entry.key).await.map_err(|error| match error.kind {
        ErrorKind::NotFound => StoreError { kind: ErrorKind::Vanished, ..error },
        _ => error,
    })?;
    if head.identity != entry.identity {
        return Err(StoreError::new(ErrorKind::Changed, format!("the object is {} now, not {}", head.identity, entry.identity)));
    }
    Ok(completed(&head, entry))
}

/// Which way leads to a copy that can be proven.
async fn route(entry: &Entry, head: &Head, road: &Road, cx: &Ctx) -> Went<Route> {
    let has_crc = head.digests.crc32c.is_some() || head.digests.crc64nvme.is_some();
    let composite = entry.identity.as_etag().and_then(parts_of_etag);
    if let Some(count) = composite.filter(|_| !has_crc || cx.job.preserve_etag)
        && let Some(part_bytes) = aligned(entry, count, cx).await?
    {
        return Ok(Route::Parts { part_bytes });
    }
    let whole = entry.size <= road.copier().whole_bytes_max();
    let comparable = if whole { !head.digests.is_empty() } else { has_crc };
    if !comparable && cx.job.verify != Verify::Transport {
        let message = "its source stores no digest that a copy inside the provider could be compared with";
        return Err(Detour::Stream(StoreError::new(ErrorKind::Unproven, message)));
    }
    if whole {
        return Ok(Route::Whole);
    }
    let wish = COPIED_PART_BYTES.min(road.copier().whole_bytes_max());
    let least = entry.size.div_ceil(u64::from(cx.target_facts.parts.parts_max)).max(cx.target_facts.parts.part_bytes_min);
    Ok(Route::Parts { part_bytes: wish.max(least) })
}

impl Trip<'_> {
    /// One operation, compared right after it.
    async fn whole(&self, spec: &WriteSpec) -> Went<(Written, Proof)> {
        let written = match self.road.copier().copy(&self.origin, &self.entry.key, spec).await {
            Ok(written) => written,
            Err(error) => self.settle(self.refused(CopyBy::Whole, error)?).await?,
        };
        let proven = self.prove(written).await?;
        self.cx.observer.observe(&Event::Progress(self.entry.size));
        Ok(proven)
    }

    /// Compares the visible copy with its original. What is wrong, or cannot be compared, is removed again.
    async fn prove(&self, mut written: Written) -> Went<(Written, Proof)> {
        let (cx, key) = (self.cx, &self.entry.key);
        let mut agreement = self.origin.digests.agreement(&written.digests);
        if agreement == Agreement::Unknown && !self.origin.digests.is_empty() {
            // The answer said too little: the store may say more when it is asked.
            let head = cx.target.head(key).await?;
            if written.identity.as_ref().is_none_or(|identity| *identity == head.identity) {
                written = Written { identity: Some(head.identity), digests: head.digests };
                agreement = self.origin.digests.agreement(&written.digests);
            }
        }
        match agreement {
            Agreement::Same(algorithm) => Ok((written, Proof::Stored(algorithm))),
            Agreement::Different(algorithm) => Err(retract(cx, key, written.identity.as_ref(), algorithm).await.into()),
            Agreement::Unknown if cx.job.verify == Verify::Transport => Ok((written, Proof::Transport)),
            Agreement::Unknown => {
                let message = "the endpoint tells no digest of a server-side copy that could be compared with its original";
                let error = StoreError::new(ErrorKind::Unproven, message);
                self.road.close(CopyBy::Whole, &error);
                if let Some(identity) = &written.identity {
                    cx.target.retract(key, identity).await.map_err(|left| left.context("an unproven copy could not be removed"))?;
                }
                Err(error.into())
            }
        }
    }

    /// A refusal that may be about this way only leads back to streaming.
    fn refused(&self, by: CopyBy, error: StoreError) -> Went<StoreError> {
        if !says_no_road(&error) {
            return Ok(error);
        }
        self.road.refused(by, &error);
        Err(Detour::Stream(error))
    }

    /// After a copy whose acknowledgement may have been lost: if the target holds exactly the original, the copy did happen.
    async fn settle(&self, error: StoreError) -> Result<Written> {
        if !may_have_happened(&error) {
            return Err(error.context("the provider could not copy it"));
        }
        let Ok(head) = self.cx.target.head(&self.entry.key).await else { return Err(error) };
        let same = matches!(self.origin.digests.agreement(&head.digests), Agreement::Same(_)) || self.has_composite(&head.identity);
        if !same || head.size != self.entry.size {
            return Err(error);
        }
        Ok(Written { identity: Some(head.identity), digests: head.digests })
    }

    /// Whether this is the composite ETag of the original, which only the same bytes in the same parts have.
    fn has_composite(&self, identity: &Identity) -> bool {
        *identity == self.entry.identity && identity.as_etag().and_then(parts_of_etag).is_some()
    }

    fn copied(&self, written: Written, proof: Proof, dropped: Vec<String>) -> Copied {
        let source_proof = match proof {
            Proof::Stored(algorithm) => Some(algorithm),
            Proof::Transport | Proof::Content(_) => None,
        };
        Copied {
            source: self.entry.identity.clone(),
            target: written.identity,
            proof,
            way: Way::ServerSide,
            source_proof,
            dropped,
            size: self.entry.size,
            digests: Digests { md5: self.origin.digests.md5, ..self.origin.digests.or(written.digests) },
            source_modified: self.head.modified,
        }
    }
}
