//! Copies inside one provider: bytes that never pass this machine.
//!
//! A [`ServerCopy`] is a road from one source to one target of the same endpoint, built by the backend that knows both. It is a
//! handle of its own, as deleting is: most pairs of places have none, and nothing but this trait can ask for such a copy. The
//! source is only ever named in it, never written to (p01).
//!
//! Every request pins the version of the source and states the condition of the target, as a read and a write do together. What
//! an endpoint honours of that is probed with the first object that would go this way.

use async_trait::async_trait;
use brigade_core::parts::Part;
use brigade_core::{Digests, Identity, Key};

use crate::{Honoured, PartReceipt, Result, Upload, WriteSpec, Written};

/// The version of an object that is to be copied.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Its key at the source.
    pub key: &'a Key,
    /// The only version that may be copied. Any other is `ErrorKind::Changed`; a missing one is `ErrorKind::Vanished`.
    pub identity: &'a Identity,
    /// Its size in bytes.
    pub size: u64,
    /// What the source stores of it. The copy is asked to keep a checksum by the same algorithm, so that the two can be compared.
    pub digests: Digests,
}

/// How an object is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyBy {
    /// By one operation.
    Whole,
    /// By parts of an upload.
    Parts,
}

/// What an endpoint honours of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyFacts {
    /// The version of the source that a request names.
    pub pinned: Honoured,
    /// The condition at the target. For parts it is that of completing an upload, which the facts of the target tell.
    pub conditional: Honoured,
}

/// What a copy of parts states about the whole when it becomes visible.
#[derive(Clone, Debug)]
pub struct CopyComplete<'a> {
    /// Receipts of all parts, in order.
    pub parts: &'a [PartReceipt],
    /// What is written beside the bytes, as at creation.
    pub spec: &'a WriteSpec,
}

/// Copies objects inside one provider, from one source to one target.
#[async_trait]
pub trait ServerCopy: Send + Sync {
    /// Largest object that [`ServerCopy::copy`] takes, in bytes; larger ones go by parts.
    fn whole_bytes_max(&self) -> u64;

    /// Finds out whether the target's credentials can read the source, and what the endpoint honours. `ErrorKind::Denied` and
    /// `ErrorKind::Unsupported` say that there is no road. Nothing that existed before is changed and nothing is left behind.
    async fn probe(&self, origin: &Origin<'_>, by: CopyBy) -> Result<CopyFacts>;

    /// Copies a whole object under its condition. The digests of the answer are the store's own of what it stored.
    async fn copy(&self, origin: &Origin<'_>, key: &Key, spec: &WriteSpec) -> Result<Written>;

    /// Begins an upload whose parts are copied. It is given up, and its parts are listed, as any other.
    async fn create(&self, origin: &Origin<'_>, key: &Key, spec: &WriteSpec) -> Result<Upload>;

    /// Copies one part.
    async fn part(&self, origin: &Origin<'_>, part: Part, upload: &Upload) -> Result<PartReceipt>;

    /// Makes the copy visible under its condition. Where the source stores a checksum of the whole, it travels along and the store
    /// refuses parts that do not have it.
    async fn complete(&self, origin: &Origin<'_>, upload: &Upload, complete: &CopyComplete<'_>) -> Result<Written>;
}
