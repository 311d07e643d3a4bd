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

/// Bytes that one exchange must move to say something of its connection: below that the answer's latency counts for more than
/// its pace.
pub const SAMPLE_BYTES_MIN: u64 = 1 << 20;

/// Large transfers of an endpoint that must be known before one is called slow.
pub const PEERS_KNOWN_MIN: usize = 12;

/// Large transfers of an endpoint that are remembered each way: when all of them slow down, the median has moved after half of them.
pub const PEERS_KNOWN_MAX: usize = 24;

/// A transfer is slow below this fraction (one in so many) of the median pace. Good paths differ by two or three times.
pub const SLOW_FRACTION: u64 = 4;

/// So many slow transfers in a row end a connection: one may be chance, or a server at its garbage.
pub const SLOW_IN_A_ROW: u32 = 3;

/// Most connections to one endpoint that are closed for being slow within a minute. Each costs the handshakes of another one, and
/// with 256 at once these are less than two in a hundred.
pub const RETIRED_PER_MINUTE_MAX: usize = 4;

/// A new connection takes an address on which another one was slow only after all others for so long.
pub const SHUNNED_TIME: Duration = Duration::from_secs(120);
