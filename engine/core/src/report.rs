//! The report: every outcome folded into one page, with books that must balance.
//!
//! Its shape is `brigade.report/1`, a contract. Failures are not kept here: there may be millions, and they live in the
//! ledger until the report is written.

use serde::{Deserialize, Serialize};

use crate::outcome::{Done, Outcome, Proof, Way};

/// Name and version of the report's shape.
pub const SCHEMA: &str = "brigade.report/1";

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// As promised, exit code 0.
    Done,
    /// Finished, but some objects failed, were skipped or differ: exit code 1.
    Partial,
    /// A guard or a rule refused: exit code 2, nothing was deleted.
    Refused,
    /// Stopped by a signal: exit code 130.
    Interrupted,
    /// Could not run to its end: exit code 2, nothing was deleted.
    Failed,
}

impl RunOutcome {
    /// The process exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Partial => 1,
            Self::Refused | Self::Failed => 2,
            Self::Interrupted => 130,
        }
    }
}

/// Objects by what happened to them. `listed` counts keys of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectCounts {
    /// Keys of the source that the filters let through.
    pub listed: u64,
    /// Copied and proven (`plan`: would be copied).
    pub copied: u64,
    /// The target had them already (`check`: equal).
    pub kept: u64,
    /// Originals deleted.
    pub deleted_source: u64,
    /// Objects of the target deleted (`plan`: would be deleted).
    pub deleted_target: u64,
    /// Skipped, each with a reason.
    pub skipped: u64,
    /// Failed, each with a reason (`check`: they differ).
    pub failed: u64,
    /// Listed but not decided before the run ended.
    pub unknown: u64,
}

impl ObjectCounts {
    /// Whether every listed key is accounted for exactly once (p09).
    pub fn balances(&self) -> bool {
        self.listed == self.copied + self.kept + self.skipped + self.failed + self.unknown
    }
}

/// Bytes by what happened to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteCounts {
    /// Sum of the listed sizes of the source.
    pub listed: u64,
    /// Sum of the sizes of copied objects.
    pub copied: u64,
    /// Body bytes received.
    pub read: u64,
    /// Body bytes sent.
    pub written: u64,
    /// Bytes copied by the provider itself.
    pub server_side: u64,
    /// Body bytes sent again after a failed attempt.
    pub repeated: u64,
}

/// Copied objects by how they are proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofCounts {
    /// Read back.
    pub content: u64,
    /// By a digest that the target computed.
    pub stored: u64,
    /// By the connection only.
    pub transport: u64,
}

/// Requests by what they wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCounts {
    /// Listing pages.
    pub list: u64,
    /// HEADs.
    pub head: u64,
    /// GETs.
    pub get: u64,
    /// Whole-object PUTs.
    pub put: u64,
    /// Part uploads.
    pub part: u64,
    /// Delete calls.
    pub delete: u64,
    /// The rest.
    pub other: u64,
    /// Attempts after the first.
    pub retried: u64,
    /// Answers that asked to slow down.
    pub throttled: u64,
}

/// High-water marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peaks {
    /// Resident memory of the process.
    pub memory_bytes: u64,
    /// Bytes under the byte budget.
    pub in_flight_bytes: u64,
    /// Requests at once, both sides.
    pub requests_in_flight: u64,
}

/// The sums of a run, without its failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Objects.
    pub objects: ObjectCounts,
    /// Bytes.
    pub bytes: ByteCounts,
    /// Proofs.
    pub proof: ProofCounts,
    /// Requests.
    pub requests: RequestCounts,
    /// Peaks.
    pub peak: Peaks,
}

impl Totals {
    /// Adds the objects, bytes and proofs of another part of the run. Requests and peaks are counted once for a whole run.
    pub fn merge(&mut self, other: &Self) {
        let (to, from) = (&mut self.objects, &other.objects);
        to.listed += from.listed;
        to.copied += from.copied;
        to.kept += from.kept;
        to.deleted_source += from.deleted_source;
        to.deleted_target += from.deleted_target;
        to.skipped += from.skipped;
        to.failed += from.failed;
        to.unknown += from.unknown;
        self.bytes.listed += other.bytes.listed;
        self.bytes.copied += other.bytes.copied;
        self.bytes.server_side += other.bytes.server_side;
        self.proof.content += other.proof.content;
        self.proof.stored += other.proof.stored;
        self.proof.transport += other.proof.transport;
    }

    /// Adds one outcome.
    pub fn add(&mut self, outcome: &Outcome) {
        use crate::outcome::{DifferenceKind, Planned};
        let size = outcome.size;
        let objects = &mut self.objects;
        let of_source = match &outcome.result {
            Done::Left | Done::Doomed { .. } => false,
            Done::Differs { kind, .. } => *kind != DifferenceKind::MissingInSource,
            Done::Planned { what, .. } => *what != Planned::DeleteTarget,
            _ => true,
        };
        if of_source {
            objects.listed += 1;
            self.bytes.listed += size;
        }
        match &outcome.result {
            Done::Copied(copied) => {
                objects.copied += 1;
                self.bytes.copied += size;
                self.bytes.server_side += if copied.way == Way::ServerSide { size } else { 0 };
                self.proof.count(copied.proof);
            }
            Done::Planned { what: Planned::Copy, .. } => {
                objects.copied += 1;
                self.bytes.copied += size;
            }
            Done::Kept { .. } | Done::Planned { what: Planned::Keep, .. } => objects.kept += 1,
            Done::Planned { what: Planned::DeleteTarget, .. } => objects.deleted_target += 1,
            Done::Skipped(_) => objects.skipped += 1,
            Done::Failed(_) => objects.failed += 1,
            Done::Differs { kind, .. } if *kind != DifferenceKind::MissingInSource => objects.failed += 1,
            Done::Unknown => objects.unknown += 1,
            Done::Differs { .. } | Done::Left | Done::Doomed { .. } => {}
        }
    }
}

impl ProofCounts {
    fn count(&mut self, proof: Proof) {
        match proof {
            Proof::Content(_) => self.content += 1,
            Proof::Stored(_) => self.stored += 1,
            Proof::Transport => self.transport += 1,
        }
    }
}

/// Everything of the report but its failures, in the order of the contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportHead {
    /// [`SCHEMA`].
    pub schema: String,
    /// The run's ULID.
    pub run: String,
    /// The command's name.
    pub command: String,
    /// As given, named stores resolved.
    pub source: String,
    /// As given; empty for commands with one location.
    pub target: String,
    /// The engine's version.
    pub version: String,
    /// RFC 3339.
    pub started: String,
    /// RFC 3339.
    pub finished: String,
    /// The run that this one resumed.
    pub resumed_from: Option<String>,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The sums.
    #[serde(flatten)]
    pub totals: Totals,
}

/// One key that failed, was skipped or differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRecord {
    /// The key; bytes that are no UTF-8 escaped.
    pub key: String,
    /// `failed`, `skipped` or `differs`.
    pub status: FailureStatus,
    /// An error kind or a difference kind.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Why a key stands among the failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureStatus {
    /// It should have been copied or deleted, and was not.
    Failed,
    /// It was left alone, with the reason.
    Skipped,
    /// Source and target differ.
    Differs,
}

impl FailureRecord {
    /// The record of an outcome, where it belongs among the failures.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let (status, kind, message, hint) = match &outcome.result {
            Done::Failed(failure) => (FailureStatus::Failed, failure.kind.name(), failure.message.clone(), failure.kind.hint()),
            Done::Skipped(failure) => (FailureStatus::Skipped, failure.kind.name(), failure.message.clone(), failure.kind.hint()),
            Done::Differs { kind, message } => (FailureStatus::Differs, kind.name(), message.clone(), difference_hint(*kind)),
            _ => return None,
        };
        Some(Self { key: outcome.key.to_string(), status, kind: kind.to_owned(), message, hint: hint.to_owned() })
    }
}

fn difference_hint(kind: crate::outcome::DifferenceKind) -> &'static str {
    use crate::outcome::DifferenceKind as D;
    match kind {
        D::MissingInTarget | D::Size => "run `brigade copy` with the same locations",
        D::Content => "`brigade copy --compare checksum` replaces the copy; where its stored digest hides the difference, remove it first",
        D::MissingInSource => "`brigade sync --delete` would remove it; `check --one-way` ignores it",
        D::Metadata => "ignore metadata with `--metadata none`",
        D::Unproven => "compare the bytes with `brigade check --content`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Failure;
    use crate::{ErrorKind, Identity, Key};

    fn outcome(result: Done) -> Outcome {
        Outcome { key: Key::from("k"), size: 7, result }
    }

    #[test]
    fn p09_the_books_balance_whatever_happened() {
        let failure = Failure { kind: ErrorKind::Denied, message: "x".into() };
        let mut totals = Totals::default();
        for result in [
            Done::Kept { source: Identity::etag("a"), proof: None, news: None },
            Done::Skipped(failure.clone()),
            Done::Failed(failure),
            Done::Unknown,
            Done::Left,
            Done::Doomed { target: Identity::etag("b") },
        ] {
            totals.add(&outcome(result));
        }
        assert!(totals.objects.balances());
        assert_eq!((totals.objects.listed, totals.bytes.listed), (4, 28));
        totals.objects.kept += 1;
        assert!(!totals.objects.balances());
    }
}
