//! From a kind of failure to what is done about it. This table is the only place that decides.

use std::time::Duration;

use crate::ErrorKind;
use crate::limits::{BACKOFF_MS_FIRST, BACKOFF_MS_MAX};

/// What one request wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A page of a listing.
    List,
    /// The facts of one object.
    Head,
    /// The bytes of one object or a range of them.
    Get,
    /// A whole object in one request.
    Put,
    /// One part of an upload.
    Part,
    /// A batch of deletes.
    Delete,
    /// Everything else: create, complete and abort of uploads, tags, probes.
    Other,
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same request again after a pause.
    Retry,
    /// The same request again after a pause, and fewer at once from now on.
    Throttle,
    /// This object cannot be done; the run goes on.
    FailObject,
    /// No other object can succeed either; the run stops.
    Fatal,
}

/// Judges an error of one request. `attempt` counts from 1; at `attempts_max` nothing is retried any more.
pub fn judge(kind: ErrorKind, operation: Operation, attempt: u32, attempts_max: u32) -> Verdict {
    match first_thought(kind, operation) {
        Verdict::Retry | Verdict::Throttle if attempt >= attempts_max => last_word(kind, operation),
        verdict => verdict,
    }
}

fn first_thought(kind: ErrorKind, operation: Operation) -> Verdict {
    use ErrorKind as E;
    match kind {
        E::Throttled => Verdict::Throttle,
        E::Unavailable | E::Stalled | E::Network | E::Race | E::ClockSkew => Verdict::Retry,
        // The server found the body different from its digest: it was corrupted on the way, and is sent again from memory.
        E::Corrupt => Verdict::Retry,
        E::BucketMissing | E::Credentials | E::Disk | E::Cancelled | E::Internal => Verdict::Fatal,
        E::Denied | E::NotFound | E::Unsupported | E::Invalid | E::Protocol if operation == Operation::List => Verdict::Fatal,
        E::NotFound | E::Denied | E::Conflict | E::Changed | E::Vanished | E::Unfit | E::Unproven | E::Archived | E::Locked => {
            Verdict::FailObject
        }
        E::UploadGone | E::Unsupported | E::Invalid | E::Protocol => Verdict::FailObject,
    }
}

/// When the attempts are used up: a listing that fails makes the keyspace unknown, so the run cannot go on; an object fails alone.
fn last_word(_kind: ErrorKind, operation: Operation) -> Verdict {
    match operation {
        Operation::List => Verdict::Fatal,
        _ => Verdict::FailObject,
    }
}

/// The pause before the next attempt: exponential with full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog).
///
/// `jitter` is a number in `0.0..1.0` from the caller's generator; `asked` is what `Retry-After` said, and is never undercut.
pub fn pause(attempt: u32, jitter: f64, asked: Option<Duration>) -> Duration {
    let doubled = BACKOFF_MS_FIRST.saturating_mul(1_u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX));
    let ceiling = Duration::from_millis(doubled.min(BACKOFF_MS_MAX));
    let backoff = ceiling.mul_f64(jitter.clamp(0.0, 1.0));
    let asked = asked.unwrap_or_default().min(Duration::from_millis(BACKOFF_MS_MAX));
    backoff.max(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p03_a_listing_that_keeps_failing_is_fatal_and_an_object_is_not() {
        for kind in [ErrorKind::Unavailable, ErrorKind::Throttled, ErrorKind::Network] {
            assert_eq!(judge(kind, Operation::List, 10, 10), Verdict::Fatal);
            assert_eq!(judge(kind, Operation::Get, 10, 10), Verdict::FailObject);
            assert_ne!(judge(kind, Operation::List, 9, 10), Verdict::Fatal);
        }
        assert_eq!(judge(ErrorKind::Denied, Operation::List, 1, 10), Verdict::Fatal);
        assert_eq!(judge(ErrorKind::Denied, Operation::Get, 1, 10), Verdict::FailObject);
    }

    #[test]
    fn pauses_grow_jittered_and_keep_to_what_the_server_asked() {
        assert_eq!(pause(1, 1.0, None), Duration::from_millis(BACKOFF_MS_FIRST));
        assert_eq!(pause(2, 0.5, None), Duration::from_millis(BACKOFF_MS_FIRST));
        assert_eq!(pause(63, 1.0, None), Duration::from_millis(BACKOFF_MS_MAX));
        assert_eq!(pause(200, 0.0, None), Duration::ZERO);
        assert_eq!(pause(1, 0.0, Some(Duration::from_secs(3))), Duration::from_secs(3));
        assert_eq!(pause(1, 0.0, Some(Duration::from_secs(3_000))), Duration::from_millis(BACKOFF_MS_MAX));
    }
}
