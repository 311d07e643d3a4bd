//! Whether an object of the source and the one of the same key in the target are the same.
//!
//! Digests decide where both sides hold a comparable one. Times are only compared in one direction (a source written after
//! the copy must be copied again): clocks of two stores are not one clock.

use serde::{Deserialize, Serialize};

use crate::digest::{Agreement, Algorithm, Digests};
use crate::known::{Known, Standing};
use crate::outcome::Proof;
use crate::{Entry, Identity};

/// `--compare`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompareMode {
    /// What both listings give; else size, and copied when the source is newer.
    #[default]
    Auto,
    /// A stored checksum of both sides, asked for where a listing gives none; what cannot be compared is copied.
    Checksum,
    /// Size only.
    Size,
    /// Size, and the source is newer.
    Modified,
    /// Only what earlier runs left known: both versions unchanged, or copied.
    Manifest,
}

/// What the comparison is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To decide what is copied.
    Plan,
    /// To decide what is copied where a kept object counts as proven: originals are deleted afterwards.
    PlanProven,
    /// To tell people whether the two are equal: what was not compared is never called equal.
    Check,
}

/// How a side comes by a digest that its listing does not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestSource {
    /// The listing has what there is, or a HEAD has more ([`Entry::checksum_kept`]).
    Stored,
    /// It is computed by reading the object: a local file.
    Computed,
}

/// The rules of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompareRules {
    /// `--compare`.
    pub mode: CompareMode,
    /// What for.
    pub purpose: Purpose,
    /// Where digests of the source come from.
    pub source: DigestSource,
    /// Where digests of the target come from.
    pub target: DigestSource,
}

/// Why two objects count as the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameBy {
    /// Digests of both contents are equal.
    Digest(Algorithm),
    /// Equal composite ETags: the same parts.
    Etag,
    /// Equal sizes, and the source is not newer.
    SizeAndTime,
    /// Equal sizes.
    Size,
    /// Both versions are those that an earlier run found to be the same, by this proof.
    Known(Option<Proof>),
}

impl SameBy {
    /// How the contents are known to be equal; `None` where only sizes and times were compared.
    pub fn proof(self) -> Option<Proof> {
        match self {
            Self::Digest(algorithm) => Some(Proof::Stored(algorithm)),
            Self::Etag => Some(Proof::Stored(Algorithm::Md5)),
            Self::Known(proof) => proof,
            Self::SizeAndTime | Self::Size => None,
        }
    }
}

/// Why two objects count as different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferBy {
    /// Sizes differ.
    Size,
    /// Digests differ.
    Digest(Algorithm),
    /// The source was written after the target.
    Newer,
    /// One of them is another version than when they were last known to be the same.
    Changed,
    /// Nothing to compare by.
    Unproven,
}

/// The result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The same.
    Same(SameBy),
    /// Different.
    Different(DifferBy),
    /// The listings do not decide it: get the digests of both sides, then [`settle`].
    Ask,
}

/// Compares two entries of one key by what the listings say and by what is known of the key from earlier runs.
pub fn compare(source: &Entry, target: &Entry, known: Option<&Known>, rules: &CompareRules) -> Comparison {
    if source.size != target.size {
        return Comparison::Different(DifferBy::Size);
    }
    match rules.mode {
        CompareMode::Size => return Comparison::Same(SameBy::Size),
        CompareMode::Modified => return by_time(source, target),
        CompareMode::Manifest => return by_record(source, target, known, rules).unwrap_or(Comparison::Different(DifferBy::Unproven)),
        // People who check want the two compared now, as far as that goes; a run wants to be quick where it can be sure.
        CompareMode::Auto if rules.purpose != Purpose::Check => {
            if let Some(same @ Comparison::Same(_)) = by_record(source, target, known, rules) {
                return same;
            }
        }
        CompareMode::Auto | CompareMode::Checksum => {}
    }
    match source.digests.agreement(&target.digests) {
        Agreement::Same(algorithm) => return Comparison::Same(SameBy::Digest(algorithm)),
        Agreement::Different(algorithm) => return Comparison::Different(DifferBy::Digest(algorithm)),
        Agreement::Unknown => {}
    }
    if same_composite(&source.identity, &target.identity) {
        return Comparison::Same(SameBy::Etag);
    }
    if asking_helps(source, target, rules) {
        return Comparison::Ask;
    }
    match undecided(source, target, known, rules) {
        // The clocks of two stores are not one clock, and some count whole seconds: two HEADs cost less than a copy.
        Comparison::Different(DifferBy::Newer) if may_have_both(source, target, rules) => Comparison::Ask,
        decided => decided,
    }
}

/// Decides what [`compare`] left open, with the digests that were fetched or computed for both sides.
pub fn settle(pair: (&Entry, &Entry), known: Option<&Known>, digests: (Digests, Digests), rules: &CompareRules) -> Comparison {
    match digests.0.agreement(&digests.1) {
        Agreement::Same(algorithm) => Comparison::Same(SameBy::Digest(algorithm)),
        Agreement::Different(algorithm) => Comparison::Different(DifferBy::Digest(algorithm)),
        Agreement::Unknown => undecided(pair.0, pair.1, known, rules),
    }
}

/// What an earlier run's record says; `None` where there is none, or where it was not found out well enough for the purpose.
fn by_record(source: &Entry, target: &Entry, known: Option<&Known>, rules: &CompareRules) -> Option<Comparison> {
    let known = known?;
    let suffices = rules.purpose == Purpose::Plan || known.proof.is_some_and(Proof::allows_delete);
    match known.standing(source, target) {
        Standing::Changed => Some(Comparison::Different(DifferBy::Changed)),
        Standing::Unchanged => suffices.then_some(Comparison::Same(SameBy::Known(known.proof))),
    }
}

/// Nothing comparable exists in the two stores themselves.
fn undecided(source: &Entry, target: &Entry, known: Option<&Known>, rules: &CompareRules) -> Comparison {
    if rules.mode == CompareMode::Auto
        && let Some(recorded) = by_record(source, target, known, rules)
    {
        return recorded;
    }
    match (rules.mode, rules.purpose) {
        (CompareMode::Checksum, _) | (_, Purpose::PlanProven | Purpose::Check) => Comparison::Different(DifferBy::Unproven),
        _ => by_time(source, target),
    }
}

fn by_time(source: &Entry, target: &Entry) -> Comparison {
    match (source.modified, target.modified) {
        (Some(source), Some(target)) if source > target => Comparison::Different(DifferBy::Newer),
        _ => Comparison::Same(SameBy::SizeAndTime),
    }
}

/// A HEAD is worth its request, or a local file its reading, only where both sides may come to hold a digest.
fn asking_helps(source: &Entry, target: &Entry, rules: &CompareRules) -> bool {
    let local = rules.source == DigestSource::Computed || rules.target == DigestSource::Computed;
    let thorough = rules.mode == CompareMode::Checksum || rules.purpose != Purpose::Plan;
    (local || thorough) && may_have_both(source, target, rules)
}

/// Whether both sides may come to hold a digest.
fn may_have_both(source: &Entry, target: &Entry, rules: &CompareRules) -> bool {
    let may_have = |entry: &Entry, digests: DigestSource| {
        digests == DigestSource::Computed || entry.checksum_kept.is_some() || !entry.digests.is_empty()
    };
    may_have(source, rules.source) && may_have(target, rules.target)
}

/// Equal composite ETags (`md5-of-md5s-N`) come from equal parts of equal sizes.
fn same_composite(source: &Identity, target: &Identity) -> bool {
    match (source.as_etag(), target.as_etag()) {
        (Some(source), Some(target)) => source == target && source.len() > 33 && source.as_bytes()[32] == b'-',
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;
    use jiff::Timestamp;

    fn entry(size: u64, etag: &str, seconds: i64) -> Entry {
        let mut entry = Entry::new(Key::from("k"), size, Identity::etag(etag));
        entry.modified = Some(Timestamp::from_second(seconds).expect("in range"));
        entry.digests.md5 = crate::digest::md5_from_etag(etag);
        entry
    }

    fn rules(mode: CompareMode, purpose: Purpose) -> CompareRules {
        CompareRules { mode, purpose, source: DigestSource::Stored, target: DigestSource::Stored }
    }

    const A: &str = "0cc175b9c0f1b6a831c399e269772661";
    const B: &str = "92eb5ffee6ae2fec3ad71c777531578f";

    #[test]
    fn a_different_size_is_always_a_difference() {
        for mode in [CompareMode::Auto, CompareMode::Checksum, CompareMode::Size, CompareMode::Modified] {
            let result = compare(&entry(1, A, 0), &entry(2, A, 9), None, &rules(mode, Purpose::Plan));
            assert_eq!(result, Comparison::Different(DifferBy::Size));
        }
    }

    #[test]
    fn auto_prefers_digests_to_times() {
        let auto = rules(CompareMode::Auto, Purpose::Plan);
        assert_eq!(compare(&entry(1, A, 9), &entry(1, A, 0), None, &auto), Comparison::Same(SameBy::Digest(Algorithm::Md5)));
        assert_eq!(compare(&entry(1, A, 0), &entry(1, B, 9), None, &auto), Comparison::Different(DifferBy::Digest(Algorithm::Md5)));
        let composite = format!("{A}-2");
        assert_eq!(compare(&entry(1, &composite, 9), &entry(1, &composite, 0), None, &auto), Comparison::Same(SameBy::Etag));
        assert_eq!(compare(&entry(1, &composite, 9), &entry(1, A, 0), None, &auto), Comparison::Different(DifferBy::Newer));
        assert_eq!(compare(&entry(1, &composite, 0), &entry(1, A, 0), None, &auto), Comparison::Same(SameBy::SizeAndTime));
    }

    #[test]
    fn p04_what_was_not_compared_is_never_called_equal_by_check_or_kept_for_deletion() {
        let composite = format!("{A}-2");
        for purpose in [Purpose::Check, Purpose::PlanProven] {
            let result = compare(&entry(1, &composite, 0), &entry(1, A, 0), None, &rules(CompareMode::Auto, purpose));
            assert_eq!(result, Comparison::Different(DifferBy::Unproven));
        }
    }

    #[test]
    fn a_kept_checksum_is_asked_for_only_where_it_can_help() {
        let mut source = entry(1, &format!("{A}-2"), 0);
        let mut target = entry(1, &format!("{A}-3"), 0);
        let checksum = rules(CompareMode::Checksum, Purpose::Plan);
        assert_eq!(compare(&source, &target, None, &checksum), Comparison::Different(DifferBy::Unproven));
        source.checksum_kept = Some(Algorithm::Crc32c);
        target.checksum_kept = Some(Algorithm::Crc32c);
        let newer = Entry { modified: Some(Timestamp::from_second(9).expect("in range")), ..source.clone() };
        let auto = rules(CompareMode::Auto, Purpose::Plan);
        assert_eq!(compare(&newer, &target, None, &auto), Comparison::Ask, "before a copy that may be spared");
        assert_eq!(compare(&source, &target, None, &checksum), Comparison::Ask);
        assert_eq!(compare(&source, &target, None, &rules(CompareMode::Auto, Purpose::Plan)), Comparison::Same(SameBy::SizeAndTime));
        let five = Digests::of_crc32c(5);
        assert_eq!(settle((&source, &target), None, (five, five), &checksum), Comparison::Same(SameBy::Digest(Algorithm::Crc32c)));
        assert_eq!(settle((&source, &target), None, (five, Digests::default()), &checksum), Comparison::Different(DifferBy::Unproven));
    }

    #[test]
    fn a_local_file_is_read_where_the_other_side_has_a_digest() {
        let local = CompareRules { target: DigestSource::Computed, ..rules(CompareMode::Auto, Purpose::Plan) };
        assert_eq!(compare(&entry(1, A, 0), &entry(1, "", 0), None, &local), Comparison::Ask);
        assert_eq!(compare(&entry(1, "", 9), &entry(1, "", 0), None, &local), Comparison::Different(DifferBy::Newer));
    }
}
