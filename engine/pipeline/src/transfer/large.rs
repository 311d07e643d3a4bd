//! A large object: parts in parallel, each one ranged read and one part write, then published as a whole.
//!
//! The upload and each acknowledged part are noted in the journal. A run that finds an upload of the same version of the same
//! object goes on with it: a part counts as sent only where the journal and the store agree on it.

mod parts;
mod resume;

use std::collections::BTreeMap;
use std::sync::Arc;

use brigade_core::digest::{Digests, Sum, Wanted, parts_of_etag};
use brigade_core::job::Verify;
use brigade_core::outcome::{Copied, Way};
use brigade_core::parts::{Part, ranges};
use brigade_core::{Algorithm, Entry, ErrorKind, Identity};
use brigade_state::{Note, OpenUpload, SentPart};
use brigade_store::{Complete, Head, PartReceipt, ReadRequest, Result, StoreError, Upload, WriteSpec};

use crate::cpu::Md5Chain;
use crate::ctx::{Ctx, Fatal};
use crate::transfer::{completed, spec};
use crate::verify::{Expected, against_source, prove, settle};
use parts::{Read, Sending, Version};

/// What is needed of one object while its parts travel.
struct Large<'a> {
    entry: &'a Entry,
    part_bytes: u64,
    count: u32,
    version: Arc<Version>,
    cx: &'a Ctx,
}

/// An upload that is under way, with what it takes to finish it.
struct Going {
    /// Its number in the journal.
    number: u64,
    upload: Upload,
    /// The source's facts.
    head: Head,
    spec: WriteSpec,
    dropped: Vec<String>,
    /// Parts that an earlier run sent, by number.
    sent: BTreeMap<u32, SentPart>,
    /// The first part, where it has been read to learn the source's facts.
    first: Option<Read>,
}

/// Copies an object in parts and proves it. Where it fails for good, the upload is given up, so nothing half-done stays (p12);
/// where it may succeed later, the upload stays for the next run.
pub(super) async fn copy(entry: &Entry, replaces: Option<&Identity>, part_bytes: u64, count: u32, cx: &Arc<Ctx>) -> Result<Copied> {
    let wanted = Wanted { crc64nvme: entry.checksum_kept == Some(Algorithm::Crc64nvme) };
    let version = Version { key: entry.key.clone(), identity: entry.identity.clone(), wanted, cx: cx.clone() };
    let large = Large { entry, part_bytes, count, version: Arc::new(version), cx };
    if let Some(going) = resume::resumed(&large, replaces).await? {
        match large.conclude(going).await {
            // It expired, or an earlier run completed it and somebody replaced what it made: the object is sent anew.
            Err(error) if matches!(error.kind, ErrorKind::UploadGone | ErrorKind::NotFound) => {}
            concluded => return concluded,
        }
    }
    let going = large.begin(replaces).await?;
    large.conclude(going).await
}

/// Whether an upload is worth keeping after this error: it says nothing of the object, or the run was stopped.
pub(super) fn stays(error: &StoreError, cx: &Ctx) -> bool {
    cx.stop.is_cancelled() || error.passes() || matches!(error.kind, ErrorKind::Cancelled | ErrorKind::Credentials | ErrorKind::ClockSkew)
}

/// Notes that an upload was begun, and gives it its number.
pub(super) async fn note_begun(cx: &Ctx, entry: &Entry, upload: &Upload, part_bytes: u64, spec: String) -> u64 {
    let number = cx.journal.next_upload();
    if cx.keeps_state() {
        cx.note(Note::UploadBegun(OpenUpload {
            number,
            key: entry.key.clone(),
            id: upload.id.clone(),
            staging: upload.staging.clone(),
            source: entry.identity.clone(),
            size: entry.size,
            part_bytes,
            spec,
        }))
        .await;
    }
    number
}

/// Gives an upload up, at the store and in the journal. One that cannot be given up stays noted, and the next run tries again.
pub(crate) async fn give_up(cx: &Ctx, number: u64, upload: &Upload) {
    match cx.target.abort(upload).await {
        Ok(()) => cx.note(Note::UploadEnded(number)).await,
        Err(left) => {
            tracing::warn!(key = %upload.key, upload = %upload.id, error = %left.message, "an upload could not be given up; the next run tries again, and `brigade cleanup` finds it");
        }
    }
}

impl Large<'_> {
    /// Finishes an upload, and tells the journal what became of it.
    async fn conclude(&self, going: Going) -> Result<Copied> {
        let (cx, number, upload) = (self.cx, going.number, going.upload.clone());
        let copied = self.finish(going).await;
        match &copied {
            Err(error) if stays(error, cx) => {}
            Err(_) => give_up(cx, number, &upload).await,
            Ok(_) => cx.note(Note::UploadEnded(number)).await,
        }
        copied
    }

    /// Begins a fresh upload with what the first part shows of the source.
    async fn begin(&self, replaces: Option<&Identity>) -> Result<Going> {
        let (entry, cx) = (self.entry, self.cx);
        let first_part = ranges(entry.size, self.part_bytes).next().expect("an object in parts has a first part");
        let Some(first) = self.version.fetch(first_part).await? else { return Err(stopped()) };
        let head = completed(&first.piece.head, entry);
        let (spec, dropped) = self.spec(&head, replaces).await?;
        let upload = cx.target.create(&entry.key, entry.size, &spec).await?;
        let number = note_begun(cx, entry, &upload, self.part_bytes, spec_text(&spec)).await;
        Ok(Going { number, upload, head, spec, dropped, sent: BTreeMap::new(), first: Some(first) })
    }

    /// The source's facts as a read of its bytes shows them, at the cost of one byte.
    async fn look(&self) -> Result<Head> {
        let part = Part { number: 1, offset: 0, size: 1 };
        let request =
            ReadRequest { key: &self.entry.key, part: Some(part), size: 1, identity: &self.entry.identity, wanted: Wanted::default() };
        Ok(completed(&self.cx.source.read(&request).await?.head, self.entry))
    }

    /// What is written beside the bytes, and what cannot be.
    async fn spec(&self, head: &Head, replaces: Option<&Identity>) -> Result<(WriteSpec, Vec<String>)> {
        spec(head, self.entry, replaces, self.cx.target_facts.conditional_complete, self.cx).await
    }

    /// Sends what is missing, publishes and proves.
    async fn finish(&self, mut going: Going) -> Result<Copied> {
        let (parts, expected, source_proof) = self.send_all(&mut going).await?;
        // From here on the object may become visible: what it takes to recognise it as ours must be durable first.
        self.cx.journal.flush().await.map_err(|error| {
            self.cx.give_up(Fatal::state(&error));
            StoreError::new(ErrorKind::Cancelled, "the journal cannot be written")
        })?;
        let copied = self.publish(&going, &parts, expected).await?;
        // The same composite ETag says of both ends what no other digest may say of the source.
        let composite = self.entry.identity.as_etag().is_some_and(|etag| parts_of_etag(etag).is_some());
        let same = composite && copied.target.as_ref() == Some(&self.entry.identity);
        let source_proof = source_proof.or(same.then_some(Algorithm::Md5));
        Ok(Copied { source_proof, dropped: going.dropped, source_modified: going.head.modified, ..copied })
    }

    /// Sends every part that is missing and compares the whole with what the source stores, before anything becomes visible.
    async fn send_all(&self, going: &mut Going) -> Result<(Vec<PartReceipt>, Expected, Option<Algorithm>)> {
        let chain = self.md5_chain(&going.head);
        let sending = Sending {
            version: self.version.clone(),
            upload: going.upload.clone(),
            number: going.number,
            chain: chain.as_ref().map(Md5Chain::feed),
        };
        let parts = ranges(self.entry.size, self.part_bytes);
        let mut sent = Arc::new(sending).all(parts, &going.sent, going.first.take()).await?;
        if sent.len() != usize::try_from(self.count).unwrap_or(usize::MAX) {
            return Err(stopped());
        }
        sent.sort_unstable_by_key(|sent| sent.part.number);
        let mut expected = self.expected(&sent);
        if let Some(chain) = chain {
            expected.digests.md5 = chain.finish().await;
        }
        let source_proof = against_source(&expected.digests, &self.stored(&going.head).await?)?;
        Ok((sent.iter().map(receipt).collect(), expected, source_proof))
    }

    /// What is known of the whole from its parts, in order.
    fn expected(&self, sent: &[SentPart]) -> Expected {
        let start = Sum { crc64nvme: self.version.wanted.crc64nvme.then_some(0), ..Sum::EMPTY };
        let sum = sent.iter().fold(start, |whole, sent| whole.then(sent.sum));
        let by_parts = sent.iter().map(|sent| sent.proven).reduce(|one, other| one.and(other)).flatten();
        Expected { sum, digests: sum.digests(), by_parts }
    }

    /// The source's MD5 is worth its CPU only where the source stores nothing better.
    fn md5_chain(&self, head: &Head) -> Option<Md5Chain> {
        let better = self.entry.checksum_kept.is_some() || self.entry.digests.crc32c.is_some() || self.entry.digests.crc64nvme.is_some();
        let useful = head.digests.md5.is_some() && !better && self.cx.job.verify != Verify::Transport;
        useful.then(|| Md5Chain::new(self.count, self.cx.cpu))
    }

    /// What the source stores for the whole. A ranged read carries no digest of the whole, so one that the listing announced
    /// costs one HEAD.
    async fn stored(&self, head: &Head) -> Result<Digests> {
        let known = Digests { md5: head.digests.md5, ..self.entry.digests.or(head.digests) };
        let announced = self.entry.checksum_kept.is_some() && known.crc32c.is_none() && known.crc64nvme.is_none();
        if !announced || self.cx.job.verify == Verify::Transport {
            return Ok(known);
        }
        let kept = self.cx.source.digests(self.entry).await?;
        Ok(Digests { md5: known.md5, ..kept })
    }

    /// Makes the object visible and proves it.
    async fn publish(&self, going: &Going, parts: &[PartReceipt], expected: Expected) -> Result<Copied> {
        let complete = Complete { parts, sum: expected.sum, spec: &going.spec };
        let written = match self.cx.target.complete(&going.upload, &complete).await {
            Ok(written) => written,
            Err(error) => {
                // An earlier run may have completed the upload without living to see the answer.
                let error = if going.sent.is_empty() { error } else { error.possibly_done() };
                settle(self.cx, &self.entry.key, &expected, error.context("cannot complete the upload")).await?
            }
        };
        let proof = prove(self.cx, &self.entry.key, &expected, &written).await?;
        Ok(Copied {
            source: self.entry.identity.clone(),
            target: written.identity,
            proof,
            way: Way::Streamed,
            source_proof: None,
            dropped: Vec::new(),
            size: expected.sum.size,
            digests: expected.digests,
            source_modified: None,
        })
    }
}

fn stopped() -> StoreError {
    StoreError::new(ErrorKind::Cancelled, "the run was stopped before every part was sent")
}

/// What the store wants back at completion.
fn receipt(sent: &SentPart) -> PartReceipt {
    PartReceipt { number: sent.part.number, size: sent.part.size, tag: sent.tag.clone(), digests: sent.stored }
}

/// What an upload was created with, in a form that can be compared. The condition is not part of it: it binds completion only.
pub(super) fn spec_text(spec: &WriteSpec) -> String {
    serde_json::to_string(&(spec.storage_class.as_deref(), &*spec.metadata)).expect("names and texts can always be written as JSON")
}
