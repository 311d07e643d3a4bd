//! A shard: the key range that is listed, resumed and handed out as one.

use serde::{Deserialize, Serialize};

use crate::Key;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_are_exclusive_below_and_inclusive_above() {
        let range = KeyRange { after: Some(Key::from("b")), through: Some(Key::from("d")) };
        let inside: Vec<bool> = ["a", "b", "b\0", "c", "d", "d\0"].iter().map(|key| range.contains(&Key::from(*key))).collect();
        assert_eq!(inside, [false, false, true, true, true, false]);
        assert!(KeyRange::all().contains(&Key::from("")));
    }
}
