//! The key area of one claim, and the steps that claims are made of.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use brigade_core::digest::{Sum, Wanted};
use brigade_core::parts::{Part, ranges};
use brigade_core::{Entry, ErrorKind, Identity, Key, KeyRange, Metadata};
use bytes::Bytes;
use parking_lot::Mutex;

use super::Subject;
use crate::{
    Complete, Deletion, Facts, Head, Honoured, PartReceipt, Piece, ReadRequest, Result, Rope, StoreError, Target, Upload, When, WriteSpec,
    Written,
};

/// Chunk size of the ropes that the suite writes: a body must survive being sent in several pieces.
const CHUNK_BYTES: usize = 100_000;

/// Why a claim does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shortfall {
    /// It was tried and is not so.
    Failed(String),
    /// The store's own facts say that it cannot be so.
    RuledOut(String),
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) => f.write_str(why),
            Self::RuledOut(fact) => write!(f, "ruled out by its facts: {fact}"),
        }
    }
}

/// How every claim ends.
pub(super) type Check<T = ()> = Result<T, Shortfall>;

/// A claim that does not hold, with the reason.
pub(super) fn fail<T>(why: impl Into<String>) -> Check<T> {
    Err(Shortfall::Failed(why.into()))
}

/// Holds, or fails with the reason.
pub(super) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { fail(why()) }
}

/// Fails with both values where they differ.
pub(super) fn same<T: PartialEq + fmt::Debug>(what: &str, seen: &T, expected: &T) -> Check {
    ensure(seen == expected, || format!("{what} is {seen:?} instead of {expected:?}"))
}

/// Goes on only where the facts say yes.
pub(super) fn needs(fact: &str, honoured: Honoured) -> Check {
    match honoured {
        Honoured::Yes => Ok(()),
        other => Err(Shortfall::RuledOut(format!("{fact} is {other:?}"))),
    }
}

/// Adds the step to a store's error.
pub(super) trait During<T> {
    /// Names what was being done.
    fn during(self, what: impl fmt::Display) -> Check<T>;
}

impl<T> During<T> for Result<T> {
    fn during(self, what: impl fmt::Display) -> Check<T> {
        self.map_err(|error| Shortfall::Failed(format!("{what}: {}", describe(&error))))
    }
}

fn describe(error: &StoreError) -> String {
    let status = error.status.map(|status| format!(", status {status}")).unwrap_or_default();
    let code = error.code.as_ref().map(|code| format!(", code {code}")).unwrap_or_default();
    format!("{} ({}{status}{code})", error.message, error.kind)
}

/// The call must fail with one of these kinds.
pub(super) fn refused<T>(what: impl fmt::Display, result: Result<T>, kinds: &[ErrorKind]) -> Check {
    match result {
        Ok(_) => fail(format!("{what} succeeded; it must fail as {}", names(kinds))),
        Err(error) if kinds.contains(&error.kind) => Ok(()),
        Err(error) => fail(format!("{what} failed as {}; it must fail as {}", describe(&error), names(kinds))),
    }
}

fn names(kinds: &[ErrorKind]) -> String {
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" or ")
}

/// Where a claim works.
pub(super) struct Area<'a> {
    /// The store under test.
    pub(super) subject: &'a Subject,
    /// Its facts after probing.
    pub(super) facts: &'a Facts,
    /// The directory, with its slash.
    directory: String,
    /// Keys that were written at once.
    written: Mutex<BTreeSet<Key>>,
}

/// An object that the suite wrote.
pub(super) struct Object {
    pub(super) key: Key,
    pub(super) identity: Identity,
    pub(super) bytes: Vec<u8>,
}

impl Object {
    pub(super) fn deletion(&self) -> Deletion {
        Deletion { key: self.key.clone(), identity: self.identity.clone() }
    }
}

impl<'a> Area<'a> {
    /// A fresh directory named after the claim.
    pub(super) fn new(subject: &'a Subject, facts: &'a Facts, claim: &str) -> Self {
        Self { subject, facts, directory: format!("{claim}-{:08x}/", rand::random::<u32>()), written: Mutex::default() }
    }

    pub(super) fn target(&self) -> &Arc<dyn Target> {
        &self.subject.target
    }

    /// The handle of a process that was started later.
    pub(super) fn later(&self) -> &Arc<dyn Target> {
        &self.subject.later
    }

    /// A key of this area.
    pub(super) fn key(&self, tail: impl AsRef<[u8]>) -> Key {
        Key::new([self.directory.as_bytes(), tail.as_ref()].concat())
    }

    /// Length of what every key of this area begins with, the location's prefix included.
    pub(super) fn prefix_bytes(&self) -> usize {
        self.subject.profile.prefix_bytes + self.directory.len()
    }

    /// Every key of this area: after `dir/`, through `dir0`, which follows `dir/` at once and never exists.
    pub(super) fn range(&self) -> KeyRange {
        let past = format!("{}0", self.directory.trim_end_matches('/'));
        KeyRange { after: Some(self.key("")), through: Some(Key::from(past.as_str())) }
    }

    /// Reads a listing to its end and checks what holds for any: pages are not empty, keys ascend, and lie in the range.
    pub(super) async fn list(&self, range: &KeyRange) -> Check<Vec<Entry>> {
        let mut pages = self.target().list(range);
        let mut entries: Vec<Entry> = Vec::new();
        while let Some(page) = pages.next().await.during("list")? {
            ensure(!page.is_empty(), || "a listing gave an empty page before its end".to_owned())?;
            for entry in page {
                ensure(range.contains(&entry.key), || format!("the listing of {range:?} gave {:?}, which lies outside", entry.key))?;
                if let Some(last) = entries.last() {
                    ensure(last.key < entry.key, || format!("the listing gave {:?} after {:?}: not in byte order", entry.key, last.key))?;
                }
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// The keys of this area as listed.
    pub(super) async fn keys(&self) -> Check<Vec<Key>> {
        Ok(self.list(&self.range()).await?.into_iter().map(|entry| entry.key).collect())
    }

    /// The entry of one key as listed.
    pub(super) async fn entry(&self, key: &Key) -> Check<Entry> {
        let entries = self.list(&self.range()).await?;
        entries.into_iter().find(|entry| entry.key == *key).map_or_else(|| fail(format!("the listing does not show {key:?}")), Ok)
    }

    /// Writes an object, whatever is there.
    pub(super) async fn put(&self, key: &Key, bytes: &[u8]) -> Check<Object> {
        let written = self.put_when(key, bytes, When::Always).await.during(format_args!("put {key:?} of {} B", bytes.len()))?;
        self.object(key, bytes, &written).await
    }

    /// Writes a small object under a condition.
    pub(super) async fn put_when(&self, key: &Key, bytes: &[u8], when: When) -> Result<Written> {
        self.written.lock().insert(key.clone());
        let rope = rope(bytes);
        self.target().put(key, &rope, &sum(&rope), None, &spec(when)).await
    }

    /// What was written, with the identity that the store named or that a head gives.
    pub(super) async fn object(&self, key: &Key, bytes: &[u8], written: &Written) -> Check<Object> {
        let identity = match &written.identity {
            Some(identity) => identity.clone(),
            None => self.head(key).await?.identity,
        };
        Ok(Object { key: key.clone(), identity, bytes: bytes.to_vec() })
    }

    /// The facts of an object that must be there.
    pub(super) async fn head(&self, key: &Key) -> Check<Head> {
        self.target().head(key).await.during(format_args!("head of {key:?}"))
    }

    /// A whole or ranged read.
    pub(super) async fn read(&self, object: &Object, part: Option<Part>) -> Result<Piece> {
        let size = part.map_or_else(|| length(&object.bytes), |part| part.size);
        self.read_sized(object, part, size).await
    }

    /// A read that expects `size` bytes.
    pub(super) async fn read_sized(&self, object: &Object, part: Option<Part>, size: u64) -> Result<Piece> {
        let wanted = Wanted { crc64nvme: true };
        self.target().read(&ReadRequest { key: &object.key, part, size, identity: &object.identity, wanted }).await
    }

    /// The object is there, whole and exact.
    pub(super) async fn holds(&self, object: &Object) -> Check<Piece> {
        let piece = self.read(object, None).await.during(format_args!("read {:?}", object.key))?;
        exact(&format!("the content of {:?}", object.key), &piece, &object.bytes)?;
        Ok(piece)
    }

    /// Neither a head nor the listing shows the key.
    pub(super) async fn absent(&self, key: &Key, when: &str) -> Check {
        refused(format!("head of {key:?} {when}"), self.target().head(key).await, &[ErrorKind::NotFound])?;
        let keys = self.keys().await?;
        ensure(!keys.contains(key), || format!("the listing shows {key:?} {when}"))
    }

    /// Uploads the parts of `bytes` in the order given and returns their receipts in order of number.
    pub(super) async fn upload_parts(&self, upload: &Upload, bytes: &[u8], part_bytes: u64) -> Check<Vec<PartReceipt>> {
        let mut receipts = Vec::new();
        for part in ranges(length(bytes), part_bytes) {
            let rope = rope(cut(bytes, part));
            let sent = self.target().part(upload, part, &rope, &sum(&rope)).await;
            receipts.push(sent.during(format_args!("part {}", part.number))?);
        }
        Ok(receipts)
    }

    /// Begins, fills and completes an upload of one part, and hands over what completing said.
    pub(super) async fn upload_when(&self, key: &Key, bytes: &[u8], when: When) -> Check<Result<Written>> {
        let spec = spec(when);
        self.upload_spec(key, bytes, &spec).await
    }

    /// The same with all that is written beside the bytes. An upload that was refused is given up.
    pub(super) async fn upload_spec(&self, key: &Key, bytes: &[u8], spec: &WriteSpec) -> Check<Result<Written>> {
        let upload = self.target().create(key, length(bytes), spec).await.during("create an upload")?;
        let receipts = self.upload_parts(&upload, bytes, length(bytes)).await?;
        let completed = self.target().complete(&upload, &Complete { parts: &receipts, sum: sum(&rope(bytes)), spec }).await;
        if completed.is_err() {
            self.target().abort(&upload).await.during("abort after a refused complete")?;
        }
        Ok(completed)
    }

    /// Removes what the claim left: a store that mistakes one claim's keys would fail the claims that list beside them.
    pub(super) async fn sweep(&self) -> Check {
        // What cannot be swept in one way may be in the other.
        let uploads = self.sweep_uploads().await;
        self.sweep_objects().await.and(uploads)
    }

    async fn sweep_uploads(&self) -> Check {
        for pending in self.target().pending().await.during("pending")? {
            if pending.upload.key.as_bytes().starts_with(self.directory.as_bytes()) {
                self.target().abort(&pending.upload).await.during("abort")?;
            }
        }
        Ok(())
    }

    async fn sweep_objects(&self) -> Check {
        let (deletions, listed) = match self.list(&self.range()).await {
            Ok(entries) => {
                let listed = entries.into_iter().map(|entry| Deletion { key: entry.key, identity: entry.identity });
                (listed.collect(), Ok(()))
            }
            Err(shortfall) => (self.written_deletions().await, Err(shortfall)),
        };
        for batch in deletions.chunks(self.facts.delete_batch_max.max(1)) {
            self.subject.delete.delete(batch).await.during("delete")?;
        }
        listed
    }

    /// What is still there of the keys that were written.
    async fn written_deletions(&self) -> Vec<Deletion> {
        let written = self.written.lock().clone();
        let mut deletions = Vec::new();
        for key in written {
            if let Ok(head) = self.target().head(&key).await {
                deletions.push(Deletion { key, identity: head.identity });
            }
        }
        deletions
    }
}

/// Bytes, size and digests of a piece are exactly those of `expected`.
pub(super) fn exact(what: &str, piece: &Piece, expected: &[u8]) -> Check {
    let bytes = piece.bytes.to_vec();
    if bytes != expected {
        let at = bytes.iter().zip(expected).position(|(seen, right)| seen != right);
        return fail(format!("{what} is wrong: {} B instead of {} B, first difference at {at:?}", bytes.len(), expected.len()));
    }
    same(&format!("the sum of {what}"), &piece.sum, &sum(&rope(expected)))
}

/// No metadata, a condition.
pub(super) fn spec(when: When) -> WriteSpec {
    WriteSpec { metadata: Arc::default(), storage_class: None, when }
}

/// Metadata, no condition.
pub(super) fn carrying(metadata: Metadata) -> WriteSpec {
    WriteSpec { metadata: Arc::new(metadata), storage_class: None, when: When::Always }
}

/// The bytes in several chunks.
pub(super) fn rope(bytes: &[u8]) -> Rope {
    bytes.chunks(CHUNK_BYTES).map(Bytes::copy_from_slice).collect()
}

/// All checksums of a rope.
pub(super) fn sum(rope: &Rope) -> Sum {
    rope.sum(Wanted { crc64nvme: true })
}

/// The part of `bytes` that `part` names.
pub(super) fn cut(bytes: &[u8], part: Part) -> &[u8] {
    let offset = usize::try_from(part.offset).expect("the suite's objects fit in memory");
    let size = usize::try_from(part.size).expect("the suite's objects fit in memory");
    &bytes[offset..offset + size]
}

pub(super) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a slice length fits in 64 bits")
}

/// Bytes that repeat nowhere near, so that a shifted or swapped part is noticed (xorshift64*).
pub(super) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
