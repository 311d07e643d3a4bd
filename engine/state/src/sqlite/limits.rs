//! Limits of the journal: each with a name, a unit and where it comes from.

use std::time::Duration;

/// Notes that wait for the writer; one more waits with its sender. About 1 MiB, and most of a second of small objects at the rate of one machine.
pub(crate) const QUEUE_NOTES_MAX: usize = 4_096;

/// Batches that wait for the writer or are being written: each is as large as hundreds of notes.
pub(crate) const QUEUE_BATCHES_MAX: usize = 16;

/// From this many waiting notes on the writer is called before its window ends, so that no sender waits for the clock.
pub(crate) const QUEUE_NOTES_CALL: usize = QUEUE_NOTES_MAX / 2;

/// Commands that the writer takes out of the queue at once.
pub(crate) const QUEUE_NOTES_TAKEN: usize = QUEUE_NOTES_MAX / 4;

/// How long the first uncommitted note waits for others. It is also what a kill or a power loss can take. Ten commits a second
/// are few for any disk that can sync, and a tenth of a second of work is quickly repeated.
pub(crate) const COMMIT_WINDOW: Duration = Duration::from_millis(100);

/// Rows of one transaction. A flood is committed in pieces, so that an uncommitted part never outgrows the page cache.
pub(crate) const COMMIT_ROWS_MAX: usize = 4_096;

/// Pages that SQLite keeps in memory for the writer, in KiB.
pub(crate) const CACHE_KIB: u32 = 2_048;

/// Pages and sort runs that SQLite keeps in memory for a reader of changes, in KiB; the rest of a sort lies in a temporary file.
pub(crate) const SORT_CACHE_KIB: u32 = 8_192;

/// A page of the file, in bytes: twice SQLite's default halves the calls into the kernel, and a flush of one note still writes little.
pub(crate) const PAGE_BYTES: u32 = 8_192;

/// Pages that gather in the WAL before they are moved into the file: 4 MiB, as with SQLite's defaults.
pub(crate) const WAL_PAGES_MAX: u32 = 512;

/// What a WAL file keeps for reuse after it was moved, in bytes: four times the usual; only a reader that stays makes it longer.
pub(crate) const WAL_BYTES_KEPT: u32 = 16 << 20;

/// How long a statement waits for another program that holds a lock (a `sqlite3` shell that writes), in milliseconds.
pub(crate) const BUSY_MS_MAX: u64 = 5_000;

/// Free space inside the file from which giving it back is worth a rewrite, in bytes.
pub(crate) const SHRINK_BYTES_MIN: u64 = 16 << 20;

/// Runs that the journal remembers. The history of a job is kept elsewhere.
pub(crate) const RUNS_KEPT: i64 = 1_000;

/// Numbers of rows and uploads from which on they are not believed: nobody counts that far, so counting on cannot overflow.
pub(crate) const ROW_MAX: i64 = 1 << 48;

/// Changes that a reader hands over at once.
pub(crate) const CHANGES_BATCH: usize = 256;

/// Batches of changes that wait for whoever folds them.
pub(crate) const CHANGES_BATCHES_WAITING: usize = 4;
