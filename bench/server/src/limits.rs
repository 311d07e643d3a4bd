//! Every limit of the bench server, with the reason for its value.

/// Longest request head in bytes: S3 allows 8 KiB of headers, and a target of 1,024 encoded bytes fits three times over.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Headers of a request: the most talkative client measured (botocore with checksums) sends 25.
pub(crate) const HEADERS_MAX: usize = 64;

/// Bytes of a connection's buffer at first: some clients open a connection for each request, and zeroing costs them dearly.
pub(crate) const FIRST_READ_BYTES: usize = 8 * 1024;

/// Bytes asked of the kernel at once. Larger buffers leave the second-level cache when 64 connections take turns.
pub(crate) const READ_BYTES: usize = 128 * 1024;

/// Bytes of generated content handed to the kernel at once.
pub(crate) const WRITE_BYTES_MAX: usize = 256 * 1024;

/// Bodies up to this size are copied behind their head, so that one system call sends both.
pub(crate) const JOINED_BYTES_MAX: usize = 32 * 1024;

/// Documents that are kept as a whole: a batch of 1,000 deletes of the longest keys, a completion of 10,000 parts.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// `multipart/related` bodies that are kept as a whole; clients turn to resumable uploads at 8 or 16 MiB.
pub(crate) const RELATED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Keys of one page of a listing, in both dialects.
pub(crate) const PAGE_KEYS_MAX: usize = 1_000;

/// Largest object whose ETag is its MD5, in bytes. Larger ones have the ETag of an upload in parts.
pub(crate) const MD5_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Size of the parts that the ETags of large generated objects are of, in bytes: what most clients cut by default.
pub(crate) const ETAG_PART_BYTES: u64 = 8 * 1024 * 1024;

/// Largest object whose ETag is computed at all: MD5 takes 1.2 s a GiB, and somebody waits for the server to start.
pub(crate) const ETAG_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Objects of a bucket that are looked through to find out which large contents occur at all.
pub(crate) const LOOK_THROUGH_MAX: u64 = 1_000_000;

/// Parts of an upload (S3 and the XML API of GCS).
pub(crate) const PARTS_MAX: u32 = 10_000;

/// Sources of one compose (GCS).
pub(crate) const COMPOSE_SOURCES_MAX: usize = 32;

/// Seconds of which the history of writes is kept.
pub(crate) const HISTORY_SECONDS: usize = 3_600;

/// A rate of requests may be exceeded by what falls into this time.
pub(crate) const BURST_MILLIS: u64 = 50;

/// Connections that wait to be taken by a thread.
pub(crate) const HANDOVER_MAX: usize = 1_024;
