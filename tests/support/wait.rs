//! Waiting for a condition, with a deadline: the one place where a test may sleep between two looks.

#![allow(dead_code, unreachable_pub, reason = "each test crate uses its part of this")]

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Longest wait for anything; a slow machine must not fail a right program.
const WAIT_TIME_MAX: Duration = Duration::from_secs(20);

/// Between two looks.
const LOOK_TIME: Duration = Duration::from_millis(5);

/// Longest wait for much work.
const WORK_TIME_MAX: Duration = Duration::from_secs(300);

/// Returns as soon as the condition holds; fails with its name when it does not in time.
#[track_caller]
pub fn until(what: &str, condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    within(WAIT_TIME_MAX, what, condition)
}

/// The same for work that takes minutes on a slow machine.
#[track_caller]
pub fn until_late(what: &str, condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    within(WORK_TIME_MAX, what, condition)
}

#[track_caller]
fn within(time_max: Duration, what: &str, condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let waiting = async {
            while !condition() {
                tokio::time::sleep(LOOK_TIME).await;
            }
        };
        assert!(tokio::time::timeout(time_max, waiting).await.is_ok(), "{what}: not in time, at {place}");
    }
}

/// Looks every few milliseconds until a look says that it was enough, or the instant has come: a seeded instant is what a test
/// of kills is about, and what happened until then must have been seen.
pub async fn looking_until(instant: Instant, mut look: impl FnMut() -> ControlFlow<()>) {
    while look().is_continue() && Instant::now() < instant {
        tokio::time::sleep(LOOK_TIME.min(instant.saturating_duration_since(Instant::now()))).await;
    }
}
