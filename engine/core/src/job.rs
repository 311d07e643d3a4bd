//! What the user wants: the job, as far as the engine needs to know it.

use std::time::Duration;

use serde::Serialize;

use crate::compare::CompareMode;
use crate::diff::Existing;
use crate::filter::Filter;
use crate::limits::{ATTEMPTS_DEFAULT, PART_BYTES_DEFAULT};

/// What a run does with what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Copies what is missing or different.
    Copy,
    /// As copy; with deletes allowed it also removes from the target what the source lacks.
    Sync,
    /// As copy; then deletes the originals.
    Migrate,
    /// Compares.
    Check,
}

/// Whether the run changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does the work.
    Real,
    /// `plan`, `--dry-run`: it only says what it would do.
    Dry,
}

/// `--verify`: the weakest proof that counts as a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// The connection's own checks suffice.
    Transport,
    /// A digest that the target computed; where it keeps none, the object is read back.
    #[default]
    Stored,
    /// Every object is read back.
    Content,
}

/// `--server-side`: whether a provider may copy inside itself, where both ends are one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerSide {
    /// Where the endpoint can do it under the same conditions as a write and the copy can be proven; else bytes pass through here.
    #[default]
    Auto,
    /// Only so: an object that cannot be copied and proven inside the provider fails.
    Always,
    /// Never: bytes always pass through here.
    Never,
}

/// Guards of deletes. All or nothing: counted before the first delete.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeleteGuards {
    /// `--max-delete`: most deletes of any kind.
    pub deletes_max: Option<u64>,
    /// `--max-delete-percent`: most deletes of the target, of what its listing holds.
    pub target_percent_max: f64,
    /// `--delete-unconditional`: whether originals may be deleted where the endpoint ignores conditions.
    pub unconditional: Unconditional,
}

/// Whether a delete may go without a condition that the endpoint honours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unconditional {
    /// Refused before anything is copied.
    Refuse,
    /// Allowed, each batch preceded by a fresh look at the same identities.
    Allow,
}

/// `--metadata`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetadataPolicy {
    /// Everything that the target can carry.
    #[default]
    All,
    /// None: bytes only.
    None,
}

/// Everything that decides what a run does; where it does it stands beside.
#[derive(Clone, Debug)]
pub struct Job {
    /// Copy, sync, migrate or check.
    pub mode: Mode,
    /// Real or dry.
    pub effect: Effect,
    /// `sync --delete`.
    pub delete_extra: bool,
    /// Which keys take part.
    pub filter: Filter,
    /// `--order-last`: keys that are copied after all others, and only where those were all done.
    pub order_last: Option<Filter>,
    /// Whether excluded keys of the target are deleted too: `--delete-excluded`.
    pub delete_excluded: bool,
    /// How equal keys are compared.
    pub compare: CompareMode,
    /// `--ignore-existing`, `--immutable`.
    pub existing: Existing,
    /// `check --one-way`: what only the target has is no difference.
    pub one_way: bool,
    /// `check --content`: both sides are read.
    pub content: bool,
    /// The weakest proof.
    pub verify: Verify,
    /// Guards of deletes.
    pub guards: DeleteGuards,
    /// Most failed objects before the run stops.
    pub errors_max: Option<u64>,
    /// Wished part size in bytes.
    pub part_bytes: u64,
    /// The byte budget: object bytes held at once.
    pub memory_bytes: u64,
    /// Small objects under way at once. Each is a read and then a write, so twice the requests at once keep both ends busy.
    pub concurrency: usize,
    /// What is carried.
    pub metadata: MetadataPolicy,
    /// `--set-metadata`.
    pub set_metadata: Vec<(String, String)>,
    /// `--storage-class`.
    pub storage_class: Option<String>,
    /// `--server-side`.
    pub server_side: ServerSide,
    /// `--preserve-etag`: copies are cut as their originals are, so that both have the same ETag.
    pub preserve_etag: bool,
}

/// How requests are tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequestPolicy {
    /// Attempts of one request.
    pub attempts_max: u32,
    /// Requests at once.
    pub concurrency: usize,
    /// Requests in a second.
    pub requests_per_second: Option<f64>,
    /// Body bytes in a second.
    pub bytes_per_second: Option<u64>,
    /// No byte for so long ends an attempt.
    pub stall_timeout: Duration,
}

impl Default for RequestPolicy {
    fn default() -> Self {
        Self {
            attempts_max: ATTEMPTS_DEFAULT,
            concurrency: 64,
            requests_per_second: None,
            bytes_per_second: None,
            stall_timeout: Duration::from_secs(30),
        }
    }
}

impl Job {
    /// A plain copy of everything with the defaults of the command line.
    pub fn copy(filter: Filter) -> Self {
        Self {
            mode: Mode::Copy,
            effect: Effect::Real,
            delete_extra: false,
            filter,
            order_last: None,
            delete_excluded: false,
            compare: CompareMode::Auto,
            existing: Existing::Replace,
            one_way: false,
            content: false,
            verify: Verify::Stored,
            guards: DeleteGuards { deletes_max: None, target_percent_max: 50.0, unconditional: Unconditional::Refuse },
            errors_max: None,
            part_bytes: PART_BYTES_DEFAULT,
            memory_bytes: 256 << 20,
            concurrency: 64,
            metadata: MetadataPolicy::All,
            set_metadata: Vec::new(),
            storage_class: None,
            server_side: ServerSide::Auto,
            preserve_etag: false,
        }
    }
}
