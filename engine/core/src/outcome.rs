//! What did happen to a key.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::compare::DifferBy;
use crate::{Algorithm, Digests, ErrorKind, Identity, Key};

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

    /// The one text form that files keep: `transport`, `stored:ALGORITHM`, `content:ALGORITHM`.
    pub fn to_text(self) -> String {
        let mut text = String::new();
        self.write_text(&mut text);
        text
    }

    /// Appends [`Proof::to_text`] to `text`: for whoever writes many, and keeps the buffer.
    pub fn write_text(self, text: &mut String) {
        let (kind, algorithm) = match self {
            Self::Transport => ("transport", None),
            Self::Stored(algorithm) => ("stored:", Some(algorithm)),
            Self::Content(algorithm) => ("content:", Some(algorithm)),
        };
        text.push_str(kind);
        text.push_str(algorithm.map_or("", Algorithm::name));
    }

    /// Reads what [`Proof::to_text`] writes, and nothing else.
    pub fn from_text(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "transport" => Some(Self::Transport),
            Some(("stored", name)) => Algorithm::from_name(name).map(Self::Stored),
            Some(("content", name)) => Algorithm::from_name(name).map(Self::Content),
            _ => None,
        }
    }
}

/// Which way the bytes of a copy went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Through this machine.
    #[default]
    Streamed,
    /// Inside the provider.
    ServerSide,
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
        /// What the next run should know of the pair; `None` where it is known already, or where nobody looked.
        news: Option<Box<Pair>>,
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
    /// Which way its bytes went.
    pub way: Way,
    /// Whether what was read, or what the provider copied, was compared with what the source stores.
    pub source_proof: Option<Algorithm>,
    /// Metadata that the target cannot carry, by name.
    pub dropped: Vec<String>,
    /// Size in bytes of the version that was read.
    pub size: u64,
    /// Digests of the bytes that passed.
    pub digests: Digests,
    /// When the version that was read was written.
    pub source_modified: Option<Timestamp>,
}

/// What is worth knowing of two versions that were found to be the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The target's version.
    pub target: Identity,
    /// Size of both in bytes.
    pub size: u64,
    /// Digests of the content, as far as they are known.
    pub digests: Digests,
    /// When the source's version was written.
    pub source_modified: Option<Timestamp>,
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
            DifferBy::Digest(_) | DifferBy::Newer | DifferBy::Changed => Self::Content,
            DifferBy::Unproven => Self::Unproven,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_proof_has_a_text_of_its_own_that_leads_back() {
        let of_digests = Algorithm::ALL.into_iter().flat_map(|algorithm| [Proof::Stored(algorithm), Proof::Content(algorithm)]);
        let proofs: Vec<Proof> = of_digests.chain([Proof::Transport]).collect();
        let texts: BTreeSet<String> = proofs.iter().map(|proof| proof.to_text()).collect();
        assert_eq!(texts.len(), proofs.len());
        for proof in proofs {
            assert_eq!(Proof::from_text(&proof.to_text()), Some(proof));
        }
        assert_eq!(Proof::Stored(Algorithm::Crc32c).to_text(), "stored:crc32c");
    }

    #[test]
    fn other_texts_are_no_proof() {
        for foreign in ["", "transport:", "Transport", "stored", "stored:", "stored:crc", "content:MD5", "stored:crc32c:"] {
            assert_eq!(Proof::from_text(foreign), None, "{foreign}");
        }
    }
}
