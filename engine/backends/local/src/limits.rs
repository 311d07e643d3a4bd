//! Limits of this backend: each with a name, a unit and where it comes from.

use brigade_core::limits::{GIB, MIB};

/// Threads of one disk lane. A solid-state disk serves several requests at once; more threads than this only wait in line.
pub(crate) const DISK_THREADS: usize = 8;

/// Jobs given to one disk lane and not finished. A caller above this waits without a thread.
pub(crate) const DISK_JOBS_MAX: usize = 64;

/// Bytes of one chunk of a read: large enough to make system calls cheap, small enough to be digested while in the cache.
pub(crate) const READ_CHUNK_BYTES: usize = 256 * 1024;

/// Bytes of the smallest part. A file has no such limit; smaller parts only cost more calls.
pub(crate) const PART_BYTES_MIN: u64 = MIB;

/// Bytes of the largest part: as the buckets', so that a plan for a file fits a bucket too.
pub(crate) const PART_BYTES_MAX: u64 = 5 * GIB;

/// Parts of one upload: the ledger beside the partial file has one short line for each.
pub(crate) const PARTS_MAX: u32 = 1_000_000;

/// Bytes of the largest file that is written in one call.
pub(crate) const PUT_BYTES_MAX: u64 = 5 * GIB;

/// Bytes of the largest file: file offsets are signed 64-bit numbers.
pub(crate) const FILE_BYTES_MAX: u64 = u64::MAX / 2;

/// Bytes of the longest file name (Linux `NAME_MAX`).
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// Bytes of the largest ledger that is read back: for each of [`PARTS_MAX`] parts two lines of together at most 64
/// bytes, sent twice.
pub(crate) const LEDGER_BYTES_MAX: u64 = 128 * MIB;
