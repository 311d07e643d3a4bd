//! What did happen to a key.

use serde::{Deserialize, Serialize};

use crate::compare::DifferBy;
use crate::{Algorithm, ErrorKind, Identity, Key};

/// How an object is known to have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// The connection's own checks and the length; the target named nothing to compare with.
    Transport,
    /// The target computed this digest over what it stored, and it equals the digest of the bytes read.
    Stored(Algorithm),
    /// The target's object was read back, and the digest of what came equals that of the bytes read.
    Content(Algorithm),
}

impl Proof {
    /// Whether an original may be deleted on the strength of this.
    pub fn allows_delete(self) -> bool {
        !matches!(self, Self::Transport)
    }
}

/// The outcome of one key. Each listed key has exactly one (p09).
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The key.
    pub key: Key,
    /// Size in bytes, as listed.
    pub size: u64,
    /// What happened.
    pub result: Done,
}

/// What happened to a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// Copied and proven.
    Copied(Copied),
    /// The target had it.
    Kept {
        /// The version of the source that was compared.
        source: Identity,
        /// Whether contents were compared.
        proof: Option<Proof>,
    },
    /// Left alone on purpose or because it cannot be copied.
    Skipped(Failure),
    /// It should have been copied, and was not.
    Failed(Failure),
    /// The run ended before this key was decided.
    Unknown,
    /// Only in the target, and left there.
    Left,
    /// Only in the target, and to be deleted after a clean run.
    Doomed {
        /// The version that was listed, and the only one that may be deleted.
        target: Identity,
    },
    /// `check`: a difference.
    Differs {
        /// Which.
        kind: DifferenceKind,
        /// For people.
        message: String,
    },
    /// `plan`: what would happen.
    Planned {
        /// In one word.
        what: Planned,
        /// Why.
        why: &'static str,
    },
}

/// The facts of one copy.
#[derive(Clone, Debug, PartialEq)]
pub struct Copied {
    /// The version that was read.
    pub source: Identity,
    /// The version that was written, where the target names it.
    pub target: Option<Identity>,
    /// How it is known to be whole.
    pub proof: Proof,
    /// Whether what was read was compared with what the source stores.
    pub source_proof: Option<Algorithm>,
    /// Metadata that the target cannot carry, by name.
    pub dropped: Vec<String>,
}

/// Why a key was not copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For programs.
    pub kind: ErrorKind,
    /// For people: one sentence with its cause.
    pub message: String,
}

/// What a plan says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Planned {
    /// It would be copied.
    Copy,
    /// It would be kept.
    Keep,
    /// It would be deleted from the target.
    DeleteTarget,
}

/// How source and target differ, for `check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// The target has no such key.
    MissingInTarget,
    /// The source has no such key.
    MissingInSource,
    /// Sizes differ.
    Size,
    /// Contents differ.
    Content,
    /// Headers or user metadata differ.
    Metadata,
    /// Nothing to compare by.
    Unproven,
}

impl DifferenceKind {
    /// The word that reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::MissingInTarget => "missing_in_target",
            Self::MissingInSource => "missing_in_source",
            Self::Size => "size",
            Self::Content => "content",
            Self::Metadata => "metadata",
            Self::Unproven => "unproven",
        }
    }
}

impl From<DifferBy> for DifferenceKind {
    fn from(by: DifferBy) -> Self {
        match by {
            DifferBy::Size => Self::Size,
            DifferBy::Digest(_) | DifferBy::Newer => Self::Content,
            DifferBy::Unproven => Self::Unproven,
        }
    }
}
