//! The merge-join: two sorted listings become one action for each key.
//!
//! Both listings are sorted by bytes, so the join needs one entry of each side at a time. Sortedness is a promise of the
//! stores that some break; [`Sorted`] holds them to it, because an unsorted listing would turn into wrong deletes.

use std::cmp::Ordering;

use crate::action::{Action, CopyReason};
use crate::compare::{CompareMode, CompareRules, Comparison, Purpose, SameBy, compare};
use crate::entry::Availability;
use crate::{Entry, ErrorKind, Key, KeyRules, Known};

/// Which side has the lower next key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Only the source has the lower key.
    Source,
    /// Only the target has it.
    Target,
    /// Both have it.
    Both,
    /// Both sides have ended.
    End,
}

/// Compares the heads of two sorted listings.
pub fn next(source: Option<&Key>, target: Option<&Key>) -> Next {
    match (source, target) {
        (None, None) => Next::End,
        (Some(_), None) => Next::Source,
        (None, Some(_)) => Next::Target,
        (Some(source), Some(target)) => match source.cmp(target) {
            Ordering::Less => Next::Source,
            Ordering::Greater => Next::Target,
            Ordering::Equal => Next::Both,
        },
    }
}

/// What a run wants of keys, as far as the join decides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffRules {
    /// How equal keys are compared.
    pub compare: CompareRules,
    /// What happens to keys that only the target has.
    pub extra: Extra,
    /// What happens to keys that both have.
    pub existing: Existing,
    /// Names that the target can hold.
    pub target_keys: KeyRules,
    /// The target's key prefix: it counts towards the length of the full name.
    pub target_prefix: Vec<u8>,
}

impl DiffRules {
    /// How the entries of one key are compared: of a key that failed before and was not proven since, size and time say nothing.
    /// That holds also where the job compares by nothing else.
    pub fn of(&self, trust: Trust) -> CompareRules {
        let purpose = match (trust, self.compare.purpose) {
            (Trust::Usual, _) | (_, Purpose::Check) => return self.compare,
            (Trust::Suspect, Purpose::Plan | Purpose::PlanProven) => Purpose::PlanProven,
        };
        let mode = match self.compare.mode {
            CompareMode::Size | CompareMode::Modified => CompareMode::Auto,
            mode => mode,
        };
        CompareRules { mode, purpose, ..self.compare }
    }
}

/// What earlier runs left of a key, as far as it decides how it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nothing is held against it.
    Usual,
    /// It failed and was not proven since.
    Suspect,
}

/// Keys that only the target has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// They stay: copy and migrate.
    Keep,
    /// They are deleted, inside the guards: `sync --delete`.
    Delete,
}

/// Keys that both sides have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Compared, and replaced where they differ.
    #[default]
    Replace,
    /// Left alone without a look: `--ignore-existing`.
    Ignore,
    /// Compared; a difference is an error: `--immutable`.
    Immutable,
}

/// The action for a key that only the source has.
pub fn only_source(source: Entry, rules: &DiffRules) -> Action {
    copy(source, None, CopyReason::Missing, rules)
}

/// The action for a key that only the target has.
pub fn only_target(target: Entry, rules: &DiffRules) -> Action {
    match rules.extra {
        Extra::Keep => Action::Leave { target },
        Extra::Delete => Action::Remove { target },
    }
}

/// What the listings, and what earlier runs left known, say of a key that both sides have.
pub fn weigh(source: &Entry, target: &Entry, known: Option<&Known>, trust: Trust, rules: &DiffRules) -> Weighed {
    if rules.existing == Existing::Ignore {
        return Weighed::Keep(None);
    }
    match compare(source, target, known, &rules.of(trust)) {
        Comparison::Same(same) => Weighed::Keep(Some(same)),
        comparison => Weighed::Act(comparison),
    }
}

/// See [`weigh`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighed {
    /// The target has it already; how that is known, where somebody looked.
    Keep(Option<SameBy>),
    /// It is not known to be the same.
    Act(Comparison),
}

/// The action for a key that both sides have. `known` is what earlier runs left of it.
pub fn both(source: Entry, target: Entry, known: Option<Known>, trust: Trust, rules: &DiffRules) -> Action {
    let weighed = weigh(&source, &target, known.as_ref(), trust, rules);
    act(weighed, source, target, known, rules)
}

/// Turns what was weighed into an action.
pub fn act(weighed: Weighed, source: Entry, target: Entry, known: Option<Known>, rules: &DiffRules) -> Action {
    match weighed {
        Weighed::Keep(same) => Action::Keep { source, target, same },
        Weighed::Act(Comparison::Ask) => Action::Ask { source, target, known: known.map(Box::new) },
        Weighed::Act(comparison) => decided(comparison, source, target, rules),
    }
}

/// Turns the result of a comparison into an action.
pub fn decided(comparison: Comparison, source: Entry, target: Entry, rules: &DiffRules) -> Action {
    match comparison {
        Comparison::Same(same) => Action::Keep { source, target, same: Some(same) },
        Comparison::Ask => Action::Ask { source, target, known: None },
        Comparison::Different(by) if rules.existing == Existing::Immutable => Action::Refuse {
            source,
            kind: ErrorKind::Conflict,
            message: format!("source and target differ ({by:?}) and --immutable forbids replacing").to_lowercase(),
        },
        Comparison::Different(by) => copy(source, Some(target), CopyReason::Different(by), rules),
    }
}

fn copy(source: Entry, replaces: Option<Entry>, reason: CopyReason, rules: &DiffRules) -> Action {
    if let Some(why) = unfit(&source.key, rules) {
        return Action::Refuse { source, kind: ErrorKind::Unfit, message: why.to_owned() };
    }
    if source.availability == Availability::Archived {
        return Action::Refuse {
            source,
            kind: ErrorKind::Archived,
            message: "the object is archived and must be restored before it can be read".to_owned(),
        };
    }
    Action::Copy { source, replaces: replaces.map(|target| target.identity), reason }
}

fn unfit(key: &Key, rules: &DiffRules) -> Option<&'static str> {
    if rules.target_prefix.is_empty() || rules.target_keys == KeyRules::File {
        return rules.target_keys.unfit(key.as_bytes());
    }
    let mut name = rules.target_prefix.clone();
    name.extend_from_slice(key.as_bytes());
    rules.target_keys.unfit(&name)
}

/// Holds a listing to its order: every key greater than the one before.
#[derive(Debug, Default)]
pub struct Sorted(Option<Key>);

impl Sorted {
    /// Takes the next page; an error names the two keys that are out of order.
    pub fn check(&mut self, page: &[Entry]) -> Result<(), String> {
        let mut last = self.0.as_ref();
        for Entry { key, .. } in page {
            if let Some(last) = last.filter(|last| key <= last) {
                return Err(format!("the listing is out of order: `{key}` came after `{last}`"));
            }
            last = Some(key);
        }
        self.0 = last.cloned();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;
    use crate::compare::{DifferBy, DigestSource};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn rules(extra: Extra) -> DiffRules {
        DiffRules {
            compare: CompareRules {
                mode: CompareMode::Auto,
                purpose: Purpose::Plan,
                source: DigestSource::Stored,
                target: DigestSource::Stored,
            },
            extra,
            existing: Existing::Replace,
            target_keys: KeyRules::Gcs,
            target_prefix: Vec::new(),
        }
    }

    fn entry(key: &str, size: u64) -> Entry {
        Entry::new(Key::from(key), size, Identity::etag("x"))
    }

    fn join(source: &BTreeMap<String, u64>, target: &BTreeMap<String, u64>, rules: &DiffRules) -> Vec<Action> {
        let mut source = source.iter().map(|(key, size)| entry(key, *size)).peekable();
        let mut target = target.iter().map(|(key, size)| entry(key, *size)).peekable();
        let mut actions = Vec::new();
        loop {
            let action = match next(source.peek().map(|e| &e.key), target.peek().map(|e| &e.key)) {
                Next::End => return actions,
                Next::Source => only_source(source.next().expect("peeked"), rules),
                Next::Target => only_target(target.next().expect("peeked"), rules),
                Next::Both => both(source.next().expect("peeked"), target.next().expect("peeked"), None, Trust::Usual, rules),
            };
            actions.push(action);
        }
    }

    proptest! {
        #[test]
        fn p09_every_key_of_both_sides_gets_exactly_one_action(
            source in proptest::collection::btree_map("[a-c]{1,3}", 0_u64..3, 0..20),
            target in proptest::collection::btree_map("[a-c]{1,3}", 0_u64..3, 0..20),
        ) {
            let actions = join(&source, &target, &rules(Extra::Delete));
            let keys: Vec<String> = actions.iter().map(|action| action.key().to_string()).collect();
            let all: std::collections::BTreeSet<&String> = source.keys().chain(target.keys()).collect();
            prop_assert_eq!(keys.iter().collect::<Vec<_>>(), all.into_iter().collect::<Vec<_>>());
            for action in actions {
                let key = action.key().to_string();
                let expected = match (source.get(&key), target.get(&key)) {
                    (Some(one), Some(other)) if one == other => "keep",
                    (Some(_), _) => "copy",
                    (None, _) => "remove",
                };
                let got = match action {
                    Action::Keep { .. } => "keep",
                    Action::Copy { .. } => "copy",
                    Action::Remove { .. } => "remove",
                    other => panic!("{other:?}"),
                };
                prop_assert_eq!(got, expected);
            }
        }
    }

    #[test]
    fn p14_a_name_that_the_target_cannot_hold_is_refused_with_the_reason() {
        let action = only_source(entry("a\nb", 1), &rules(Extra::Keep));
        assert!(matches!(action, Action::Refuse { kind: ErrorKind::Unfit, .. }));
        let long = DiffRules { target_prefix: b"p/".to_vec(), ..rules(Extra::Keep) };
        assert!(matches!(only_source(entry(&"x".repeat(1023), 1), &long), Action::Refuse { kind: ErrorKind::Unfit, .. }));
        assert!(matches!(only_source(entry(&"x".repeat(1022), 1), &long), Action::Copy { .. }));
    }

    #[test]
    fn p04_size_and_time_are_no_evidence_for_a_key_that_failed() {
        for mode in [CompareMode::Auto, CompareMode::Size, CompareMode::Modified] {
            let mut rules = rules(Extra::Keep);
            rules.compare.mode = mode;
            let decide = |trust| both(entry("a", 1), entry("a", 1), None, trust, &rules);
            assert!(matches!(decide(Trust::Usual), Action::Keep { .. }), "{mode:?}");
            assert!(matches!(decide(Trust::Suspect), Action::Copy { .. }), "{mode:?}");
        }
    }

    #[test]
    fn immutable_makes_a_difference_an_error_and_ignore_looks_away() {
        let immutable = DiffRules { existing: Existing::Immutable, ..rules(Extra::Keep) };
        assert!(matches!(
            both(entry("a", 1), entry("a", 2), None, Trust::Usual, &immutable),
            Action::Refuse { kind: ErrorKind::Conflict, .. }
        ));
        let ignore = DiffRules { existing: Existing::Ignore, ..rules(Extra::Keep) };
        assert!(matches!(both(entry("a", 1), entry("a", 2), None, Trust::Usual, &ignore), Action::Keep { same: None, .. }));
        let replace = both(entry("a", 1), entry("a", 2), None, Trust::Usual, &rules(Extra::Keep));
        assert!(matches!(replace, Action::Copy { reason: CopyReason::Different(DifferBy::Size), .. }));
    }

    #[test]
    fn p03_a_listing_out_of_order_is_noticed() {
        let mut sorted = Sorted::default();
        assert!(sorted.check(&[entry("a", 1), entry("b", 1)]).is_ok());
        assert!(sorted.check(&[]).is_ok());
        assert!(sorted.check(&[entry("b", 1)]).is_err());
        assert!(sorted.check(&[entry("a", 1), entry("c", 1)]).is_err());
        assert!(sorted.check(&[entry("c", 1), entry("e", 1), entry("d", 1)]).is_err());
        assert!(sorted.check(&[entry("c", 1)]).is_ok(), "a page that was refused was not taken");
    }
}
