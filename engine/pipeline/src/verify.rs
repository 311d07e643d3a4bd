//! How a copy becomes proven.
//!
//! Two questions are asked of each object. Is what was read what the source stores? Is what the target stores what was read?
//! A claim is only ever compared with a digest of the bytes that passed, never with a copy of itself.

use brigade_core::digest::{Agreement, Digests, Sum, Wanted};
use brigade_core::job::Verify;
use brigade_core::parts::{Part, ranges};
use brigade_core::{Algorithm, ErrorKind, Identity, Key, Proof};
use brigade_store::error::Effect;
use brigade_store::{Read, ReadRequest, Result, StoreError, Written};

use crate::ctx::Ctx;
use crate::limits::READS_BACK_MAX;

/// Compares the digests of what was read with what the source stores. `None` where the source stores nothing comparable.
pub fn against_source(read: &Digests, stored: &Digests) -> Result<Option<Algorithm>> {
    match read.agreement(stored) {
        Agreement::Same(algorithm) => Ok(Some(algorithm)),
        Agreement::Unknown => Ok(None),
        Agreement::Different(algorithm) => Err(StoreError::new(
            ErrorKind::Corrupt,
            format!("the bytes read from the source do not have the {} that it stores for them", algorithm.name()),
        )),
    }
}

/// What is known of the bytes of a copy.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Size and CRCs of the whole.
    pub sum: Sum,
    /// Every digest of the bytes that was computed or confirmed.
    pub digests: Digests,
    /// Set where the target confirmed every part by this digest.
    pub by_parts: Option<Algorithm>,
}

/// Proves that the target holds the bytes expected, as strongly as the job asks. What is wrong is removed again.
pub async fn prove(cx: &Ctx, key: &Key, expected: &Expected, written: &Written) -> Result<Proof> {
    let agreement = match (expected.digests.agreement(&written.digests), expected.by_parts) {
        (Agreement::Unknown, Some(algorithm)) => Agreement::Same(algorithm),
        (agreement, _) => agreement,
    };
    match (agreement, cx.job.verify) {
        (Agreement::Different(algorithm), _) => Err(retract(cx, key, written.identity.as_ref(), algorithm).await),
        (Agreement::Same(algorithm), Verify::Transport | Verify::Stored) => Ok(Proof::Stored(algorithm)),
        (Agreement::Unknown, Verify::Transport) => Ok(Proof::Transport),
        (Agreement::Unknown, Verify::Stored) | (_, Verify::Content) => read_back(cx, key, expected, written).await,
    }
}

/// Reads the target's object and compares it with the bytes that were read from the source.
async fn read_back(cx: &Ctx, key: &Key, expected: &Expected, written: &Written) -> Result<Proof> {
    let identity = match &written.identity {
        Some(identity) => identity.clone(),
        None => cx.target.head(key).await?.identity,
    };
    // A bit that flips on the way back is no fault of the copy: only a copy that is wrong twice is taken away.
    for _ in 0..READS_BACK_MAX {
        let got = content(cx, &*cx.target, key, &identity, expected.sum.size).await?;
        if got.crc32c == expected.sum.crc32c && got.size == expected.sum.size {
            return Ok(Proof::Content(Algorithm::Crc32c));
        }
    }
    Err(retract(cx, key, Some(&identity), Algorithm::Crc32c).await)
}

/// The digests of a whole object, read part by part under the byte budget. The caller holds no claim meanwhile.
pub async fn content(cx: &Ctx, store: &dyn Read, key: &Key, identity: &Identity, size: u64) -> Result<Sum> {
    let mut whole = Sum { crc64nvme: None, ..Sum::EMPTY };
    if size <= cx.job.part_bytes {
        return piece(cx, store, key, identity, None, size).await;
    }
    for part in ranges(size, cx.job.part_bytes) {
        whole = whole.then(piece(cx, store, key, identity, Some(part), part.size).await?);
    }
    Ok(whole)
}

async fn piece(cx: &Ctx, store: &dyn Read, key: &Key, identity: &Identity, part: Option<Part>, size: u64) -> Result<Sum> {
    let _held = cx.budget.claim(size).await;
    let request = ReadRequest { key, part, size, identity, wanted: Wanted::default() };
    Ok(store.read(&request).await?.sum)
}

/// Removes a copy that was found wrong, and says so.
pub(crate) async fn retract(cx: &Ctx, key: &Key, written: Option<&Identity>, algorithm: Algorithm) -> StoreError {
    let what = format!("the target stored other bytes than were sent: their {} differs", algorithm.name());
    let removed = match written {
        Some(identity) => cx.target.retract(key, identity).await,
        None => Err(StoreError::new(ErrorKind::Unsupported, "the target did not name what it wrote")),
    };
    match removed {
        Ok(()) => StoreError::new(ErrorKind::Corrupt, format!("{what}; the copy was removed")),
        Err(error) => StoreError::new(ErrorKind::Corrupt, format!("{what}, and the copy COULD NOT BE REMOVED: {}", error.message)),
    }
}

/// Whether a write that failed so may have happened all the same.
pub fn may_have_happened(error: &StoreError) -> bool {
    use ErrorKind as E;
    error.effect == Effect::Possible
        && matches!(error.kind, E::Conflict | E::UploadGone | E::NotFound | E::Network | E::Stalled | E::Unavailable)
}

/// After a write whose acknowledgement may have been lost: if the target holds exactly the bytes expected, the write did happen.
pub async fn settle(cx: &Ctx, key: &Key, expected: &Expected, error: StoreError) -> Result<Written> {
    if !may_have_happened(&error) {
        return Err(error);
    }
    let Ok(head) = cx.target.head(key).await else { return Err(error) };
    if head.size != expected.sum.size {
        return Err(error);
    }
    let written = Written { identity: Some(head.identity.clone()), digests: head.digests };
    match expected.digests.agreement(&head.digests) {
        Agreement::Same(_) => Ok(written),
        Agreement::Different(_) => Err(error),
        Agreement::Unknown => match content(cx, &*cx.target, key, &head.identity, expected.sum.size).await {
            Ok(sum) if sum.crc32c == expected.sum.crc32c => Ok(Written { digests: sum.digests(), ..written }),
            _ => Err(error),
        },
    }
}
