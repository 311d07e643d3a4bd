//! A large object: parts in parallel, each one ranged read and one part write, then published as a whole.

use brigade_core::digest::{Digests, Sum, Wanted};
use brigade_core::event::Event;
use brigade_core::job::Verify;
use brigade_core::outcome::Copied;
use brigade_core::parts::{Part, ranges};
use brigade_core::{Algorithm, Entry, ErrorKind, Identity};
use brigade_store::{Complete, Head, PartReceipt, Piece, ProofSupport, ReadRequest, Result, StoreError, Upload, WriteSpec};
use futures::{StreamExt, TryStreamExt};

use crate::carry::carry;
use crate::cpu::{self, Md5Chain};
use crate::ctx::Ctx;
use crate::limits::PARTS_AT_ONCE_MAX;
use crate::memory::Held;
use crate::transfer::{completed, tags, when};
use crate::verify::{Expected, against_source, prove, settle};

/// What is needed of one object while its parts travel.
struct Large<'a> {
    entry: &'a Entry,
    part_bytes: u64,
    count: u32,
    wanted: Wanted,
    cx: &'a Ctx,
}

/// A part that has arrived in the target.
struct Sent {
    receipt: PartReceipt,
    sum: Sum,
    proven: Option<Algorithm>,
}

/// Copies an object in parts and proves it. Whatever fails, the upload is given up, so nothing half-done stays (p12).
pub(super) async fn copy(entry: &Entry, replaces: Option<&Identity>, part_bytes: u64, count: u32, cx: &Ctx) -> Result<Copied> {
    let wanted = Wanted { crc64nvme: entry.checksum_kept == Some(Algorithm::Crc64nvme) };
    let large = Large { entry, part_bytes, count, wanted, cx };
    let first_part = ranges(entry.size, part_bytes).next().expect("an object in parts has a first part");
    let (first, held) = large.read(first_part).await?;
    let head = completed(&first.head, entry);
    let mut dropped = Vec::new();
    let tags = tags(&head, entry, cx, &mut dropped).await?;
    let mut carried = carry(&head, tags, &cx.job, &cx.source_facts, &cx.target_facts);
    carried.dropped.append(&mut dropped);
    let when = when(replaces, cx.target_facts.conditional_complete);
    let spec = WriteSpec { metadata: carried.metadata, storage_class: carried.storage_class, when };
    let upload = cx.target.create(&entry.key, entry.size, &spec).await?;
    let published = match large.send_all(&upload, &head, (first, held)).await {
        Ok((parts, expected, source_proof)) => large.publish(&upload, &spec, &parts, expected).await.map(|copied| (copied, source_proof)),
        Err(error) => Err(error),
    };
    match published {
        Ok((copied, source_proof)) => Ok(Copied { source_proof, dropped: carried.dropped, ..copied }),
        Err(error) => {
            if let Err(left) = cx.target.abort(&upload).await {
                tracing::warn!(key = %entry.key, upload = %upload.id, message = %left.message, "an upload could not be given up; `brigade cleanup` finds it");
            }
            Err(error)
        }
    }
}

impl Large<'_> {
    /// Reads one part under a claim on the budget.
    async fn read(&self, part: Part) -> Result<(Piece, Held)> {
        let held = self.cx.budget.claim(part.size).await;
        let request =
            ReadRequest { key: &self.entry.key, part: Some(part), size: part.size, identity: &self.entry.identity, wanted: self.wanted };
        Ok((self.cx.source.read(&request).await?, held))
    }

    /// Sends every part and compares the whole with what the source stores, before anything becomes visible.
    async fn send_all(
        &self,
        upload: &Upload,
        head: &Head,
        first: (Piece, Held),
    ) -> Result<(Vec<PartReceipt>, Expected, Option<Algorithm>)> {
        let chain = self.md5_chain(head);
        let mut first = Some(first);
        let parts = ranges(self.entry.size, self.part_bytes).map(|part| {
            let read = first.take();
            let chain = chain.as_ref();
            async move {
                let (piece, held) = match read {
                    Some(read) => read,
                    None => self.read(part).await?,
                };
                self.send(upload, part, piece, held, chain).await
            }
        });
        let mut sent: Vec<Sent> = futures::stream::iter(parts).buffer_unordered(PARTS_AT_ONCE_MAX).try_collect().await?;
        sent.sort_unstable_by_key(|sent| sent.receipt.number);
        let start = Sum { crc64nvme: self.wanted.crc64nvme.then_some(0), ..Sum::EMPTY };
        let sum = sent.iter().fold(start, |whole, sent| whole.then(sent.sum));
        let by_parts = sent.iter().map(|sent| sent.proven).reduce(|one, other| one.and(other)).flatten();
        let mut digests = sum.digests();
        if let Some(chain) = chain {
            digests.md5 = chain.finish().await;
        }
        let source_proof = against_source(&digests, &self.stored(head).await?)?;
        let receipts = sent.into_iter().map(|sent| sent.receipt).collect();
        Ok((receipts, Expected { sum, digests, by_parts }, source_proof))
    }

    async fn send(&self, upload: &Upload, part: Part, piece: Piece, held: Held, chain: Option<&Md5Chain>) -> Result<Sent> {
        let receipt = self.cx.target.part(upload, part, &piece.bytes, &piece.sum).await?;
        let proven = self.prove_part(&piece, &receipt).await?;
        self.cx.observer.observe(&Event::Progress(part.size));
        if let Some(chain) = chain {
            chain.push(part.number, piece.bytes, held).await;
        }
        Ok(Sent { receipt, sum: piece.sum, proven })
    }

    /// Compares a part with what the target says of it; the MD5 is only computed where the target names nothing better.
    async fn prove_part(&self, piece: &Piece, receipt: &PartReceipt) -> Result<Option<Algorithm>> {
        let mut digests = piece.sum.digests();
        if self.cx.target_facts.upload_proof == ProofSupport::Md5 && receipt.digests.crc32c.is_none() && receipt.digests.md5.is_some() {
            digests.md5 = Some(cpu::md5(piece.bytes.clone()).await);
        }
        match digests.agreement(&receipt.digests) {
            brigade_core::digest::Agreement::Same(algorithm) => Ok(Some(algorithm)),
            brigade_core::digest::Agreement::Unknown => Ok(None),
            brigade_core::digest::Agreement::Different(algorithm) => Err(StoreError::new(
                ErrorKind::Corrupt,
                format!("the target stored another part {} than was sent: its {} differs", receipt.number, algorithm.name()),
            )),
        }
    }

    /// The source's MD5 is worth its CPU only where the source stores nothing better.
    fn md5_chain(&self, head: &Head) -> Option<Md5Chain> {
        let better = self.entry.checksum_kept.is_some() || self.entry.digests.crc32c.is_some() || self.entry.digests.crc64nvme.is_some();
        let useful = head.digests.md5.is_some() && !better && self.cx.job.verify != Verify::Transport;
        useful.then(|| Md5Chain::new(self.count))
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
    async fn publish(&self, upload: &Upload, spec: &WriteSpec, parts: &[PartReceipt], expected: Expected) -> Result<Copied> {
        let complete = Complete { parts, sum: expected.sum, spec };
        let written = match self.cx.target.complete(upload, &complete).await {
            Ok(written) => written,
            Err(error) => settle(self.cx, &self.entry.key, &expected, error.context("cannot complete the upload")).await?,
        };
        let proof = prove(self.cx, &self.entry.key, &expected, &written).await?;
        Ok(Copied { source: self.entry.identity.clone(), target: written.identity, proof, source_proof: None, dropped: Vec::new() })
    }
}
