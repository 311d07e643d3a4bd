//! Limits of the transport: each with a name, a unit and where it comes from.

use std::time::Duration;

/// Name, TCP, proxy and TLS together. A server that needs longer for that is overloaded; another address may not be.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// No byte in either direction for so long ends an attempt (`--stall-timeout`).
pub const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// An idle connection is not used again after this. S3 closes its end after about five seconds, and a request that meets
/// that close is lost.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// Idle connections kept for one endpoint: above the usual number of requests in flight, so that none is opened twice.
pub const IDLE_PER_HOST_MAX: usize = 256;

/// Read buffer between TCP and TLS. rustls reads record by record; with 64-128 KiB between, a GiB costs 0.24 s of CPU
/// instead of 0.32 s (measured).
pub const READ_BUFFER_BYTES: usize = 128 * 1024;

/// Smallest and largest read buffer that is accepted: one TLS record, and what a thousand connections can afford.
pub const READ_BUFFER_BYTES_RANGE: std::ops::RangeInclusive<usize> = 16 * 1024..=1024 * 1024;

/// Largest buffer of hyper for one connection and direction. It bounds the memory that a chunk can pin, and the head of a
/// response; past 256 KiB larger reads gain nothing.
pub const MESSAGE_BUFFER_BYTES: usize = 256 * 1024;

/// Bodies up to this size are copied into a buffer of their own size: a chunk of hyper keeps its whole read buffer alive,
/// which for a small object is many times the bytes that the memory budget counts.
pub const SMALL_BODY_BYTES: usize = 16 * 1024;

/// Resolved addresses are used without asking again for so long. S3 answers with a time to live of a few seconds and
/// with other addresses each time, and all of them are wanted.
pub const RESOLVED_FRESH: Duration = Duration::from_secs(5);

/// When the resolver fails, the last known addresses serve for so long.
pub const RESOLVED_STALE_MAX: Duration = Duration::from_secs(300);

/// Names remembered at once; past it the memory is emptied. A job uses one or two.
pub const RESOLVED_NAMES_MAX: usize = 1_024;

/// One address may use up to this fraction (one in so many) of the time left for connecting while others wait their turn.
pub const CONNECT_SHARE: u32 = 3;
