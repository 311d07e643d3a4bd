//! What stands between the engine and a backend: observation, retries, limits.
//!
//! The order is fixed, and fixed here: an operation is observed, each attempt of it takes a permit, and the pause between two
//! attempts holds none. Every seam is wrapped by the one struct [`Layered`], which passes each call through the one function
//! `Layered::call`, so no method can miss a layer.

pub mod hedge;
pub mod jitter;
pub mod limit;
pub mod pacing;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use brigade_core::digest::{Digests, Sum};
use brigade_core::event::{Attempt, Event, Observer, Side};
use brigade_core::limiter::{Class, End};
use brigade_core::parts::Part;
use brigade_core::verdict::{Operation, Verdict, judge, pause};
use brigade_core::{Entry, ErrorKind, Identity, Key, KeyRange};

use crate::error::Effect;
use crate::layers::hedge::Hedging;
use crate::layers::jitter::Jitter;
use crate::layers::limit::{Limiter, Permit};
use crate::layers::pacing::paced;
use crate::{
    Complete, CopyBy, CopyComplete, CopyFacts, Delete, Deletion, Facts, Head, Layout, List, Origin, Pages, PartReceipt, PendingUpload,
    Piece, Probe, ProbeFor, Read, ReadRequest, Result, Rope, ServerCopy, StoreError, Upload, Write, WriteSpec, Written,
};

/// Attempts of one request whose body the server found different from its digest. A digest that came with the object from its
/// source never matches a body that was read wrongly, however often both are sent: such an object has to be read again.
const CORRUPT_ATTEMPTS_MAX: u32 = 3;

/// What the layers need to know and whom to tell.
pub struct Layers {
    /// Which end this is.
    pub side: Side,
    /// Attempts of one request.
    pub attempts_max: u32,
    /// Permits for requests, shared by everything that talks to this endpoint.
    pub limiter: Arc<Limiter>,
    /// Whom to tell.
    pub observer: Arc<dyn Observer>,
    /// How the pauses between attempts spread.
    pub jitter: Jitter,
    /// Whether slow small reads are sent twice.
    pub hedging: Hedging,
}

/// A store with all layers around it.
pub struct Layered<S: ?Sized> {
    layers: Arc<Layers>,
    inner: Arc<S>,
}

impl<S: ?Sized> Clone for Layered<S> {
    fn clone(&self) -> Self {
        Self { layers: self.layers.clone(), inner: self.inner.clone() }
    }
}

/// The body bytes of a good answer: received, sent.
type Moved = (u64, u64);

impl Layers {
    /// Runs attempts of one operation until it is done or judged hopeless. `moved` says what a good answer moved.
    async fn call<T, F, Fut>(&self, operation: Operation, bytes: u64, moved: impl Fn(&T) -> Moved, mut attempt: F) -> Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let mut number = 1;
        loop {
            let result = {
                let permit = self.limiter.acquire(Class::of(operation), bytes).await;
                let guard = EndGuard::begin(self, operation, number);
                let result = match self.limiter.pacer().filter(|_| bytes > 0) {
                    None => attempt().await,
                    Some(pacer) => paced(pacer.clone(), attempt()).await,
                };
                guard.end(match &result {
                    Ok(value) => Ok(moved(value)),
                    Err(error) => Err(error),
                });
                self.give_back(permit, end_of(&result, &moved));
                result
            };
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            // What arrived otherwise than it was sent may be sent again; what is wrong in itself stays so.
            let most = if error.kind == ErrorKind::Corrupt { self.attempts_max.min(CORRUPT_ATTEMPTS_MAX) } else { self.attempts_max };
            match judge(error.kind, operation, number, most) {
                Verdict::FailObject | Verdict::Fatal => return Err(after(error, number)),
                Verdict::Throttle | Verdict::Retry => {}
            }
            tracing::debug!(side = %self.side, ?operation, attempt = number, kind = %error.kind, error = %error.message, "attempt failed");
            tokio::time::sleep(pause(number, self.jitter.draw(), error.retry_after)).await;
            number += 1;
        }
    }

    /// Ends an attempt for the limiter, and passes on what that shows.
    fn give_back(&self, permit: Permit<&Limiter>, end: End) {
        if let Some(news) = permit.end(end) {
            tracing::debug!(side = %self.side, limit = %news, "limit changed");
            self.observer.observe(&Event::Limited(self.side, news));
        }
    }
}

/// What the end of an attempt says of the endpoint's pace. An answer that the caller does not like is an answer too.
fn end_of<T>(result: &Result<T>, moved: impl Fn(&T) -> Moved) -> End {
    use ErrorKind as E;
    match result {
        Ok(value) => {
            let (read_bytes, written_bytes) = moved(value);
            End::Good(read_bytes.saturating_add(written_bytes))
        }
        Err(error) => match error.kind {
            E::Throttled => End::Refused,
            E::NotFound | E::Denied | E::Conflict | E::Changed | E::Vanished | E::Archived | E::Locked | E::UploadGone => End::Good(0),
            _ => End::Other,
        },
    }
}

/// Tells the end of an attempt exactly once, also when the future is dropped in mid-flight.
struct EndGuard<'a> {
    layers: &'a Layers,
    operation: Operation,
    number: u32,
    armed: bool,
}

impl<'a> EndGuard<'a> {
    fn begin(layers: &'a Layers, operation: Operation, number: u32) -> Self {
        layers.observer.observe(&Event::Began(layers.side));
        Self { layers, operation, number, armed: true }
    }

    fn end(mut self, result: Result<Moved, &StoreError>) {
        self.armed = false;
        let (read_bytes, written_bytes) = *result.as_ref().unwrap_or(&(0, 0));
        self.tell(read_bytes, written_bytes, result.err().map(|error| error.kind));
    }

    fn tell(&self, read_bytes: u64, written_bytes: u64, error: Option<ErrorKind>) {
        let Self { layers, operation, number, .. } = self;
        let attempt = Attempt { side: layers.side, operation: *operation, number: *number, read_bytes, written_bytes, error };
        layers.observer.observe(&Event::Ended(attempt));
    }
}

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.tell(0, 0, Some(ErrorKind::Cancelled));
        }
    }
}

/// Whether any attempt of a call may have taken effect without a good answer.
#[derive(Debug, Default)]
struct Doubt(AtomicBool);

impl Doubt {
    /// Makes an attempt and remembers it if nobody knows what it did.
    async fn watch<T>(&self, attempt: impl Future<Output = Result<T>>) -> Result<T> {
        let result = attempt.await;
        if result.as_ref().is_err_and(|error| error.effect == Effect::Possible) {
            self.0.store(true, Ordering::Relaxed);
        }
        result
    }

    fn arose(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The error of the last attempt, which does not speak for the earlier ones.
    fn mark(&self, error: StoreError) -> StoreError {
        if self.arose() { error.possibly_done() } else { error }
    }
}

/// Says how often it was tried.
fn after(error: StoreError, attempts: u32) -> StoreError {
    if attempts == 1 { error } else { StoreError { message: format!("{} (after {attempts} attempts)", error.message), ..error } }
}

impl<S: ?Sized> Layered<S> {
    /// Wraps a store.
    pub fn new(inner: Arc<S>, layers: Arc<Layers>) -> Self {
        Self { layers, inner }
    }

    async fn simple<T, F, Fut>(&self, operation: Operation, attempt: F) -> Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        self.layers.call(operation, 0, |_| (0, 0), attempt).await
    }
}

struct LayeredPages {
    layers: Arc<Layers>,
    inner: Arc<tokio::sync::Mutex<Box<dyn Pages>>>,
}

#[async_trait]
impl Pages for LayeredPages {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        self.layers.call(Operation::List, 0, |_| (0, 0), || async { self.inner.lock().await.next().await }).await
    }
}

#[async_trait]
impl<S: List + ?Sized> List for Layered<S> {
    fn list(&self, range: &KeyRange) -> Box<dyn Pages> {
        let inner = Arc::new(tokio::sync::Mutex::new(self.inner.list(range)));
        Box::new(LayeredPages { layers: self.layers.clone(), inner })
    }

    async fn head(&self, key: &Key) -> Result<Head> {
        self.simple(Operation::Head, || self.inner.head(key)).await
    }
}

#[async_trait]
impl<S: Read + ?Sized> Read for Layered<S> {
    async fn read(&self, request: &ReadRequest<'_>) -> Result<Piece> {
        self.layers.call(Operation::Get, request.size, |piece: &Piece| (piece.bytes.size(), 0), || self.read_hedged(request)).await
    }

    async fn digests(&self, entry: &Entry) -> Result<Digests> {
        self.simple(Operation::Head, || self.inner.digests(entry)).await
    }

    async fn tags(&self, key: &Key, identity: &Identity) -> Result<Vec<(String, String)>> {
        self.simple(Operation::Other, || self.inner.tags(key, identity)).await
    }

    async fn layout(&self, entry: &Entry) -> Result<Option<Layout>> {
        self.simple(Operation::Head, || self.inner.layout(entry)).await
    }
}

#[async_trait]
impl<S: Write + ?Sized> Write for Layered<S> {
    async fn put(&self, key: &Key, bytes: &Rope, sum: &Sum, md5: Option<[u8; 16]>, spec: &WriteSpec) -> Result<Written> {
        let size = bytes.size();
        // A put whose acknowledgement was lost meets its own object at the next attempt: the condition then fails for a good reason.
        let doubt = Doubt::default();
        let put = || doubt.watch(self.inner.put(key, bytes, sum, md5, spec));
        let result = self.layers.call(Operation::Put, size, |_| (0, size), put).await;
        result.map_err(|error| doubt.mark(error))
    }

    async fn create(&self, key: &Key, size: u64, spec: &WriteSpec) -> Result<Upload> {
        self.simple(Operation::Other, || self.inner.create(key, size, spec)).await
    }

    async fn part(&self, upload: &Upload, part: Part, bytes: &Rope, sum: &Sum) -> Result<PartReceipt> {
        let size = bytes.size();
        self.layers.call(Operation::Part, size, |_| (0, size), || self.inner.part(upload, part, bytes, sum)).await
    }

    async fn parts(&self, upload: &Upload) -> Result<Vec<PartReceipt>> {
        self.simple(Operation::Other, || self.inner.parts(upload)).await
    }

    async fn complete(&self, upload: &Upload, complete: &Complete<'_>) -> Result<Written> {
        let doubt = Doubt::default();
        let result = self.simple(Operation::Other, || doubt.watch(self.inner.complete(upload, complete))).await;
        result.map_err(|error| doubt.mark(error))
    }

    async fn abort(&self, upload: &Upload) -> Result<()> {
        self.simple(Operation::Other, || self.inner.abort(upload)).await
    }

    async fn pending(&self) -> Result<Vec<PendingUpload>> {
        self.simple(Operation::Other, || self.inner.pending()).await
    }

    async fn retract(&self, key: &Key, written: &Identity) -> Result<()> {
        self.simple(Operation::Delete, || self.inner.retract(key, written)).await
    }
}

/// Copies inside a provider are requests of the target's side that move no body byte.
#[async_trait]
impl<S: ServerCopy + ?Sized> ServerCopy for Layered<S> {
    fn whole_bytes_max(&self) -> u64 {
        self.inner.whole_bytes_max()
    }

    async fn probe(&self, origin: &Origin<'_>, by: CopyBy) -> Result<CopyFacts> {
        self.simple(Operation::Other, || self.inner.probe(origin, by)).await
    }

    async fn copy(&self, origin: &Origin<'_>, key: &Key, spec: &WriteSpec) -> Result<Written> {
        let doubt = Doubt::default();
        let result = self.simple(Operation::Other, || doubt.watch(self.inner.copy(origin, key, spec))).await;
        result.map_err(|error| doubt.mark(error))
    }

    async fn create(&self, origin: &Origin<'_>, key: &Key, spec: &WriteSpec) -> Result<Upload> {
        self.simple(Operation::Other, || self.inner.create(origin, key, spec)).await
    }

    async fn part(&self, origin: &Origin<'_>, part: Part, upload: &Upload) -> Result<PartReceipt> {
        self.simple(Operation::Other, || self.inner.part(origin, part, upload)).await
    }

    async fn complete(&self, origin: &Origin<'_>, upload: &Upload, complete: &CopyComplete<'_>) -> Result<Written> {
        let doubt = Doubt::default();
        let result = self.simple(Operation::Other, || doubt.watch(self.inner.complete(origin, upload, complete))).await;
        result.map_err(|error| doubt.mark(error))
    }
}

#[async_trait]
impl<S: Delete + ?Sized> Delete for Layered<S> {
    /// A batch is answered key by key: those that met a busy server are sent again, as a batch of their own.
    async fn delete(&self, batch: &[Deletion]) -> Result<Vec<Result<()>>> {
        let mut results = self.delete_once(batch).await?;
        if results.iter().any(|result| result.as_ref().is_err_and(|error| error.kind == ErrorKind::Throttled)) {
            self.layers.limiter.refused(Class::Other);
        }
        for number in 1..self.layers.attempts_max {
            let again: Vec<usize> = (0..results.len()).filter(|at| results[*at].as_ref().is_err_and(StoreError::passes)).collect();
            if again.is_empty() {
                break;
            }
            tokio::time::sleep(pause(number, self.layers.jitter.draw(), None)).await;
            let rest: Vec<Deletion> = again.iter().map(|at| batch[*at].clone()).collect();
            // An error of this whole call says no more of these keys than is known.
            let Ok(fresh) = self.delete_once(&rest).await else { break };
            for (at, result) in again.into_iter().zip(fresh) {
                results[at] = gone_is_deleted(result);
            }
        }
        Ok(results)
    }
}

impl<S: Delete + ?Sized> Layered<S> {
    /// One call, repeated while it fails as a whole.
    async fn delete_once(&self, batch: &[Deletion]) -> Result<Vec<Result<()>>> {
        let doubt = Doubt::default();
        let results = self.simple(Operation::Delete, || doubt.watch(self.inner.delete(batch))).await?;
        Ok(if doubt.arose() { results.into_iter().map(gone_is_deleted).collect() } else { results })
    }
}

/// What an earlier attempt deleted without an acknowledgement is missing now: it is deleted, as was wanted.
fn gone_is_deleted(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[async_trait]
impl<S: Probe + ?Sized> Probe for Layered<S> {
    fn facts(&self) -> Facts {
        self.inner.facts()
    }

    async fn probe(&self, purpose: ProbeFor) -> Result<Facts> {
        self.simple(Operation::Other, || self.inner.probe(purpose)).await
    }
}
