//! The journal: what a run notes while it goes on, so that the next one need not start over.
//!
//! It is a cache of progress. The truth is always the two listings: a journal that is lost, cut or damaged costs time and never
//! an object (p06). Notes become durable in groups; whoever needs one to be durable asks for [`Journal::flush`].
//! This is one of the four seams at which faults are injected, so it is a trait.

use async_trait::async_trait;
use brigade_core::digest::Sum;
use brigade_core::known::Batch;
use brigade_core::parts::Part;
use brigade_core::report::{FailureRecord, Totals};
use brigade_core::shard::Marks;
use brigade_core::{Algorithm, Change, Digests, Identity, Key, Known, Shard};

use crate::StateError;

/// Deletes that wait for a clean run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Originals, copied and proven.
    Originals,
    /// Objects that only the target has.
    Extras,
}

/// One delete that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its place in the journal.
    pub row: i64,
    /// The key.
    pub key: Key,
    /// Its size in bytes.
    pub size: u64,
    /// The only version that may be deleted.
    pub identity: Identity,
}

/// An upload that was begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenUpload {
    /// Its number in the journal, from [`Journal::next_upload`].
    pub number: u64,
    /// The key that it will become.
    pub key: Key,
    /// The store's id for it.
    pub id: String,
    /// The name under which the bytes gather, where the store publishes by moving.
    pub staging: Option<String>,
    /// The version of the source that its parts are read from.
    pub source: Identity,
    /// Size of the whole object in bytes.
    pub size: u64,
    /// Size of every part but the last, in bytes.
    pub part_bytes: u64,
    /// What it was created with, in a form that can be compared: headers, metadata, storage class.
    pub spec: String,
}

/// A part that the target has acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentPart {
    /// Its place in the object.
    pub part: Part,
    /// What the store wants back at completion.
    pub tag: String,
    /// Digests of the part that the store computed or checked.
    pub stored: Digests,
    /// Size and checksums of the bytes that were read and sent.
    pub sum: Sum,
    /// The digest by which the target confirmed the part.
    pub proven: Option<Algorithm>,
}

/// One thing to be written down.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// A change of what is known of a key.
    Change(Change),
    /// What is known of many keys now: as [`Change::Set`] for each of them, at a fraction of the cost.
    Batch(Batch),
    /// A delete that waits for the run to end clean.
    Wait {
        /// Which kind.
        table: Table,
        /// The key.
        key: Key,
        /// Its size in bytes.
        size: u64,
        /// The only version that may be deleted.
        identity: Identity,
    },
    /// A line for the report's failures.
    Failure(FailureRecord),
    /// The key failed: the next run tries it first, and it stays a failure until it is proven.
    Quarantine {
        /// The key.
        key: Key,
        /// The error kind.
        kind: &'static str,
    },
    /// The key is proven, or gone from the source.
    Release(Key),
    /// An upload in parts was begun.
    UploadBegun(OpenUpload),
    /// A part of it has arrived.
    PartSent {
        /// The upload's number.
        upload: u64,
        /// The part.
        part: SentPart,
    },
    /// The upload was completed or given up.
    UploadEnded(u64),
    /// How far a shard has been joined, and the sums so far. For people and programs that watch; no run relies on it.
    Cursor {
        /// The shard.
        shard: Shard,
        /// The last key that was compared.
        through: Key,
        /// The run's sums at that moment.
        totals: Box<Totals>,
    },
}

/// What a run notes, and what it asks back.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Notes something. It waits while too many notes are unwritten; it is durable at the latest one commit window later.
    async fn note(&self, note: Note) -> Result<(), StateError>;

    /// Everything noted so far is durable when this returns.
    async fn flush(&self) -> Result<(), StateError>;

    /// This run is about to delete originals. That it was cut short while it did is known to the next run even where everything
    /// that was noted is lost; durable when this returns.
    async fn deleting(&self) -> Result<(), StateError> {
        Ok(())
    }

    /// A number for an upload that nobody had before.
    fn next_upload(&self) -> u64;

    /// How many deletes wait. Everything noted before is counted.
    async fn waiting(&self, table: Table) -> Result<u64, StateError>;

    /// The next deletes after row `after`, at most `limit`, in the order in which they were noted.
    async fn batch(&self, table: Table, after: i64, limit: usize) -> Result<Vec<Waiting>, StateError>;

    /// The deletes that wait for these keys, in the order of the keys; `None` where none waits. Once asked, no more may be noted.
    async fn find(&self, table: Table, keys: &[Key]) -> Result<Vec<Option<Waiting>>, StateError>;

    /// The next failures after row `after`, each with its row, at most `limit`, in the order in which they were noted.
    async fn failures(&self, after: i64, limit: usize) -> Result<Vec<(i64, FailureRecord)>, StateError>;

    /// Uploads that earlier runs began and did not end, in the order of their beginning, at most `limit`.
    async fn uploads(&self, limit: usize) -> Result<Vec<OpenUpload>, StateError>;

    /// The parts of an upload that were noted, in the order of their numbers; of a part that was noted twice the last.
    async fn parts(&self, upload: u64) -> Result<Vec<SentPart>, StateError>;

    /// Keys in quarantine, sorted, at most `limit`, and how many there are.
    async fn quarantined(&self, limit: usize) -> Result<(Vec<Key>, u64), StateError>;
}

/// What earlier runs left known of this job, in key order.
#[async_trait]
pub trait Baseline: Send + Sync {
    /// Starts reading at the first key greater than `after`.
    fn read(&self, after: Option<&Key>) -> Box<dyn KnownPages>;

    /// Keys that divide the records into parts of about the same size, without reading them. A reader that starts after one of
    /// them reads nothing in vain.
    fn marks(&self) -> Marks;
}

/// Records that are being read.
#[async_trait]
pub trait KnownPages: Send {
    /// The next records, at least one; `None` at the end. After an error nothing more comes.
    async fn next(&mut self) -> Result<Option<Vec<Known>>, StateError>;
}
