//! The error of every store.

use std::time::Duration;

use brigade_core::ErrorKind;

/// Shorthand.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// What failed, where, and what the other side said. It never holds a secret, a signature or a raw XML body.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What it means.
    pub kind: ErrorKind,
    /// One clause for people: lower case, no full stop.
    pub message: String,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The provider's error code (`NoSuchKey`, `rateLimitExceeded`).
    pub code: Option<String>,
    /// The provider's request id, for its support.
    pub request_id: Option<String>,
    /// How long the server asked us to wait.
    pub retry_after: Option<Duration>,
    /// Whether the request may have taken effect although no good answer arrived.
    pub effect: Effect,
}

/// Whether a failed request may have changed something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// The server refused it, or it was never sent.
    #[default]
    None,
    /// The connection broke after it was sent: nobody knows.
    Possible,
}

impl StoreError {
    /// An error of which only kind and message are known.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: None, code: None, request_id: None, retry_after: None, effect: Effect::None }
    }

    /// The same, where the request may have taken effect.
    pub fn possibly_done(mut self) -> Self {
        self.effect = Effect::Possible;
        self
    }

    /// Whether it says nothing of the request itself: the endpoint is busy, or the way to it is bad.
    pub fn passes(&self) -> bool {
        use ErrorKind as E;
        matches!(self.kind, E::Throttled | E::Unavailable | E::Stalled | E::Network | E::Race)
    }

    /// Puts what was being done in front of the message.
    pub fn context(mut self, what: impl std::fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}
