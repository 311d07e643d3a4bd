//! The time that requests are signed with: this machine's, corrected by what the server said when it refused it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;

/// A corrected clock, shared by everything that signs for one endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The server's time, as far as it is known.
    pub(crate) fn now(&self) -> SystemTime {
        let offset = self.offset_ms.load(Ordering::Relaxed);
        let shift = Duration::from_millis(offset.unsigned_abs());
        let now = SystemTime::now();
        let corrected = if offset < 0 { now.checked_sub(shift) } else { now.checked_add(shift) };
        corrected.unwrap_or(now)
    }

    /// Takes the server's time as the right one from now on.
    pub(crate) fn set(&self, server: SystemTime) {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let offset = match server.duration_since(SystemTime::now()) {
            Ok(ahead) => millis(ahead),
            Err(behind) => -millis(behind.duration()),
        };
        tracing::warn!(offset_ms = offset, "this machine's clock and the endpoint's differ; signing with the endpoint's");
        self.offset_ms.store(offset, Ordering::Relaxed);
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        Self::now(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_follows_the_server_both_ways() {
        let clock = Clock::default();
        for (server, ahead) in
            [(SystemTime::now() + Duration::from_secs(3_600), true), (SystemTime::now() - Duration::from_secs(3_600), false)]
        {
            clock.set(server);
            let seen = clock.now();
            let difference = seen.duration_since(server).unwrap_or_else(|error| error.duration());
            assert!(difference < Duration::from_secs(60), "{difference:?}");
            assert_eq!(seen > SystemTime::now(), ahead);
        }
    }
}
