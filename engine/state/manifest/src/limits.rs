//! Limits of a manifest: each with its unit and where it comes from.

/// Rows of one row group: a reader that starts at a key decodes at most this many rows before it (some milliseconds).
pub(crate) const GROUP_ROWS_MAX: usize = 64 * 1024;

/// Bytes of one row group before compression. A writer holds one group and the compressed pages of one of its columns, which
/// keeps it under 16 MiB also where every key has 1,024 bytes that do not compress.
pub(crate) const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of one page before compression. A reader holds one or two pages of each of the twelve columns, and each shard that is
/// listed has a reader.
pub(crate) const PAGE_BYTES_MAX: usize = 64 * 1024;

/// Rows that are handed to the Parquet crate, or taken from it, at a time.
pub(crate) const BATCH_ROWS: usize = 1_024;

/// Longest prefix of a key that the statistics of a row group hold; two keys that share it can only cost reading one group more.
pub(crate) const STATISTICS_BYTES_MAX: usize = 128;

/// Keys that are named to divide a manifest: far more than there are listings at once, about 100 bytes each.
pub(crate) const MARKS_MAX: usize = 2_048;

/// Bytes read at a time for a digest.
pub(crate) const DIGEST_CHUNK_BYTES: usize = 64 * 1024;

/// Bytes that gather before they are written to the file.
pub(crate) const WRITE_BUFFER_BYTES: usize = 256 * 1024;
