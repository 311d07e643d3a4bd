//! Waiting for a condition, with a deadline: the one place where a test may sleep between two looks.

use std::time::Duration;

/// Longest wait for anything; a slow machine must not fail a right program.
const WAIT_TIME_MAX: Duration = Duration::from_secs(20);

/// Between two looks.
const LOOK_TIME: Duration = Duration::from_millis(5);

/// Returns as soon as the condition holds; fails with its name when it does not in time.
#[track_caller]
pub fn until(what: &str, condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let waiting = async {
            while !condition() {
                tokio::time::sleep(LOOK_TIME).await;
            }
        };
        assert!(tokio::time::timeout(WAIT_TIME_MAX, waiting).await.is_ok(), "{what}: not in time, at {place}");
    }
}
