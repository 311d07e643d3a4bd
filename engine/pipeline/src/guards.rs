//! The right to delete, and the guards before it.
//!
//! The right is a [`CleanRun`], and the only way to one is [`CleanRun::earn`]: every listing ended, nothing failed, nothing is
//! unknown, and the guards hold. Guards count before the first delete and are all or nothing (p03).

use brigade_core::job::{DeleteGuards, Mode, Unconditional};
use brigade_core::report::ObjectCounts;
use brigade_store::{Facts, Honoured};

use crate::limits::SHRUNKEN_KNOWN_MIN;
use crate::list::ListingEnd;

/// Proof that a run may delete: it cannot be made but by [`CleanRun::earn`].
#[derive(Debug)]
pub struct CleanRun(());

/// Why nothing is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotClean {
    /// Something failed or is unknown; the report says what.
    Unclean,
    /// A guard refused: the sentence says which and what to do.
    Refused(String),
}

/// What the guards are asked about.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// Whether all listings ended.
    pub listing: ListingEnd,
    /// The outcomes.
    pub objects: ObjectCounts,
    /// Objects that the target's listing held.
    pub target_listed: u64,
    /// Originals that wait to be deleted.
    pub originals: u64,
    /// Objects of the target that wait to be deleted.
    pub extras: u64,
    /// Keys of which earlier runs knew an original.
    pub known: u64,
    /// Those of them that the source does not list any more.
    pub missing: u64,
}

impl CleanRun {
    /// The one way to the right to delete.
    pub fn earn(tally: &Tally, guards: &DeleteGuards) -> Result<Self, NotClean> {
        let objects = &tally.objects;
        if tally.listing != ListingEnd::Complete || objects.failed > 0 || objects.unknown > 0 || !objects.balances() {
            return Err(NotClean::Unclean);
        }
        refusal(tally, guards).map_or(Ok(Self(())), |why| Err(NotClean::Refused(why)))
    }
}

fn refusal(tally: &Tally, guards: &DeleteGuards) -> Option<String> {
    let deletes = tally.originals + tally.extras;
    if let Some(max) = guards.deletes_max
        && deletes > max
    {
        return Some(format!("{deletes} objects would be deleted, more than --max-delete {max} allows; nothing was deleted"));
    }
    if tally.extras > 0 && tally.objects.listed == 0 {
        return Some(format!(
            "the source lists no object at all, so all {} objects of the target would be deleted; nothing was deleted. \
             Check the source's location; if it is meant to be empty, delete the target's objects by hand",
            tally.extras
        ));
    }
    let percent = 100.0 * as_float(tally.extras) / as_float(tally.target_listed.max(1));
    if tally.extras > 0 && percent > guards.target_percent_max {
        return Some(format!(
            "{} of {} objects of the target ({percent:.1} %) would be deleted, more than --max-delete-percent {} allows; nothing was deleted. \
             Look at `brigade plan` and raise the limit if this is right",
            tally.extras, tally.target_listed, guards.target_percent_max
        ));
    }
    shrunken(tally, guards)
}

/// A source that lists far fewer keys than earlier runs saw, without anything having been told of deletions, may be the wrong
/// place, or a listing that ended too early without saying so. It is no ground for deletes at either end.
fn shrunken(tally: &Tally, guards: &DeleteGuards) -> Option<String> {
    let percent = 100.0 * as_float(tally.missing) / as_float(tally.known.max(1));
    let waits = tally.originals + tally.extras > 0;
    if !waits || tally.known < SHRUNKEN_KNOWN_MIN || percent <= guards.target_percent_max {
        return None;
    }
    Some(format!(
        "the source lists {} of the {} objects that it was known to hold no more ({percent:.1} %), more than --max-delete-percent {} allows; nothing was deleted. \
         If they were deleted on purpose, run `brigade copy` with the same locations once: it deletes nothing and takes note",
        tally.missing, tally.known, guards.target_percent_max
    ))
}

fn as_float(count: u64) -> f64 {
    // Exact up to 2^53 objects.
    u32::try_from(count >> 32).map_or(f64::MAX, f64::from) * 4_294_967_296.0
        + f64::from(u32::try_from(count & 0xffff_ffff).unwrap_or(u32::MAX))
}

/// Whether originals can be deleted safely at all; asked before anything is copied.
pub fn refuses_migration(mode: Mode, guards: &DeleteGuards, source: &Facts) -> Option<String> {
    let unsafe_delete = source.conditional_delete != Honoured::Yes && guards.unconditional == Unconditional::Refuse;
    (mode == Mode::Migrate && unsafe_delete).then(|| {
        "the source ignores the condition of a delete, so an original that is overwritten at the last moment could be lost; nothing was copied. \
         Use `brigade copy`, or accept the weaker rule (a fresh look before each batch) with --delete-unconditional"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARDS: DeleteGuards = DeleteGuards { deletes_max: None, target_percent_max: 50.0, unconditional: Unconditional::Refuse };

    fn tally() -> Tally {
        let objects = ObjectCounts { listed: 10, kept: 10, ..ObjectCounts::default() };
        Tally { listing: ListingEnd::Complete, objects, target_listed: 20, originals: 0, extras: 10, known: 0, missing: 0 }
    }

    #[test]
    fn p03_only_a_clean_run_may_delete() {
        assert!(CleanRun::earn(&tally(), &GUARDS).is_ok());
        let cut = Tally { listing: ListingEnd::Cut, ..tally() };
        let failed = Tally { objects: ObjectCounts { kept: 9, failed: 1, ..tally().objects }, ..tally() };
        let unknown = Tally { objects: ObjectCounts { kept: 9, unknown: 1, ..tally().objects }, ..tally() };
        let unbalanced = Tally { objects: ObjectCounts { kept: 9, ..tally().objects }, ..tally() };
        for unclean in [cut, failed, unknown, unbalanced] {
            assert!(matches!(CleanRun::earn(&unclean, &GUARDS), Err(NotClean::Unclean)), "{unclean:?}");
        }
    }

    #[test]
    fn p03_the_guards_are_counted_before_the_first_delete() {
        let refused = |tally: &Tally, guards: &DeleteGuards| matches!(CleanRun::earn(tally, guards), Err(NotClean::Refused(_)));
        assert!(refused(&Tally { extras: 11, ..tally() }, &GUARDS), "more than half");
        assert!(refused(&tally(), &DeleteGuards { deletes_max: Some(9), ..GUARDS }));
        assert!(refused(&Tally { originals: 5, extras: 0, ..tally() }, &DeleteGuards { deletes_max: Some(4), ..GUARDS }));
        assert!(!refused(&Tally { originals: 50, extras: 0, ..tally() }, &GUARDS), "migrate deletes everything that it moved");
        let empty = Tally { objects: ObjectCounts::default(), extras: 1, target_listed: 100, ..tally() };
        assert!(refused(&empty, &GUARDS), "an empty source");
        assert!(!refused(&Tally { extras: 0, ..empty }, &GUARDS));
    }

    #[test]
    fn p03_a_source_that_has_shrunk_is_no_ground_for_deletes() {
        let shrunk = Tally { known: 100, missing: 51, extras: 1, ..tally() };
        let refused = |tally: &Tally| matches!(CleanRun::earn(tally, &GUARDS), Err(NotClean::Refused(_)));
        assert!(refused(&shrunk));
        assert!(refused(&Tally { extras: 0, originals: 1, ..shrunk }), "originals are guarded as well");
        assert!(!refused(&Tally { missing: 50, ..shrunk }));
        assert!(!refused(&Tally { extras: 0, ..shrunk }), "nothing would be deleted");
        assert!(!refused(&Tally { known: SHRUNKEN_KNOWN_MIN - 1, missing: SHRUNKEN_KNOWN_MIN - 1, ..shrunk }), "too few to tell");
    }
}
