//! Capacities of the pipeline, each with its reason.

use std::time::Duration;

/// Listing pages of one side of a shard that wait for the join or are asked for, beside the one that is being joined. A page of
/// 1,000 entries takes about 300 KiB, and there are two sides to each of [`RUNNERS_MAX`] shards.
pub const PAGES_WAITING_MAX: usize = 1;

/// Shards that are listed at once, at most: with a latency of 50 ms their pages keep one core busy.
pub const RUNNERS_MAX: usize = 48;

/// Memory that a shard holds while it is listed, in bytes: two pages and the body of one on each side, and the pages of its
/// baseline come to about 3 MiB, and freed memory stays with the process for a while. Shards are as many as would fit into what
/// the run always has of the byte budget, though bodies have that for themselves.
pub const RUNNER_BYTES: u64 = 5 << 20;

/// Shards that are listed at once even where pages come without any latency, and under the smallest budget: as many keep two
/// cores busy.
pub const RUNNERS_MIN: usize = 4;

/// What a page of 1,000 entries costs the CPU, decoded and joined, roughly. Where a page takes so many times that to come, so many
/// listings hide it.
pub const PAGE_CPU_TIME: Duration = Duration::from_millis(1);

/// Actions that wait for a worker: enough that a page of 1,000 never stalls the join for long, few enough that a listing of
/// any length needs no memory (about 400 bytes each).
pub const ACTIONS_WAITING_MAX: usize = 1_024;

/// Outcomes that the join holds before it records them together: what costs a lock and a look at the clock then costs it once.
pub const OUTCOMES_HELD_MAX: usize = 256;

/// Large objects that are under way at once: more would only split the same byte budget into thinner slices.
pub const LARGE_OBJECTS_MAX: usize = 8;

/// Parts of one large object that are under way at once.
pub const PARTS_AT_ONCE_MAX: usize = 16;

/// Parts of all large objects together that are under way at first: with the default part size 32 MiB, which keeps two cores busy.
/// More are tried as long as they bring more.
pub const PARTS_START: usize = 4;

/// Part size of an object that its provider copies in parts, in bytes. No byte of it is held here, so parts may be large: 5 TiB take
/// 20,480 of these, which is why the size grows from 2.5 TiB on; small enough that sixteen at once keep a 5 GiB object busy.
pub const COPIED_PART_BYTES: u64 = 256 << 20;

/// Delete calls that are under way at once.
pub const DELETES_AT_ONCE_MAX: usize = 4;

/// How often an object whose digests disagree is copied before it fails: the first try and one more.
pub const CORRUPT_TRIES_MAX: u32 = 2;

/// Originals that must have been known before their absence says anything: of fewer, half may well go in a day.
pub const SHRUNKEN_KNOWN_MIN: u64 = 10;

/// How often a copy is read back before it counts as wrong.
pub const READS_BACK_MAX: u32 = 2;

/// Smallest claim on the byte budget, in bytes: what an object costs beside its body.
pub const CLAIM_BYTES_MIN: u64 = 4_096;

/// Outcomes between two notes of how far a shard has come: about one a listing page.
pub const CURSOR_OUTCOMES: u64 = 1_000;

/// The same where outcomes are slow to come: often enough for somebody who watches.
pub const CURSOR_TIME: Duration = Duration::from_secs(1);

/// Uploads of earlier runs that can be gone on with: far more than a run has open at once; about 300 bytes each.
pub const UPLOADS_RESUMED_MAX: usize = 10_000;

/// Keys of the quarantine that are held by name, about 10 MiB; where there are more, every key counts as one of them.
pub const SUSPECTS_MAX: usize = 100_000;

/// Keys of the quarantine that are tried before the listings begin; the others are tried when the listings come to them.
pub const RETRIED_FIRST_MAX: usize = 1_000;

/// Keys that wait until all others are done (`--order-last`): up to some 20 MiB with the longest keys. Those beyond are left to the
/// next run, which finds the others done.
pub const LAST_MAX: usize = 16_384;

/// Rows of the originals that an approved delete plan is compared with at once.
pub const APPROVED_ROWS_MAX: usize = 1_000;

/// Rows read from the journal at once when the report is written.
pub const REPORT_ROWS_MAX: usize = 1_000;
