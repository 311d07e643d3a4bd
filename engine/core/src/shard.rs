//! A shard: the key range that is listed and handed out as one, and how the keyspace is divided into such.

mod alphabet;
pub mod division;
mod point;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::Key;

pub use division::{Division, DivisionLimits, GoesOn, Marks};

/// Keys greater than `after` and not greater than `through`, in byte order; an absent border is open.
///
/// Both borders are keys that may exist: S3's `start-after` is exclusive, and the successor of a key (`key + "\0"`) is not
/// always a name that a store accepts, so no border is ever computed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// Exclusive lower border.
    pub after: Option<Key>,
    /// Inclusive upper border.
    pub through: Option<Key>,
}

impl KeyRange {
    /// Every key.
    pub fn all() -> Self {
        Self::default()
    }

    /// Whether the key lies in the range.
    pub fn contains(&self, key: &Key) -> bool {
        self.after.as_ref().is_none_or(|after| key > after) && !self.is_past(key)
    }

    /// Whether the key lies beyond the upper border, so that a sorted listing can stop.
    pub fn is_past(&self, key: &Key) -> bool {
        self.through.as_ref().is_some_and(|through| key > through)
    }
}

/// One key range of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Number within the run, from 0.
    pub id: u32,
    /// What it covers.
    pub range: KeyRange,
}
