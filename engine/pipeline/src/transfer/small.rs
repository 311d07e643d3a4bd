//! A small object: one read, one write.

use brigade_core::digest::{Digests, Wanted};
use brigade_core::event::Event;
use brigade_core::job::Verify;
use brigade_core::outcome::{Copied, Way};
use brigade_core::{Algorithm, Entry, Identity};
use brigade_store::{Honoured, ProofSupport, ReadRequest, Result, StoreError, Written};

use jiff::Timestamp;

use crate::ctx::Ctx;
use crate::transfer::{completed, spec};
use crate::verify::{Expected, against_source, prove, settle};

/// What one read and one write showed.
struct Passed {
    expected: Expected,
    source_proof: Option<Algorithm>,
    source_modified: Option<Timestamp>,
    written: Result<Written>,
    dropped: Vec<String>,
}

/// Copies a whole object and proves it.
pub(super) async fn copy(entry: &Entry, replaces: Option<&Identity>, cx: &Ctx) -> Result<Copied> {
    let passed = pass(entry, replaces, cx).await?;
    let written = match passed.written {
        Ok(written) => written,
        Err(error) => settle(cx, &entry.key, &passed.expected, error).await?,
    };
    let proof = prove(cx, &entry.key, &passed.expected, &written).await?;
    cx.observer.observe(&Event::Progress(entry.size));
    Ok(Copied {
        source: entry.identity.clone(),
        target: written.identity,
        proof,
        way: Way::Streamed,
        source_proof: passed.source_proof,
        dropped: passed.dropped,
        size: entry.size,
        digests: passed.expected.digests,
        source_modified: passed.source_modified,
    })
}

/// Reads and writes under one claim on the budget, which ends with this function: what follows may have to read back.
async fn pass(entry: &Entry, replaces: Option<&Identity>, cx: &Ctx) -> Result<Passed> {
    let _held = cx.budget.claim(entry.size).await;
    let wanted = Wanted { crc64nvme: entry.checksum_kept == Some(Algorithm::Crc64nvme) };
    let request = ReadRequest { key: &entry.key, part: None, size: entry.size, identity: &entry.identity, wanted };
    let piece = cx.source.read(&request).await?;
    let stored = piece.head.digests.or(Digests { md5: None, ..entry.digests });
    let mut digests = piece.sum.digests();
    let mut source_proof = against_source(&digests, &stored)?;

    let facts = &cx.target_facts;
    let travels = stored.md5.filter(|_| facts.checks_md5 == Honoured::Yes && source_proof.is_none());
    let target_names_md5 = facts.put_proof == ProofSupport::Md5;
    let source_needs_md5 = source_proof.is_none() && stored.md5.is_some() && travels.is_none() && cx.job.verify != Verify::Transport;
    if source_needs_md5 || (target_names_md5 && travels.is_none()) {
        digests.md5 = Some(cx.cpu.md5(piece.bytes.clone()).await);
        source_proof = source_proof.or(against_source(&digests, &stored)?);
    }

    let head = completed(&piece.head, entry);
    let (spec, dropped) = spec(&head, entry, replaces, facts.conditional_put, cx).await?;
    let written = cx.target.put(&entry.key, &piece.bytes, &piece.sum, travels, &spec).await;
    if travels.is_some() && written.is_ok() {
        digests.md5 = travels;
        source_proof = Some(Algorithm::Md5);
    }
    let expected = Expected { sum: piece.sum, digests, by_parts: None };
    Ok(Passed { expected, source_proof, source_modified: head.modified, written: written.map_err(named), dropped })
}

fn named(error: StoreError) -> StoreError {
    error.context("cannot write the copy")
}
