//! Permits for requests at one endpoint: how many at once, how many in a second, how many bytes in a second.
//!
//! A throttled answer halves what may run at once, down to one, and every quiet second gives a quarter back. The present value can be read.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// After a throttled answer, how long the lowered limit holds before it may climb.
const HOLD: Duration = Duration::from_secs(1);

/// Limits of one endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests at once.
    pub concurrency: usize,
    /// Requests in a second.
    pub requests_per_second: Option<f64>,
    /// Body bytes in a second.
    pub bytes_per_second: Option<u64>,
}

/// Hands out permits.
pub struct Limiter {
    limits: Limits,
    state: Mutex<State>,
    freed: Notify,
}

struct State {
    allowed: usize,
    running: usize,
    lowered: Option<Instant>,
    /// When the next request may start, by the rates.
    next_request: Option<Instant>,
    next_bytes: Option<Instant>,
}

/// A permit for one attempt; dropping it gives it back.
pub struct Permit<'a>(&'a Limiter);

impl Limiter {
    /// Starts with everything allowed.
    pub fn new(limits: Limits) -> Self {
        let allowed = limits.concurrency.max(1);
        let state = State { allowed, running: 0, lowered: None, next_request: None, next_bytes: None };
        Self { limits: Limits { concurrency: allowed, ..limits }, state: Mutex::new(state), freed: Notify::new() }
    }

    /// Waits until an attempt that moves `bytes` may start.
    pub async fn acquire(&self, bytes: u64) -> Permit<'_> {
        loop {
            let freed = self.freed.notified();
            if self.try_start() {
                break;
            }
            // A lowered limit climbs with time, so a waiter looks again even when nothing is given back.
            let _ = tokio::time::timeout(HOLD, freed).await;
        }
        let permit = Permit(self);
        if let Some(start) = self.reserve(bytes) {
            tokio::time::sleep_until(start).await;
        }
        permit
    }

    /// The endpoint asked to slow down.
    pub fn throttled(&self) {
        let mut state = self.state.lock();
        let now = Instant::now();
        // Answers to requests that were under way together are one complaint.
        if state.lowered.is_some_and(|at| now - at < HOLD / 4) {
            return;
        }
        state.allowed = (state.allowed / 2).max(1);
        state.lowered = Some(now);
    }

    /// How many may run at once now.
    pub fn allowed(&self) -> usize {
        self.state.lock().allowed
    }

    fn try_start(&self) -> bool {
        let mut state = self.state.lock();
        if let Some(at) = state.lowered {
            let now = Instant::now();
            if now - at >= HOLD {
                state.allowed = (state.allowed + (self.limits.concurrency / 4).max(1)).min(self.limits.concurrency);
                state.lowered = (state.allowed < self.limits.concurrency).then_some(now);
            }
        }
        if state.running >= state.allowed {
            return false;
        }
        state.running += 1;
        true
    }

    /// Books the attempt with the rates; the answer is when it may start, where that is not now.
    fn reserve(&self, bytes: u64) -> Option<Instant> {
        if self.limits.requests_per_second.is_none() && self.limits.bytes_per_second.is_none() {
            return None;
        }
        let now = Instant::now();
        let mut state = self.state.lock();
        let mut start = now;
        if let Some(rate) = self.limits.requests_per_second {
            let at = state.next_request.map_or(now, |next| next.max(now));
            state.next_request = Some(at + Duration::from_secs_f64(1.0 / rate.max(0.001)));
            start = start.max(at);
        }
        if let Some(rate) = self.limits.bytes_per_second
            && bytes > 0
        {
            let at = state.next_bytes.map_or(now, |next| next.max(now));
            let micros = u128::from(bytes) * 1_000_000 / u128::from(rate.max(1));
            state.next_bytes = Some(at + Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)));
            start = start.max(at);
        }
        // A timer fires on whole milliseconds: a start that has come already must not wait for the next one.
        (start > now).then_some(start)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.state.lock().running -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(concurrency: usize, requests_per_second: Option<f64>) -> Limiter {
        Limiter::new(Limits { concurrency, requests_per_second, bytes_per_second: None })
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_allowed_run_at_once() {
        let limiter = limiter(2, None);
        let one = limiter.acquire(0).await;
        let _two = limiter.acquire(0).await;
        assert!(tokio::time::timeout(Duration::from_secs(60), limiter.acquire(0)).await.is_err());
        drop(one);
        assert!(tokio::time::timeout(Duration::from_secs(60), limiter.acquire(0)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_answer_halves_and_quiet_gives_back() {
        let limiter = limiter(8, None);
        limiter.throttled();
        limiter.throttled();
        assert_eq!(limiter.allowed(), 4, "one burst is one complaint");
        tokio::time::advance(HOLD / 2).await;
        limiter.throttled();
        assert_eq!(limiter.allowed(), 2);
        for _ in 0..4 {
            tokio::time::advance(HOLD).await;
            drop(limiter.acquire(0).await);
        }
        assert_eq!(limiter.allowed(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_keep_to_their_rate() {
        let limiter = limiter(8, Some(10.0));
        let begin = Instant::now();
        for _ in 0..21 {
            drop(limiter.acquire(0).await);
        }
        assert_eq!((begin.elapsed().as_millis() + 5) / 10, 200);
    }
}
