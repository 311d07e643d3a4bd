//! What passed a door: requests by kind, bytes both ways, and on demand a log of every call and of every body that was written.

use super::arrivals::{Arrival, Traffic};
use crate::fault::Op;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Live counters. Counting is cheap enough to be always on.
#[derive(Debug, Default)]
pub struct Counters {
    by_op: [AtomicU64; Op::ALL.len()],
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    under_way: AtomicU64,
    at_once_max: AtomicU64,
    log: Mutex<Option<Log>>,
}

#[derive(Debug, Default)]
struct Log {
    calls: Vec<Logged>,
    arrivals: Vec<Arrival>,
}

/// Who makes a call, as the call itself says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The access key of its signature; none where it bears no such signature.
    pub access_key: Option<String>,
    /// The bucket and key that a copy reads.
    pub copies: Option<(String, Vec<u8>)>,
}

/// A call in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its kind.
    pub op: Op,
    /// Its bucket; empty when it names none.
    pub bucket: String,
    /// Its key; the prefix of a listing; empty when it names none.
    pub key: Vec<u8>,
    /// Who made it.
    pub caller: Arc<Caller>,
}

/// A request that has arrived and is not answered yet.
#[derive(Debug)]
pub(crate) struct UnderWay<'a>(&'a Counters);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By kind; kinds that did not occur are absent. Entries of a batch are counted, but they are no requests.
    pub by_op: BTreeMap<Op, u64>,
    /// Body bytes received.
    pub received_bytes: u64,
    /// Body bytes sent.
    pub sent_bytes: u64,
}

impl Counts {
    /// How many of one kind.
    pub fn of(&self, op: Op) -> u64 {
        self.by_op.get(&op).copied().unwrap_or_default()
    }

    /// Listing pages, of objects and of versions.
    pub fn list(&self) -> u64 {
        self.sum(&[Op::List, Op::ListVersions])
    }

    /// HEADs and their like.
    pub fn head(&self) -> u64 {
        self.of(Op::Head)
    }

    /// Reads of bytes.
    pub fn get(&self) -> u64 {
        self.of(Op::Get)
    }

    /// Objects written at once.
    pub fn put(&self) -> u64 {
        self.of(Op::Put)
    }

    /// Parts written, resumable chunks included.
    pub fn part(&self) -> u64 {
        self.sum(&[Op::PutPart, Op::ResumableChunk])
    }

    /// Uploads created, resumable sessions included.
    pub fn create(&self) -> u64 {
        self.sum(&[Op::CreateUpload, Op::ResumableStart])
    }

    /// Uploads completed.
    pub fn complete(&self) -> u64 {
        self.of(Op::CompleteUpload)
    }

    /// Uploads aborted.
    pub fn abort(&self) -> u64 {
        self.of(Op::AbortUpload)
    }

    /// Delete requests; a batch is one.
    pub fn delete(&self) -> u64 {
        self.sum(&[Op::Delete, Op::DeleteBatch])
    }

    /// Server-side copies of objects and parts, rewrites, composes and moves.
    pub fn copy(&self) -> u64 {
        self.sum(&[Op::Copy, Op::CopyPart, Op::Compose, Op::Move])
    }

    /// All requests of other kinds.
    pub fn other(&self) -> u64 {
        let named = self.list() + self.head() + self.get() + self.put() + self.part() + self.create();
        self.total() - named - self.complete() - self.abort() - self.delete() - self.copy()
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.by_op.iter().filter(|(op, _)| **op != Op::DeleteEntry).map(|(_, count)| count).sum()
    }

    fn sum(&self, ops: &[Op]) -> u64 {
        ops.iter().map(|op| self.of(*op)).sum()
    }
}

impl Counters {
    /// The counts now.
    pub fn counts(&self) -> Counts {
        let each = Op::ALL.into_iter().zip(&self.by_op).map(|(op, count)| (op, count.load(Ordering::Relaxed)));
        Counts {
            by_op: each.filter(|(_, count)| *count > 0).collect(),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            sent_bytes: self.sent_bytes.load(Ordering::Relaxed),
        }
    }

    /// The most requests that had arrived and were not answered yet at any one moment since the beginning; bodies of answers may still
    /// be on their way. Counted by the S3 server.
    pub fn at_once_max(&self) -> u64 {
        self.at_once_max.load(Ordering::Relaxed)
    }

    /// A request arrives.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        let now = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.at_once_max.fetch_max(now, Ordering::Relaxed);
        UnderWay(self)
    }

    /// Starts again from zero; a log that was on starts again empty.
    pub fn reset(&self) {
        for count in self.by_op.iter().chain([&self.received_bytes, &self.sent_bytes]) {
            count.store(0, Ordering::Relaxed);
        }
        if let Some(log) = &mut *self.log.lock() {
            *log = Log::default();
        }
    }

    /// From now on, every call and every body of a write is kept. Unbounded: for tests.
    pub fn start_log(&self) {
        self.log.lock().get_or_insert_default();
    }

    /// The calls since the log was started, in order; empty when it never was.
    pub fn log(&self) -> Vec<Logged> {
        self.log.lock().as_ref().map(|log| log.calls.clone()).unwrap_or_default()
    }

    /// The bodies of writes since the log was started, in order of their ends; empty when it never was.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.log.lock().as_ref().map(|log| log.arrivals.clone()).unwrap_or_default()
    }

    /// Those from a place in that order on: who looks again and again sees each once.
    pub fn arrivals_from(&self, first: usize) -> Vec<Arrival> {
        self.log.lock().as_ref().and_then(|log| log.arrivals.get(first..)).map(<[_]>::to_vec).unwrap_or_default()
    }

    /// What those in one bucket sum up to.
    pub fn traffic(&self, bucket: &str) -> Traffic {
        let log = self.log.lock();
        let arrivals = log.as_ref().map(|log| log.arrivals.as_slice()).unwrap_or_default();
        Traffic::of(arrivals.iter().filter(|arrival| arrival.bucket == bucket))
    }

    pub(crate) fn count(&self, op: Op, bucket: &str, key: &[u8], caller: &Arc<Caller>) {
        if let Some(at) = Op::ALL.iter().position(|other| *other == op) {
            self.by_op[at].fetch_add(1, Ordering::Relaxed);
        }
        if let Some(log) = &mut *self.log.lock() {
            log.calls.push(Logged { op, bucket: bucket.to_owned(), key: key.to_vec(), caller: Arc::clone(caller) });
        }
    }

    pub(super) fn arrive(&self, arrival: &Arrival) {
        if let Some(log) = &mut *self.log.lock() {
            log.arrivals.push(arrival.clone());
        }
    }

    pub(crate) fn receive(&self, bytes: u64) {
        self.received_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn send(&self, bytes: u64) {
        self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
