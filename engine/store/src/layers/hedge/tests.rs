//! Slow reads of a scripted store, under a clock that stands still until everybody waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use brigade_core::digest::{Digests, Wanted};
use brigade_core::event::{Event, Observer, Side};
use brigade_core::limiter::AtOnce;
use brigade_core::{Availability, Entry, ErrorKind, Identity, Key};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::*;
use crate::layers::Layers;
use crate::layers::jitter::Jitter;
use crate::layers::limit::{Limiter, Limits};
use crate::{Head, Rope, StoreError};

const QUICK: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_secs(2);

/// Answers each read as its script says, then quickly.
#[derive(Default)]
struct Scripted {
    script: Mutex<Vec<(Duration, Option<ErrorKind>)>>,
    asked: AtomicUsize,
}

#[async_trait]
impl Read for Scripted {
    async fn read(&self, request: &ReadRequest<'_>) -> Result<Piece> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let (latency, error) = self.script.lock().pop().unwrap_or((QUICK, None));
        tokio::time::sleep(latency).await;
        if let Some(kind) = error {
            return Err(StoreError::new(kind, "as scripted"));
        }
        let bytes = Rope::from(vec![1; usize::try_from(request.size).expect("a small read")]);
        let head = Head {
            size: request.size,
            identity: request.identity.clone(),
            modified: None,
            digests: Digests::default(),
            metadata: Arc::default(),
            tags: 0,
            storage_class: None,
            availability: Availability::Ready,
        };
        Ok(Piece { head, sum: bytes.sum(request.wanted), bytes })
    }

    async fn digests(&self, _entry: &Entry) -> Result<Digests> {
        Ok(Digests::default())
    }

    async fn tags(&self, _key: &Key, _identity: &Identity) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }
}

/// Attempts that began, that ended, and that ended cancelled.
#[derive(Default)]
struct Counted(Mutex<(usize, usize, usize)>);

impl Observer for Counted {
    fn observe(&self, event: &Event<'_>) {
        let mut counts = self.0.lock();
        match event {
            Event::Began(_) => counts.0 += 1,
            Event::Ended(attempt) => {
                counts.1 += 1;
                counts.2 += usize::from(attempt.error == Some(ErrorKind::Cancelled));
            }
            _ => {}
        }
    }
}

struct Stage {
    store: Layered<Scripted>,
    counted: Arc<Counted>,
}

impl Stage {
    fn new(hedging: Hedging, at_once: AtOnce) -> Self {
        let counted = Arc::new(Counted::default());
        let layers = Layers {
            side: Side::Source,
            attempts_max: 3,
            limiter: Arc::new(Limiter::new(Limits::at_once(at_once))),
            observer: counted.clone(),
            jitter: Jitter::seeded(1),
            hedging,
        };
        Self { store: Layered::new(Arc::default(), Arc::new(layers)), counted }
    }

    /// One that has seen enough quick reads to know the tail.
    async fn knowing(hedging: Hedging, at_once: AtOnce) -> Self {
        let stage = Self::new(hedging, at_once);
        for _ in 0..1_000 {
            stage.read(1).await.expect("it is answered");
        }
        stage
    }

    async fn read(&self, size: u64) -> Result<Duration> {
        let (key, identity) = (Key::from("k"), Identity::etag("e"));
        let request = ReadRequest { key: &key, part: None, size, identity: &identity, wanted: Wanted::default() };
        let begun = Instant::now();
        let piece = self.store.read(&request).await?;
        assert_eq!(piece.bytes.size(), size);
        Ok(begun.elapsed())
    }

    /// Answers the next requests so, the first one first, and counts them from now on.
    fn script(&self, answers: &[(Duration, Option<ErrorKind>)]) {
        self.store.inner.asked.store(0, Ordering::Relaxed);
        *self.store.inner.script.lock() = answers.iter().rev().copied().collect();
    }

    fn asked(&self) -> usize {
        self.store.inner.asked.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_small_read_is_overtaken_by_a_second_one_and_both_are_counted() {
    let stage = Stage::knowing(Hedging::SlowReads, AtOnce::Fixed(4)).await;
    stage.script(&[(SLOW, None)]);
    let took = stage.read(4_096).await.expect("it is answered");
    assert!(took < QUICK * 3, "{took:?}");
    assert_eq!(stage.asked(), 2);
    assert_eq!(*stage.counted.0.lock(), (1_002, 1_002, 1));
    assert!(stage.store.layers.limiter.try_acquire(brigade_core::limiter::Class::Read, 0).is_some());
}

#[tokio::test(start_paused = true)]
async fn one_read_is_one_request_where_a_second_one_may_not_be_sent() {
    for (hedging, at_once, size) in [
        (Hedging::Never, AtOnce::Fixed(4), 1),
        (Hedging::SlowReads, AtOnce::Fixed(1), 1),
        (Hedging::SlowReads, AtOnce::Fixed(4), HEDGED_BYTES_MAX + 1),
    ] {
        let stage = Stage::knowing(hedging, at_once).await;
        stage.script(&[(SLOW, None)]);
        assert_eq!(stage.read(size).await.expect("it is answered"), SLOW);
        assert_eq!(stage.asked(), 1, "{hedging:?}, {at_once:?}, {size} bytes");
    }
    let stage = Stage::new(Hedging::SlowReads, AtOnce::Fixed(4));
    stage.script(&[(SLOW, None)]);
    stage.read(1).await.expect("it is answered");
    assert_eq!(stage.asked(), 1, "no tail is known");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_complained_is_not_asked_twice() {
    let stage = Stage::knowing(Hedging::SlowReads, AtOnce::Fixed(4)).await;
    // Enough of them that it is a complaint.
    for _ in 0..20 {
        stage.script(&[(QUICK, Some(ErrorKind::Throttled)); 2]);
        stage.read(1).await.expect("the third attempt is answered");
    }
    stage.script(&[(SLOW, None)]);
    assert!(stage.read(1).await.expect("it is answered") >= SLOW);
    assert_eq!(stage.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_second_request_leaves_the_first_and_a_failed_first_the_second() {
    let stage = Stage::knowing(Hedging::SlowReads, AtOnce::Fixed(4)).await;
    stage.script(&[(QUICK * 4, None), (QUICK, Some(ErrorKind::Network))]);
    assert_eq!(stage.read(1).await.expect("the first is answered"), QUICK * 4);
    stage.script(&[(QUICK * 3, Some(ErrorKind::Network)), (QUICK * 2, None)]);
    assert!(stage.read(1).await.expect("the second is answered") < QUICK * 4);
    stage.script(&[(QUICK * 3, Some(ErrorKind::NotFound)), (QUICK, Some(ErrorKind::Network))]);
    assert_eq!(stage.read(1).await.expect_err("both failed").kind, ErrorKind::NotFound);
    assert_eq!(stage.asked(), 2, "the kind of the last error decides what becomes of the attempt");
}

#[tokio::test(start_paused = true)]
async fn second_requests_are_few_however_many_reads_are_slow() {
    let stage = Stage::knowing(Hedging::SlowReads, AtOnce::Fixed(4)).await;
    let mut second = 0;
    for _ in 0..200 {
        stage.script(&[(SLOW, None), (SLOW, None)]);
        stage.read(1).await.expect("it is answered");
        second += stage.asked() - 1;
    }
    assert!((1..=20).contains(&second), "{second}");
}
