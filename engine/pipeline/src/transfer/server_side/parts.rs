//! A large object, or one whose parts must lie as they lie in its original, copied part by part inside the provider.
//!
//! The upload is noted in the journal. A later run goes on with it by what the store says of its parts: each of them was copied
//! from the version that the journal names, and the whole is compared before it becomes visible.

use std::collections::BTreeMap;

use brigade_core::digest::{Agreement, Digests, Sum, composite_etag};
use brigade_core::event::Event;
use brigade_core::job::Verify;
use brigade_core::parts::{Part, ranges};
use brigade_core::{Algorithm, Entry, ErrorKind, Proof};
use brigade_state::Note;
use brigade_store::{CopyBy, CopyComplete, PartReceipt, Result, StoreError, Upload, WriteSpec, Written};
use futures::{StreamExt, TryStreamExt};

use super::{Detour, Trip, Went};
use crate::ctx::{Ctx, Fatal};
use crate::limits::PARTS_AT_ONCE_MAX;
use crate::past::upload_of;
use crate::transfer::large::{give_up, note_begun, spec_text, stays};
use crate::verify::retract;

/// An upload that is being filled.
struct Filling {
    /// Its number in the journal.
    number: u64,
    upload: Upload,
    /// Parts that an earlier run had copied, by number.
    held: BTreeMap<u32, PartReceipt>,
}

impl Trip<'_> {
    /// Copies every part, compares the whole, and makes it visible. An upload that cannot succeed is given up (p12).
    pub(super) async fn in_parts(&self, spec: &WriteSpec, part_bytes: u64) -> Went<(Written, Proof)> {
        let filling = match self.resumed(spec, part_bytes).await? {
            Some(filling) => filling,
            None => self.begin(spec, part_bytes).await?,
        };
        let cx = self.cx;
        let went = self.fill(&filling, spec, part_bytes).await;
        match &went {
            Err(Detour::Failed(error)) if stays(error, cx) => {}
            Err(_) => give_up(cx, filling.number, &filling.upload).await,
            Ok(_) => cx.note(Note::UploadEnded(filling.number)).await,
        }
        went
    }

    async fn begin(&self, spec: &WriteSpec, part_bytes: u64) -> Went<Filling> {
        let (entry, cx) = (self.entry, self.cx);
        let created = self.road.copier().create(&self.origin, &entry.key, spec).await;
        let upload = match created {
            Ok(upload) => upload,
            Err(error) => return Err(self.refused(CopyBy::Parts, error)?.into()),
        };
        let number = note_begun(cx, entry, &upload, part_bytes, copied_spec_text(spec)).await;
        Ok(Filling { number, upload, held: BTreeMap::new() })
    }

    /// The upload of an earlier run, where it was begun for the same version in the same way; any other is given up.
    async fn resumed(&self, spec: &WriteSpec, part_bytes: u64) -> Result<Option<Filling>> {
        let (entry, cx) = (self.entry, self.cx);
        let Some(open) = cx.resumable.take(&entry.key) else { return Ok(None) };
        let upload = upload_of(&open);
        let same = open.source == entry.identity
            && (open.size, open.part_bytes) == (entry.size, part_bytes)
            && open.spec == copied_spec_text(spec);
        let held = if same { cx.target.parts(&upload).await } else { Ok(Vec::new()) };
        let held = match held {
            Ok(held) if same => held,
            Err(error) if !matches!(error.kind, ErrorKind::UploadGone | ErrorKind::NotFound) => {
                return Err(error.context("cannot go on with the upload of an earlier run"));
            }
            _ => {
                give_up(cx, open.number, &upload).await;
                return Ok(None);
            }
        };
        let sizes: BTreeMap<u32, u64> = ranges(entry.size, part_bytes).map(|part| (part.number, part.size)).collect();
        let fits = |receipt: &PartReceipt| sizes.get(&receipt.number) == Some(&receipt.size);
        let held = held.into_iter().filter(fits).map(|receipt| (receipt.number, receipt)).collect();
        Ok(Some(Filling { number: open.number, upload, held }))
    }

    async fn fill(&self, filling: &Filling, spec: &WriteSpec, part_bytes: u64) -> Went<(Written, Proof)> {
        let parts = self.copy_all(filling, part_bytes).await?;
        let proof = self.compare(&parts)?;
        // From here on the object may become visible: what it takes to recognise it as ours must be durable first.
        self.cx.journal.flush().await.map_err(|error| {
            self.cx.give_up(Fatal::state(&error));
            StoreError::new(ErrorKind::Cancelled, "the journal cannot be written")
        })?;
        let complete = CopyComplete { parts: &parts, spec };
        let completed = self.road.copier().complete(&self.origin, &filling.upload, &complete).await;
        let written = match completed {
            Ok(written) => written,
            Err(error) => self.settle(error).await?,
        };
        if let Agreement::Different(algorithm) = self.origin.digests.agreement(&written.digests) {
            return Err(retract(self.cx, &self.entry.key, written.identity.as_ref(), algorithm).await.into());
        }
        Ok((written, proof))
    }

    /// Copies what is missing. When the run is stopped, parts under way are finished and no other is begun.
    async fn copy_all(&self, filling: &Filling, part_bytes: u64) -> Went<Vec<PartReceipt>> {
        let stop = &self.cx.stop;
        let all = ranges(self.entry.size, part_bytes);
        let copies = all.take_while(|_| !stop.is_cancelled()).map(|part| self.copy_one(filling, part));
        let copies = futures::stream::iter(copies).buffer_unordered(PARTS_AT_ONCE_MAX);
        let mut receipts: Vec<PartReceipt> = copies.try_collect().await?;
        let copied: u64 = receipts.iter().map(|receipt| receipt.size).sum();
        if copied != self.entry.size {
            return Err(StoreError::new(ErrorKind::Cancelled, "the run was stopped before every part was copied").into());
        }
        receipts.sort_unstable_by_key(|receipt| receipt.number);
        Ok(receipts)
    }

    async fn copy_one(&self, filling: &Filling, part: Part) -> Went<PartReceipt> {
        let receipt = match filling.held.get(&part.number) {
            Some(held) => held.clone(),
            None => match self.road.copier().part(&self.origin, part, &filling.upload).await {
                Ok(receipt) => receipt,
                Err(error) => return Err(self.refused(CopyBy::Parts, error)?.into()),
            },
        };
        self.cx.observer.observe(&Event::Progress(part.size));
        Ok(receipt)
    }

    /// Compares the parts with what the source stores of the whole, before anything becomes visible (p02).
    fn compare(&self, parts: &[PartReceipt]) -> Went<Proof> {
        let etag = all_md5s(parts).map(composite_etag);
        let same_etag = etag.map(|etag| self.entry.identity.as_etag() == Some(etag.as_str()));
        match (self.origin.digests.agreement(&combined(parts)), same_etag) {
            (Agreement::Same(algorithm), _) => Ok(Proof::Stored(algorithm)),
            (Agreement::Different(algorithm), _) => {
                let message = format!("the parts that the provider copied do not have the {} of their original", algorithm.name());
                Err(StoreError::new(ErrorKind::Corrupt, message).into())
            }
            (Agreement::Unknown, Some(true)) => Ok(Proof::Stored(Algorithm::Md5)),
            (Agreement::Unknown, _) if self.cx.job.verify == Verify::Transport => Ok(Proof::Transport),
            // The parts of the original are not all of one size, or the endpoint tells nothing of those that it copied.
            (Agreement::Unknown, _) => {
                let message = "the parts that the provider copied cannot be compared with their original";
                Err(Detour::Stream(StoreError::new(ErrorKind::Unproven, message)))
            }
        }
    }
}

/// What the journal's note of an upload begins with whose parts are copied: it is never gone on with by sending, nor the other way round.
const COPIED: &str = "server-side ";

fn copied_spec_text(spec: &WriteSpec) -> String {
    format!("{COPIED}{}", spec_text(spec))
}

/// Whether an earlier run has begun to send this version: what it sent counts, so it is gone on with in the same way (p05).
pub(super) fn was_begun_by_sending(entry: &Entry, cx: &Ctx) -> bool {
    cx.resumable.look(&entry.key).is_some_and(|open| open.source == entry.identity && !open.spec.starts_with(COPIED))
}

/// The checksums of the whole, as far as every part has one.
fn combined(parts: &[PartReceipt]) -> Digests {
    let sum =
        |part: &PartReceipt| Sum { crc32c: part.digests.crc32c.unwrap_or_default(), crc64nvme: part.digests.crc64nvme, size: part.size };
    let whole = parts.iter().fold(Sum::EMPTY, |whole, part| whole.then(sum(part)));
    let every_crc32c = parts.iter().all(|part| part.digests.crc32c.is_some());
    Digests { crc32c: every_crc32c.then_some(whole.crc32c), crc64nvme: whole.crc64nvme, md5: None }
}

/// The MD5s of all parts, where the endpoint is known to name them.
fn all_md5s(parts: &[PartReceipt]) -> Option<Vec<[u8; 16]>> {
    parts.iter().map(|part| part.digests.md5).collect()
}
