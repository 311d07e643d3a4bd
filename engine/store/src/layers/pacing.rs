//! `--bandwidth` within bodies: bytes leave and are taken evenly, not a part at once and then nothing.
//!
//! The limiter charges a body as a whole when its request starts, which keeps the mean; over a slow link an 8 MiB part would
//! still fill the line for as long as it lasts. So whoever moves bytes of a charged request asks the [`Pacer`] of its endpoint
//! after each piece when the next may go. A piece goes first and is paid for afterwards, so nobody holds a share that it does
//! not use, and those who share a pacer take turns in the order in which they moved something.
//!
//! The pacer of an attempt is found by the task that makes it: the backends between here and the socket know nothing of it.
//! Where no rate is kept there is none, and nothing is asked.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Pieces in a second of a paced body: even for people who talk over the same line.
const PIECES_PER_SECOND: u64 = 50;

/// Smallest piece: below it the work for a piece is more than the piece.
const PIECE_BYTES_MIN: u64 = 1 << 10;

/// Largest piece: as much as a transport moves at once anyhow.
const PIECE_BYTES_MAX: u64 = 256 << 10;

/// How late a piece may be and still be made up for: a timer of a millisecond on a busy machine. What lies idle longer earns nothing.
const CREDIT: Duration = Duration::from_millis(10);

tokio::task_local! {
    static PACER: Arc<Pacer>;
}

/// The even pace of all bodies at one endpoint.
#[derive(Debug)]
pub struct Pacer {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Bytes in a second; `None` for as many as go.
    rate: Option<u64>,
    /// When everything that went is paid for.
    free_at: Instant,
}

impl Pacer {
    /// Keeps this rate in bytes a second; `None` for none at present.
    pub fn new(rate: Option<u64>) -> Self {
        Self { state: Mutex::new(State { rate, free_at: Instant::now() }) }
    }

    /// Keeps another rate from now on.
    pub fn set_rate(&self, rate: Option<u64>) {
        self.state.lock().rate = rate;
    }

    /// Bytes of a piece that may go at once.
    pub fn piece_bytes(&self) -> usize {
        let rate = self.state.lock().rate.unwrap_or(u64::MAX);
        let piece = (rate / PIECES_PER_SECOND).clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX);
        usize::try_from(piece).expect("a piece is small")
    }

    /// So many bytes went: when whoever moved them may move more. `None` for at once.
    pub fn charge(&self, bytes: u64) -> Option<Instant> {
        let mut state = self.state.lock();
        let rate = state.rate?.max(1);
        let now = Instant::now();
        let begun = state.free_at.max(now.checked_sub(CREDIT).unwrap_or(now));
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(rate);
        state.free_at = begun + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX / 2));
        Some(state.free_at)
    }
}

/// Makes an attempt whose bodies keep the pace.
pub async fn paced<F: Future>(pacer: Arc<Pacer>, attempt: F) -> F::Output {
    PACER.scope(pacer, attempt).await
}

/// The pacer of the attempt that this task makes, where one is kept.
pub fn current() -> Option<Arc<Pacer>> {
    PACER.try_with(Arc::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::JoinSet;
    use tokio::time::sleep_until;

    const MIB: u64 = 1 << 20;

    /// When each piece of a body of so many bytes goes.
    async fn moves(pacer: Arc<Pacer>, mut bytes: u64) -> Vec<(Instant, u64)> {
        let mut went = Vec::new();
        while bytes > 0 {
            let piece = bytes.min(u64::try_from(pacer.piece_bytes()).expect("small"));
            went.push((Instant::now(), piece));
            bytes -= piece;
            if let Some(at) = pacer.charge(piece) {
                sleep_until(at).await;
            }
        }
        went
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_of_several_bodies_leave_evenly_and_keep_the_rate() {
        let (pacer, begun) = (Arc::new(Pacer::new(Some(MIB))), Instant::now());
        let mut bodies = JoinSet::new();
        for _ in 0..3 {
            bodies.spawn(moves(pacer.clone(), 8 * MIB));
        }
        let mut went: Vec<(Duration, u64)> = Vec::new();
        while let Some(body) = bodies.join_next().await {
            went.extend(body.expect("no panic").into_iter().map(|(at, bytes)| (at - begun, bytes)));
        }
        let took = begun.elapsed().as_secs_f64();
        assert!((23.9..24.2).contains(&took), "24 MiB at 1 MiB/s took {took} s");
        for tenths in 0..230 {
            let from = Duration::from_millis(100 * tenths);
            let within = |at: &Duration| *at >= from && *at < from + Duration::from_millis(500);
            let bytes: u64 = went.iter().filter(|(at, _)| within(at)).map(|(_, bytes)| bytes).sum();
            assert!((MIB * 4 / 10..MIB * 6 / 10).contains(&bytes), "{bytes} bytes in the half second from {from:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_that_changes_holds_at_once_and_none_holds_nobody() {
        let pacer = Arc::new(Pacer::new(Some(MIB)));
        let begun = Instant::now();
        moves(pacer.clone(), MIB).await;
        pacer.set_rate(Some(10 * MIB));
        moves(pacer.clone(), 10 * MIB).await;
        pacer.set_rate(None);
        moves(pacer.clone(), 1_000 * MIB).await;
        let took = begun.elapsed().as_secs_f64();
        assert!((1.9..2.1).contains(&took), "{took} s");
        assert_eq!(pacer.charge(MIB), None);
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_attempt_itself_finds_its_pacer() {
        assert!(current().is_none());
        let pacer = Arc::new(Pacer::new(Some(1)));
        let found = paced(pacer.clone(), async { current() }).await;
        assert!(found.is_some_and(|found| Arc::ptr_eq(&found, &pacer)));
        assert!(paced(pacer, tokio::spawn(async { current() })).await.expect("no panic").is_none());
    }
}
