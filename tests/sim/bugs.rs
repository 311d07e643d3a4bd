//! Planted bugs: engines that are broken on purpose, each by what it is given to touch the world with.
//!
//! The engine itself is never changed: a wrapper at a seam makes it behave as if a check, a pin, a note or a guard had been
//! forgotten. A simulation that does not catch one of them proves nothing of the promise that it should break.

mod copy;
mod journal;
mod source;
mod target;

use std::sync::Arc;

use brigade_store::{List, ServerCopy};

use crate::engine::Hands;

/// A way in which an engine can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A listing that fails counts as ended.
    ListingErrorIsTheEnd,
    /// The last entry of every page but the last gets lost.
    PagesLoseAnEntry,
    /// A listing that begins in the middle loses its first entry, so that a key is lost between two shards.
    ShardsBeginLate,
    /// The last key of a shard belongs to no listing.
    ShardsEndEarly,
    /// Reads are not pinned: whatever is there now is read.
    ReadsNotPinned,
    /// Copies inside a provider are not pinned, and believed to be what was asked for.
    CopiesNotPinned,
    /// A read that fails for good gives zeroes instead of an error.
    FailedReadsAreEmpty,
    /// A copy writes to its source.
    SourceIsMarked,
    /// Writes name no condition.
    UnconditionalWrites,
    /// Deletes name no version.
    UnconditionalDeletes,
    /// Bytes change on their way to the target, and its answer is believed to be what was sent.
    ProofsAreEchoed,
    /// Keys are tidied up: `a//b` becomes `a/b`.
    KeysAreTidied,
    /// Metadata of the object before is written with every third one.
    MetadataIsMixed,
    /// Uploads are never given up.
    UploadsAreLeft,
    /// Originals are deleted as soon as they are proven.
    DeletedTooEarly,
    /// Failures of earlier runs are forgotten.
    QuarantineIsForgotten,
    /// The journal says of some parts that they arrived, and the store seems to agree.
    PartsAreImagined,
    /// The journal forgets what arrived.
    PartsAreForgotten,
    /// An upload is gone on with whatever the source holds by now.
    ResumedWithoutPin,
    /// A record of earlier runs counts whatever the listings show.
    BaselineIsBelieved,
    /// Keys that are gone are forgotten after every run, not only after a clean one.
    GoneAfterUnclean,
}

impl Bug {
    /// Every one.
    pub const ALL: [Self; 21] = [
        Self::ListingErrorIsTheEnd,
        Self::PagesLoseAnEntry,
        Self::ShardsBeginLate,
        Self::ShardsEndEarly,
        Self::ReadsNotPinned,
        Self::CopiesNotPinned,
        Self::FailedReadsAreEmpty,
        Self::SourceIsMarked,
        Self::UnconditionalWrites,
        Self::UnconditionalDeletes,
        Self::ProofsAreEchoed,
        Self::KeysAreTidied,
        Self::MetadataIsMixed,
        Self::UploadsAreLeft,
        Self::DeletedTooEarly,
        Self::QuarantineIsForgotten,
        Self::PartsAreImagined,
        Self::PartsAreForgotten,
        Self::ResumedWithoutPin,
        Self::BaselineIsBelieved,
        Self::GoneAfterUnclean,
    ];

    /// Breaks an engine.
    pub fn plant(self, hands: Hands) -> Hands {
        let raw_source = hands.source.clone();
        let look = hands.source.clone();
        let delete = |inner, look: Arc<dyn List>| Arc::new(target::BrokenDelete { inner, look, bug: self });
        Hands {
            source: Arc::new(source::BrokenSource { inner: hands.source, mark: hands.source_write.clone(), bug: self }),
            target: Arc::new(target::BrokenTarget::new(hands.target.clone(), self)),
            source_delete: delete(hands.source_delete.clone(), raw_source.clone()),
            target_delete: delete(hands.target_delete, hands.target),
            baseline: hands.baseline.map(|inner| {
                let broken: Arc<dyn brigade_state::Baseline> =
                    Arc::new(journal::BrokenBaseline { inner, source: raw_source.clone(), bug: self });
                broken
            }),
            journal: Arc::new(journal::BrokenJournal { inner: hands.journal, source: raw_source, delete: hands.source_delete, bug: self }),
            source_write: hands.source_write,
            server_copy: hands.server_copy.map(|inner| {
                let broken: Arc<dyn ServerCopy> = Arc::new(copy::BrokenCopy { inner, look, bug: self });
                broken
            }),
        }
    }
}
