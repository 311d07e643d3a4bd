//! What must happen to a key.

use serde::Serialize;

use crate::compare::{DifferBy, SameBy};
use crate::{Entry, ErrorKind, Identity, Key, Known};

/// The plan for one key. Each key of either listing gets exactly one.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Copy it.
    Copy {
        /// What is copied.
        source: Entry,
        /// The version in the target that it replaces; `None` where the target has none.
        replaces: Option<Identity>,
        /// Why.
        reason: CopyReason,
    },
    /// The target has it already.
    Keep {
        /// The source's object.
        source: Entry,
        /// The target's object.
        target: Entry,
        /// How this is known; `None` where nobody looked (`--ignore-existing`).
        same: Option<SameBy>,
    },
    /// The listings do not decide it: digests are fetched, then it becomes one of the others.
    Ask {
        /// The source's object.
        source: Entry,
        /// The target's object.
        target: Entry,
        /// What earlier runs left of the key.
        known: Option<Box<Known>>,
    },
    /// Only the target has it, and it stays.
    Leave {
        /// The target's object.
        target: Entry,
    },
    /// Only the target has it, and it goes, if the run is clean and the guards hold.
    Remove {
        /// The target's object.
        target: Entry,
    },
    /// It cannot be copied, and that is known before a request is made.
    Refuse {
        /// The source's object.
        source: Entry,
        /// Why, for programs.
        kind: ErrorKind,
        /// Why, for people.
        message: String,
    },
}

/// Why an object is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyReason {
    /// The target has no such key.
    Missing,
    /// The target's object differs.
    Different(DifferBy),
}

impl CopyReason {
    /// The word that plans and events use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Different(DifferBy::Size) => "size differs",
            Self::Different(DifferBy::Digest(_)) => "content differs",
            Self::Different(DifferBy::Newer) => "source is newer",
            Self::Different(DifferBy::Changed) => "changed since it was last the same",
            Self::Different(DifferBy::Unproven) => "cannot be compared",
        }
    }
}

impl Action {
    /// The source's object, where this is about one.
    pub fn source(&self) -> Option<&Entry> {
        match self {
            Self::Copy { source, .. } | Self::Keep { source, .. } | Self::Ask { source, .. } | Self::Refuse { source, .. } => Some(source),
            Self::Leave { .. } | Self::Remove { .. } => None,
        }
    }

    /// The key that this is about.
    pub fn key(&self) -> &Key {
        match self {
            Self::Copy { source, .. } | Self::Keep { source, .. } | Self::Ask { source, .. } | Self::Refuse { source, .. } => &source.key,
            Self::Leave { target } | Self::Remove { target } => &target.key,
        }
    }
}
