//! What is known of keys that both sides hold: which version of the target was proven against which version of the source.
//!
//! A run leaves such records behind, and the next one reads them beside its two listings. A record speaks for itself: it counts
//! only while both listings still show exactly its two versions, so an old, partial or missing set of records costs time and
//! never safety.

mod batch;

use std::cmp::Ordering;
use std::iter::Peekable;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::outcome::Proof;
use crate::{Digests, Entry, Identity, Key};

pub use batch::{Batch, Malformed, Records};

/// One key of which a pair of versions is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The key below both locations.
    pub key: Key,
    /// Size of both versions in bytes.
    pub size: u64,
    /// The version of the source.
    pub source: Identity,
    /// The version of the target that holds its content.
    pub target: Identity,
    /// Digests of the whole content, as far as they were computed or compared.
    pub digests: Digests,
    /// How the two are known to be equal; `None` where only sizes and times were compared.
    pub proof: Option<Proof>,
    /// When the source's version was written.
    pub source_modified: Option<Timestamp>,
    /// When this was found out.
    pub known_at: Timestamp,
    /// The run that found it out.
    pub run: Arc<str>,
    /// Whether the original is still there, as far as this engine has to do with it.
    pub original: Original,
}

/// What became of an original.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Original {
    /// It was there when this was written down.
    #[default]
    Present,
    /// This engine deleted it after its copy was proven.
    Deleted,
}

/// How a record stands to what the listings show now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Both versions are the recorded ones.
    Unchanged,
    /// At least one of them is another.
    Changed,
}

impl Original {
    /// The word that files keep.
    pub fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Deleted => "deleted",
        }
    }

    /// Reads what [`Original::name`] says.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Present, Self::Deleted].into_iter().find(|original| original.name() == name)
    }
}

impl Known {
    /// Compares the record with what the listings show.
    pub fn standing(&self, source: &Entry, target: &Entry) -> Standing {
        let same = self.size == source.size && self.size == target.size && self.source == source.identity && self.target == target.identity;
        if same { Standing::Unchanged } else { Standing::Changed }
    }
}

/// A change of what is known, in the order in which it was found out.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// This pair is known now.
    Set(Known),
    /// The source no longer lists the key.
    Gone(Key),
    /// The original was deleted by this engine; its copy stays known.
    OriginalDeleted(Key),
}

impl Change {
    /// The key that this is about.
    pub fn key(&self) -> &Key {
        match self {
            Self::Set(known) => &known.key,
            Self::Gone(key) | Self::OriginalDeleted(key) => key,
        }
    }
}

/// How the run ended whose changes are folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Clean: everything it saw counts.
    Clean,
    /// Anything else: what it proved counts, but that keys are gone does not. A source that lists too little must not be
    /// forgotten by being looked at once.
    Unclean,
}

/// Folds changes into records. Both come sorted by key; changes of one key come in the order in which they were made.
/// The first error ends the fold.
pub fn fold<E, B, C>(base: B, changes: C, ending: Ending) -> Fold<B, C>
where
    B: Iterator<Item = Result<Known, E>>,
    C: Iterator<Item = Result<Change, E>>,
{
    Fold { base: base.peekable(), changes: changes.peekable(), ending, failed: false }
}

/// See [`fold`].
pub struct Fold<B: Iterator, C: Iterator> {
    base: Peekable<B>,
    changes: Peekable<C>,
    ending: Ending,
    failed: bool,
}

impl<E, B, C> Fold<B, C>
where
    B: Iterator<Item = Result<Known, E>>,
    C: Iterator<Item = Result<Change, E>>,
{
    /// The record of the next key, `None` inside where its changes left none; outside at the end.
    fn step(&mut self) -> Result<Option<Option<Known>>, E> {
        let order = match (self.base.peek(), self.changes.peek()) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(Ok(known)), Some(Ok(change))) => known.key.cmp(change.key()),
            (Some(Err(_)), Some(_)) => Ordering::Less,
            (Some(_), Some(Err(_))) => Ordering::Greater,
        };
        let mut record = match order {
            Ordering::Less => return self.base.next().transpose().map(Some),
            Ordering::Equal => self.base.next().transpose()?,
            Ordering::Greater => None,
        };
        let Some(first) = self.changes.next().transpose()? else { return Ok(None) };
        let key = first.key().clone();
        self.apply(first, &mut record);
        while let Some(Ok(_)) = self.changes.peek().filter(|next| next.as_ref().is_ok_and(|change| *change.key() == key)) {
            if let Some(next) = self.changes.next().transpose()? {
                self.apply(next, &mut record);
            }
        }
        Ok(Some(record))
    }

    fn apply(&self, change: Change, record: &mut Option<Known>) {
        match change {
            Change::Set(known) => *record = Some(known),
            Change::Gone(_) if self.ending == Ending::Clean => *record = None,
            Change::Gone(_) => {}
            Change::OriginalDeleted(_) => {
                if let Some(known) = record {
                    known.original = Original::Deleted;
                }
            }
        }
    }
}

impl<E, B, C> Iterator for Fold<B, C>
where
    B: Iterator<Item = Result<Known, E>>,
    C: Iterator<Item = Result<Change, E>>,
{
    type Item = Result<Known, E>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            match self.step() {
                Ok(None) => return None,
                Ok(Some(None)) => {}
                Ok(Some(Some(known))) => return Some(Ok(known)),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn known(key: &str, version: u64) -> Known {
        Known {
            key: Key::from(key),
            size: version,
            source: Identity::Generation(version),
            target: Identity::Generation(version + 100),
            digests: Digests::default(),
            proof: None,
            source_modified: None,
            known_at: Timestamp::UNIX_EPOCH,
            run: "r".into(),
            original: Original::Present,
        }
    }

    fn change() -> impl Strategy<Value = Change> {
        ("[a-e]", 0_u64..9, 0_u8..3).prop_map(|(key, version, which)| match which {
            0 => Change::Set(known(&key, version)),
            1 => Change::Gone(Key::from(key.as_str())),
            _ => Change::OriginalDeleted(Key::from(key.as_str())),
        })
    }

    /// What a map says of the same changes, one after the other.
    fn model(base: &BTreeMap<String, u64>, changes: &[Change], ending: Ending) -> Vec<Known> {
        let mut map: BTreeMap<Key, Known> = base.iter().map(|(key, version)| (Key::from(key.as_str()), known(key, *version))).collect();
        for change in changes {
            match change {
                Change::Set(known) => drop(map.insert(known.key.clone(), known.clone())),
                Change::Gone(key) if ending == Ending::Clean => drop(map.remove(key)),
                Change::Gone(_) => {}
                Change::OriginalDeleted(key) => {
                    if let Some(known) = map.get_mut(key) {
                        known.original = Original::Deleted;
                    }
                }
            }
        }
        map.into_values().collect()
    }

    proptest! {
        #[test]
        fn folding_sorted_streams_equals_applying_the_changes_in_order(
            base in proptest::collection::btree_map("[a-e]", 0_u64..9, 0..5),
            changes in proptest::collection::vec(change(), 0..12),
            clean in any::<bool>(),
        ) {
            let ending = if clean { Ending::Clean } else { Ending::Unclean };
            let expected = model(&base, &changes, ending);
            let mut sorted = changes;
            sorted.sort_by(|one, other| one.key().cmp(other.key()));
            let base = base.iter().map(|(key, version)| Ok::<_, ()>(known(key, *version)));
            let folded: Result<Vec<Known>, ()> = fold(base, sorted.into_iter().map(Ok), ending).collect();
            prop_assert_eq!(folded, Ok(expected));
        }
    }

    #[test]
    fn the_first_error_ends_the_fold_and_is_told() {
        let base = vec![Ok(known("a", 1)), Err("damaged"), Ok(known("c", 1))];
        let seen: Vec<_> = fold(base.into_iter(), vec![Ok(Change::Set(known("b", 1)))].into_iter(), Ending::Clean).collect();
        assert_eq!(seen, [Ok(known("a", 1)), Err("damaged")]);
    }

    #[test]
    fn p13_a_record_counts_only_while_both_versions_are_the_recorded_ones() {
        let record = known("a", 7);
        let entry = |size, generation| Entry::new(Key::from("a"), size, Identity::Generation(generation));
        assert_eq!(record.standing(&entry(7, 7), &entry(7, 107)), Standing::Unchanged);
        for (source, target) in [(entry(7, 8), entry(7, 107)), (entry(7, 7), entry(7, 108)), (entry(8, 7), entry(7, 107))] {
            assert_eq!(record.standing(&source, &target), Standing::Changed);
        }
    }
}
