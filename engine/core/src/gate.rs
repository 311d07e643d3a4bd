//! The completion gate: whether a source is whole enough to be copied, judged by looking at it before anything is written.
//!
//! A look is a fold over one listing and holds no keys, so it needs no memory, however large the source is. What cannot be known keeps
//! the gate shut: an object without a time is never old enough.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::{Entry, Key};

/// What must hold, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// This key exists.
    pub marker: Option<Key>,
    /// The youngest object is at least so old.
    pub min_age: Option<SignedDuration>,
}

/// Why the gate is shut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shut {
    /// The marker is not there.
    NoMarker(Key),
    /// An object is too young, or its age is not known.
    TooYoung {
        /// The least that it may be.
        min_age: SignedDuration,
        /// What it is.
        age: Option<SignedDuration>,
    },
    /// A second look saw other versions than the first.
    Changing,
}

impl fmt::Display for Shut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMarker(marker) => write!(f, "its marker `{marker}` does not exist"),
            Self::TooYoung { min_age, age: Some(age) } => write!(f, "its youngest object is {age:#} old, less than {min_age:#}"),
            Self::TooYoung { min_age, age: None } => write!(f, "an object tells no time, so it may be younger than {min_age:#}"),
            Self::Changing => f.write_str("it changed between two listings"),
        }
    }
}

/// What a listing has shown.
#[derive(Clone, Debug)]
pub struct Look {
    marker: Option<Key>,
    has_marker: bool,
    youngest: Option<Timestamp>,
    has_timeless: bool,
    versions: blake3::Hasher,
}

impl Look {
    /// A look that has seen nothing yet.
    pub fn begin(gate: &Gate) -> Self {
        let versions = blake3::Hasher::new();
        Self { marker: gate.marker.clone(), has_marker: false, youngest: None, has_timeless: false, versions }
    }

    /// Sees an object, in the order of the listing. Of one that takes no part in the job only whether it is the marker counts.
    pub fn see(&mut self, entry: &Entry, part: Part) {
        self.has_marker |= self.marker.as_ref() == Some(&entry.key);
        if part == Part::None {
            return;
        }
        self.youngest = self.youngest.max(entry.modified);
        self.has_timeless |= entry.modified.is_none();
        let (key, identity) = (entry.key.as_bytes(), entry.identity.to_text());
        for field in [key, identity.as_bytes(), &entry.size.to_le_bytes()] {
            // The length stands before each field, so that no two lists of versions are one text.
            self.versions.update(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_le_bytes());
            self.versions.update(field);
        }
    }

    /// When the youngest object was written, where any was seen.
    pub fn youngest(&self) -> Option<Timestamp> {
        self.youngest
    }

    /// Whether both have seen the same versions of the same objects.
    pub fn is_same(&self, other: &Self) -> bool {
        self.versions.finalize() == other.versions.finalize()
    }
}

/// Whether an object takes part in a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It may be copied.
    Some,
    /// The filters hide its key.
    None,
}

impl Gate {
    /// Whether a whole look, begun at `now`, finds everything that must hold.
    ///
    /// # Errors
    /// The first that does not.
    pub fn judge(&self, look: &Look, now: Timestamp) -> Result<(), Shut> {
        if let Some(marker) = self.marker.as_ref().filter(|_| !look.has_marker) {
            return Err(Shut::NoMarker(marker.clone()));
        }
        let Some(min_age) = self.min_age else { return Ok(()) };
        let age = look.youngest.map(|youngest| youngest.duration_until(now));
        match (look.has_timeless, age) {
            (true, _) => Err(Shut::TooYoung { min_age, age: None }),
            (false, Some(age)) if age < min_age => Err(Shut::TooYoung { min_age, age: Some(age) }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    const NOW: &str = "2026-11-20T03:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().expect("a time")
    }

    fn entry(key: &str, version: &str, seconds_old: i64) -> Entry {
        let modified = Some(now() - SignedDuration::from_secs(seconds_old));
        Entry { modified, ..Entry::new(Key::from(key), 1, Identity::etag(version)) }
    }

    fn look(gate: &Gate, entries: &[Entry]) -> Look {
        let mut look = Look::begin(gate);
        entries.iter().for_each(|entry| look.see(entry, Part::Some));
        look
    }

    fn gate(marker: Option<&str>, min_age: Option<i64>) -> Gate {
        Gate { marker: marker.map(Key::from), min_age: min_age.map(SignedDuration::from_secs) }
    }

    #[test]
    fn all_that_is_asked_must_hold() {
        let entries = [entry("a", "1", 100), entry("b/done", "1", 60)];
        for (marker, min_age, is_open) in [
            (None, None, true),
            (Some("b/done"), None, true),
            (Some("b"), None, false),
            (Some("b/done"), Some(60), true),
            (Some("b/done"), Some(61), false),
            (Some("c"), Some(1), false),
        ] {
            let gate = gate(marker, min_age);
            assert_eq!(gate.judge(&look(&gate, &entries), now()).is_ok(), is_open, "{gate:?}");
        }
    }

    #[test]
    fn what_is_not_known_keeps_it_shut() {
        let gate = gate(None, Some(10));
        let timeless = Entry { modified: None, ..entry("b", "1", 0) };
        assert_eq!(
            gate.judge(&look(&gate, &[entry("a", "1", 100), timeless]), now()),
            Err(Shut::TooYoung { min_age: SignedDuration::from_secs(10), age: None })
        );
        assert!(gate.judge(&look(&gate, &[entry("a", "1", -5)]), now()).is_err(), "one that comes from ahead of our clock is young");
        assert_eq!(gate.judge(&look(&gate, &[]), now()), Ok(()), "where there is nothing, nothing is half written");
    }

    #[test]
    fn what_takes_no_part_counts_as_a_marker_only() {
        let gate = gate(Some("done"), Some(10));
        let mut seen = look(&gate, &[entry("a", "1", 100)]);
        let before = seen.clone();
        seen.see(&entry("done", "1", 0), Part::None);
        assert_eq!((gate.judge(&seen, now()), seen.is_same(&before)), (Ok(()), true));
        assert_eq!(gate.judge(&before, now()), Err(Shut::NoMarker(Key::from("done"))));
    }

    #[test]
    fn any_other_version_key_or_size_is_a_change() {
        let gate = Gate::default();
        let base = look(&gate, &[entry("a", "1", 9), entry("b", "1", 9)]);
        assert!(base.is_same(&look(&gate, &[entry("a", "1", 5), entry("b", "1", 5)])), "the version counts, not its time");
        let larger = Entry { size: 2, ..entry("b", "1", 9) };
        for other in [
            vec![entry("a", "1", 9)],
            vec![entry("a", "1", 9), entry("b", "2", 9)],
            vec![entry("a", "1", 9), entry("c", "1", 9)],
            vec![entry("a", "1", 9), larger],
            vec![entry("a", "1", 9), entry("b", "1", 9), entry("c", "1", 9)],
        ] {
            assert!(!base.is_same(&look(&gate, &other)), "{other:?}");
        }
    }
}
