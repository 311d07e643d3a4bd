//! Limits of Google Cloud Storage and of this backend: each with a name, a unit and where it comes from.

use std::time::Duration;

/// Sources of one compose call (`objects.compose`: "up to 32").
pub(crate) const COMPOSE_SOURCES_MAX: usize = 32;

/// Calls of one batch request ("Sending batch requests": 100).
pub(crate) const BATCH_CALLS_MAX: usize = 100;

/// Single deletes under way at once where an endpoint has no batch requests: a handful hides the round trip and stays polite.
pub(crate) const SINGLE_DELETES_AT_ONCE: usize = 8;

/// Compose calls under way at once: the quota is about one write a second to one name, so only different names run side by side.
pub(crate) const COMPOSES_AT_ONCE: usize = 4;

/// Largest listing answer, bytes: 1,000 entries with names of 1 KiB and metadata of 8 KiB, each byte escaped to six.
pub(crate) const LIST_ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Largest other answer, bytes: one object resource, or one batch of 100 small ones.
pub(crate) const ANSWER_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Largest error body that is read, bytes; the rest says nothing that fits into one sentence.
pub(crate) const ERROR_BYTES_MAX: u64 = 64 * 1024;

/// Longest part of a provider's message that is repeated, characters.
pub(crate) const MESSAGE_CHARS_MAX: usize = 300;

/// A token is replaced when it has less than this left. `gcp_auth` hands out a new one 20 s before the end of the old one.
pub(crate) const TOKEN_MARGIN: Duration = Duration::from_secs(15);

/// Pages of a bookkeeping listing (staging objects, open uploads, parts) before it is called endless: 1,000 items each.
pub(crate) const BOOKKEEPING_PAGES_MAX: usize = 100_000;

/// Longest time that a token may take, all sources tried: the metadata server is asked even where there is none.
pub(crate) const TOKEN_TIME_MAX: Duration = Duration::from_secs(60);

/// Longest silence while parts are joined: "Cloud Storage can take several minutes to process a request to complete".
pub(crate) const JOIN_SILENCE_MAX: Duration = Duration::from_secs(600);

/// Calls of one rewrite before it is called endless: 5 TiB at 1 MiB a call, the least that a call may be limited to.
pub(crate) const REWRITE_CALLS_MAX: usize = 5 << 20;

/// Rounds in which the calls of a batch that met a busy server are sent again.
pub(crate) const DELETE_ROUNDS_MAX: u32 = 4;
