//! Capacities of the pipeline, each with its reason.

/// Listing pages that wait for the diff, on each side: one being joined, one arriving.
pub const PAGES_WAITING_MAX: usize = 2;

/// Actions that wait for a worker: enough that a page of 1,000 never stalls the join for long, few enough that a listing of
/// any length needs no memory (about 400 bytes each).
pub const ACTIONS_WAITING_MAX: usize = 1_024;

/// Outcomes that wait to be recorded.
pub const OUTCOMES_WAITING_MAX: usize = 1_024;

/// Large objects that are under way at once: more would only split the same byte budget into thinner slices.
pub const LARGE_OBJECTS_MAX: usize = 8;

/// Parts of one large object that are under way at once.
pub const PARTS_AT_ONCE_MAX: usize = 16;

/// Delete calls that are under way at once.
pub const DELETES_AT_ONCE_MAX: usize = 4;

/// How often an object whose digests disagree is copied before it fails: the first try and one more.
pub const CORRUPT_TRIES_MAX: u32 = 2;

/// Smallest claim on the byte budget, in bytes: what an object costs beside its body.
pub const CLAIM_BYTES_MIN: u64 = 4_096;

/// Rows read from the ledger at once when the report is written.
pub const REPORT_ROWS_MAX: usize = 1_000;
