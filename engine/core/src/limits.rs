//! Limits of the providers and of the engine itself: each with a name, a unit and where it comes from.

use std::time::Duration;

use jiff::SignedDuration;

/// Longest object name of S3 and GCS, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1024;

/// Keys of one listing page: ListObjectsV2 and the GCS JSON `objects.list` both stop at 1,000.
pub const LIST_PAGE_MAX: usize = 1_000;

/// Keys of one batch delete: S3 DeleteObjects and the GCS XML multi-object delete.
pub const DELETE_BATCH_MAX: usize = 1_000;

/// Parts of one multipart upload, S3 and the GCS XML API.
pub const PARTS_MAX: u32 = 10_000;

/// Smallest part that is not the last (S3 and GCS: 5 MiB).
pub const PART_BYTES_MIN: u64 = 5 * MIB;

/// Largest part (S3 and GCS: 5 GiB).
pub const PART_BYTES_MAX: u64 = 5 * GIB;

/// Largest object of one PUT (S3: 5 GiB).
pub const PUT_BYTES_MAX: u64 = 5 * GIB;

/// Largest S3 object: 10,000 parts of 5 GiB ("Amazon S3 multipart upload limits").
pub const S3_OBJECT_BYTES_MAX: u64 = 50_000 * GIB;

/// Largest GCS object: 5 TiB.
pub const GCS_OBJECT_BYTES_MAX: u64 = 5 * TIB;

/// Part size where nothing else asks for another: 8 MiB, the low end of the 8-16 MB that AWS advises for ranges.
pub const PART_BYTES_DEFAULT: u64 = 8 * MIB;

/// User metadata of one S3 object, names and values together.
pub const S3_METADATA_BYTES_MAX: usize = 2 * 1024;

/// Custom metadata of one GCS object.
pub const GCS_METADATA_BYTES_MAX: usize = 8 * 1024;

/// Attempts of one request before it fails.
pub const ATTEMPTS_DEFAULT: u32 = 10;

/// Longest pause between two attempts, in milliseconds.
pub const BACKOFF_MS_MAX: u64 = 20_000;

/// First pause between two attempts, in milliseconds; it doubles, with full jitter.
pub const BACKOFF_MS_FIRST: u64 = 50;

/// 2^20 bytes.
pub const MIB: u64 = 1 << 20;
/// 2^30 bytes.
pub const GIB: u64 = 1 << 30;
/// 2^40 bytes.
pub const TIB: u64 = 1 << 40;

/// Shortest period of `every`: one minute, as fine as cron is.
pub const EVERY_MIN: Duration = Duration::from_secs(60);

/// Longest period of `every`: a leap year.
pub const EVERY_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Years that are searched for a day that a cron expression names: a weekday on a fixed date may be twelve years away, around 2100.
pub const CRON_YEARS_AHEAD_MAX: i16 = 13;

/// Longest stretch of local time that a zone passes twice: a day, where a zone changed sides of the date line.
pub const FOLD_MAX: SignedDuration = SignedDuration::from_hours(24);

/// Stretches of missed occurrences that a job remembers, so that they can still fire should the clock be put back. Each is left by a
/// time down, a pause, a leap of the clock or a run that was longer than its period.
pub const HOLES_MAX: usize = 64;

/// A job that waits so long for a place among the running ones counts as one priority higher: nothing starves.
pub const PRIORITY_STEP: SignedDuration = SignedDuration::from_hours(1);

/// Groups of outstanding objects that a frontier tells apart by the time since when: a daily job fills them in a quarter.
pub const OUTSTANDING_GROUPS_MAX: usize = 96;

/// By how much the clock may stand before the last clean run began: what a clock daemon corrects without stepping.
pub const CLOCK_BEHIND_MAX: SignedDuration = SignedDuration::from_secs(60);
