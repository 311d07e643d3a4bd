//! Patience for single requests of a probe.
//!
//! The layers repeat an operation as a whole. A probe is a dozen requests that build on each other: under a storm of 503 hardly
//! any probe would get through all of them in one piece, and a run could not even begin. So each of them is repeated here
//! first. Only for requests that may be made twice: those of a probe cannot succeed, or undo what they did.

use brigade_core::verdict::pause;

use crate::Result;

/// Attempts of one request of a probe: where one request in five fails, one in three thousand fails five times.
const PROBE_ATTEMPTS_MAX: u32 = 5;

/// Makes a request, and makes it again while the endpoint is busy or the way to it is bad.
pub async fn patiently<T, F, Fut>(mut attempt: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    for number in 1..PROBE_ATTEMPTS_MAX {
        match attempt().await {
            Err(error) if error.passes() => tokio::time::sleep(pause(number, rand::random(), error.retry_after)).await,
            decided => return decided,
        }
    }
    attempt().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreError;
    use brigade_core::ErrorKind;

    async fn attempts(kind: ErrorKind, failures: u32) -> (u32, bool) {
        let mut made = 0;
        let result = patiently(|| {
            made += 1;
            let result = if made <= failures { Err(StoreError::new(kind, "x")) } else { Ok(()) };
            async { result }
        })
        .await;
        (made, result.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_passes_is_tried_again_and_not_for_ever() {
        assert_eq!(attempts(ErrorKind::Throttled, 2).await, (3, true));
        assert_eq!(attempts(ErrorKind::Network, 100).await, (PROBE_ATTEMPTS_MAX, false));
        assert_eq!(attempts(ErrorKind::Conflict, 100).await, (1, false));
        assert_eq!(attempts(ErrorKind::Denied, 100).await, (1, false));
    }
}
