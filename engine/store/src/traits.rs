//! The seams.
//!
//! A read is bounded by its caller (a part, or a small object) and returns whole: so it can be retried from the start, held
//! under the byte budget, and digested as it arrives. Every error leaves the callee usable.

use std::sync::Arc;

use async_trait::async_trait;
use brigade_core::digest::{Digests, Sum, Wanted};
use brigade_core::parts::Part;
use brigade_core::{Availability, Entry, Identity, Key, KeyRange, Metadata};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Facts, Result, Rope};

/// Lists keys and tells the facts of one.
#[async_trait]
pub trait List: Send + Sync {
    /// Starts a listing of the keys in `range`, in byte order. No request is made before the first page is asked for.
    fn list(&self, range: &KeyRange) -> Box<dyn Pages>;

    /// The facts of one object. A missing object is `ErrorKind::NotFound`.
    async fn head(&self, key: &Key) -> Result<Head>;
}

/// A listing that is being read.
#[async_trait]
pub trait Pages: Send {
    /// The next entries, at least one; `None` once at the end. After an error the same call tries the same page again.
    async fn next(&mut self) -> Result<Option<Vec<Entry>>>;
}

/// What a store says of one object when it is asked for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Size of the whole object in bytes, as stored.
    pub size: u64,
    /// Which version.
    pub identity: Identity,
    /// When it was written.
    pub modified: Option<Timestamp>,
    /// Digests of the whole object as the store keeps them; for a ranged read those that came along, often none.
    pub digests: Digests,
    /// Headers and user metadata. Tags are not among them.
    pub metadata: Arc<Metadata>,
    /// How many tags it has, where the store says so.
    pub tags: usize,
    /// Storage class, in the provider's words.
    pub storage_class: Option<Arc<str>>,
    /// Whether its bytes can be read.
    pub availability: Availability,
}

/// A bounded read.
#[derive(Clone, Debug)]
pub struct ReadRequest<'a> {
    /// The object.
    pub key: &'a Key,
    /// Which bytes; `None` for the whole object.
    pub part: Option<Part>,
    /// How many bytes must come: the size of the part or of the object as listed.
    pub size: u64,
    /// The version that must be read. Any other is `ErrorKind::Changed`; a missing one is `ErrorKind::Vanished`.
    pub identity: &'a Identity,
    /// Which checksums are computed as bytes arrive.
    pub wanted: Wanted,
}

/// What a read brought: exactly the bytes asked for, with their digests.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The object's facts, as they came with the bytes.
    pub head: Head,
    /// The bytes.
    pub bytes: Rope,
    /// Digests computed over the bytes as they arrived.
    pub sum: Sum,
}

/// The parts that an object was put together from. Its composite ETag is the same only for a copy that is made of the same parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Size of the first part, in bytes. The others are taken to be as large, and the last one smaller; the ETag shows whether they are.
    pub part_bytes: u64,
    /// How many parts.
    pub count: u32,
}

/// Reads objects.
#[async_trait]
pub trait Read: Send + Sync {
    /// Reads a whole small object or one part, pinned to an identity.
    ///
    /// A store or server that ignores the range or the pin must be noticed: the answer's own range and identity are compared
    /// with what was asked (`ErrorKind::Protocol`, `ErrorKind::Changed`).
    async fn read(&self, request: &ReadRequest<'_>) -> Result<Piece>;

    /// The whole-object digests of this version that its listing did not give: a HEAD for a bucket, a reading for a file.
    async fn digests(&self, entry: &Entry) -> Result<Digests>;

    /// The object's tags; only asked for where its head says that there are any.
    async fn tags(&self, key: &Key, identity: &Identity) -> Result<Vec<(String, String)>>;

    /// How this version was put together, where its identity shows that it was, and the store tells.
    async fn layout(&self, _entry: &Entry) -> Result<Option<Layout>> {
        Ok(None)
    }
}

/// The condition under which a write becomes visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// Only if the key holds nothing. Otherwise `ErrorKind::Conflict`.
    IfAbsent,
    /// Only if the key holds this version. Otherwise `ErrorKind::Conflict`.
    IfMatches(Identity),
}

/// What is written beside the bytes.
#[derive(Clone, Debug)]
pub struct WriteSpec {
    /// Headers, user metadata and tags, already reduced to what the store can carry.
    pub metadata: Arc<Metadata>,
    /// Storage class; `None` for the store's default.
    pub storage_class: Option<Arc<str>>,
    /// The condition.
    pub when: When,
}

/// What the store says of a write.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The version that now is there, where the store names it.
    pub identity: Option<Identity>,
    /// Digests that the store itself computed or checked over what it stored. An echo of our own header on an endpoint that
    /// was not seen to refuse a wrong one does not belong here.
    pub digests: Digests,
}

/// An upload in parts. It can be written down and continued by another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// The key that it will become.
    pub key: Key,
    /// The store's id for it.
    pub id: String,
    /// The name under which the bytes gather, where the store publishes by moving.
    pub staging: Option<String>,
}

/// What the store said of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartReceipt {
    /// Number, from 1.
    pub number: u32,
    /// Size in bytes.
    pub size: u64,
    /// The part's ETag, or whatever the store wants back at completion.
    pub tag: String,
    /// Digests of this part that the store computed or checked.
    pub digests: Digests,
}

/// What completing an upload states about the whole.
#[derive(Clone, Debug)]
pub struct Complete<'a> {
    /// Receipts of all parts, in order.
    pub parts: &'a [PartReceipt],
    /// Size and digests of the whole, combined from the parts as they were read.
    pub sum: Sum,
    /// What is written beside the bytes, as at creation.
    pub spec: &'a WriteSpec,
}

/// An upload that was never finished.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingUpload {
    /// The upload.
    pub upload: Upload,
    /// When it was begun.
    pub started: Option<Timestamp>,
}

/// Writes objects. Nothing becomes visible before it is whole and its digests agree, as far as the store can see to that (p02).
#[async_trait]
pub trait Write: Send + Sync {
    /// Writes a whole object. `md5` is the source's own, sent along where the store checks it. The bytes' digests are in `sum`.
    async fn put(&self, key: &Key, bytes: &Rope, sum: &Sum, md5: Option<[u8; 16]>, spec: &WriteSpec) -> Result<Written>;

    /// Begins an upload in parts of an object of `size` bytes.
    async fn create(&self, key: &Key, size: u64, spec: &WriteSpec) -> Result<Upload>;

    /// Sends one part. Sending the same part again replaces it.
    async fn part(&self, upload: &Upload, part: Part, bytes: &Rope, sum: &Sum) -> Result<PartReceipt>;

    /// Which parts the store holds.
    async fn parts(&self, upload: &Upload) -> Result<Vec<PartReceipt>>;

    /// Makes the object visible under its condition, whole and checked.
    async fn complete(&self, upload: &Upload, complete: &Complete<'_>) -> Result<Written>;

    /// Gives an upload up and frees what it holds. One that is gone already is no error.
    async fn abort(&self, upload: &Upload) -> Result<()>;

    /// Uploads and staging objects below this location that nobody finished, this engine's own only.
    async fn pending(&self) -> Result<Vec<PendingUpload>>;

    /// Removes exactly the version that this engine just wrote and found wrong.
    async fn retract(&self, key: &Key, written: &Identity) -> Result<()>;
}

/// One object to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// The key.
    pub key: Key,
    /// The only version that may be deleted.
    pub identity: Identity,
}

/// Deletes objects. A handle of its own: neither a source nor a target has it.
#[async_trait]
pub trait Delete: Send + Sync {
    /// Deletes each object if it still is the version named; at most `Facts::delete_batch_max` at once. One result each, in order:
    /// `Conflict` where the version is another, `NotFound` where nothing is there, `Locked` where a hold forbids it.
    /// An error of the whole call means that nothing is known of any of them.
    async fn delete(&self, batch: &[Deletion]) -> Result<Vec<Result<()>>>;
}

/// What a probe is for; it asks for no more rights than the run will need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeFor {
    /// Listing and reading.
    Read,
    /// Planning a write: as `Read`, but a root that a write would make counts as empty from now on.
    Plan,
    /// Writing as well.
    Write,
    /// Deleting as well as reading.
    Delete,
}

/// Tells what a store can do.
#[async_trait]
pub trait Probe: Send + Sync {
    /// What is known without asking, or from the last probe.
    fn facts(&self) -> Facts;

    /// Reaches the endpoint, checks that the bucket or root is there, and finds out what it honours. Nothing that existed
    /// before is changed and nothing is left behind.
    async fn probe(&self, purpose: ProbeFor) -> Result<Facts>;
}

/// Where objects come from: it can only list and read.
pub trait Source: List + Read + Probe {}
impl<T: List + Read + Probe> Source for T {}

/// Where objects go.
pub trait Target: List + Read + Write + Probe {}
impl<T: List + Read + Write + Probe> Target for T {}
