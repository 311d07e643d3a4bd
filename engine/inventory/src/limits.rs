//! Limits of entries from elsewhere: each with its unit and where it comes from.

/// Names that are looked up without asking whether a listing would be cheaper: as many HEADs as one page of a listing costs.
/// S3 asks twelve times as much for a LIST as for a HEAD, and a page of 1,000 keys takes some forty times the CPU of a HEAD.
pub(crate) const LOOKS_PER_PAGE: usize = 16;

/// Most names that are looked up one by one. Where they lie so far apart that a listing has sixteen keys for each, that is a
/// listing of 1,600,000 keys; a longer list is held to describe most of a bucket.
pub(crate) const LOOKS_MAX: usize = 100_000;

/// Names of one page of looks: few enough that transfers begin soon, and enough to hide the slowest answer among them.
pub(crate) const NAMES_PER_PAGE: usize = 256;

/// HEADs at once for one page. The limiter of the endpoint bounds those of all pages together.
pub(crate) const LOOKS_AT_ONCE: usize = 64;

/// Bytes of entries that are sorted in memory at a time; together with their index some 40 MiB.
pub(crate) const SORT_BYTES: usize = 32 << 20;

/// Most bytes of one entry in a sorted file: its length has two bytes there.
pub(crate) const ENTRY_BYTES_MAX: usize = 1 << 16;

/// Runs that are merged at once. Each holds two blocks and a decompressor, some 300 KiB; 64 runs of 32 MiB are some 16 million
/// keys, and more are merged in two rounds.
pub(crate) const MERGE_RUNS_MAX: usize = 64;

/// Bytes of entries in one block of a sorted file: what a reader decodes that begins at a key.
pub(crate) const BLOCK_BYTES: usize = 64 << 10;

/// Most bytes of a block as it stands in the file: zstd adds less than a hundredth to what does not compress.
pub(crate) const BLOCK_STORED_BYTES_MAX: usize = 2 * BLOCK_BYTES;

/// Places of a sorted file that are remembered in memory. Beyond that every second one is forgotten, so that the memory does not
/// grow with the number of keys.
pub(crate) const MARKS_MAX: usize = 8_192;

/// Most bytes of a `manifest.json`: one that names 300,000 files of an inventory.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 64 << 20;

/// Bytes of one read of an inventory's file: small, for they are held beside the byte budget of the run, and a file takes longer
/// to be understood than to be fetched.
pub(crate) const FETCH_BYTES: u64 = 1 << 20;

/// Reads of one file at once: with the file that is fetched ahead 8 MiB.
pub(crate) const FETCHES_AT_ONCE: usize = 4;

/// Files that are fetched while one is being sorted.
pub(crate) const FILES_AHEAD: usize = 1;

/// Rows of a Parquet file that are taken at a time.
pub(crate) const BATCH_ROWS: usize = 1_024;

/// Longest ETag, storage class or the like, in bytes; those of S3 have at most 40.
pub(crate) const WORD_BYTES_MAX: usize = 255;
