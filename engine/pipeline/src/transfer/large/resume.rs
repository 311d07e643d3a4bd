//! Going on with an upload that an earlier run began.
//!
//! It is ours only where the journal says so: the same key, read from the same version of the source, cut in the same way and
//! created with the same metadata. Anything else is given up and begun anew. Uploads of other processes are never looked for.

use std::collections::BTreeMap;

use brigade_core::{ErrorKind, Identity};
use brigade_state::SentPart;
use brigade_store::{PartReceipt, Result};

use crate::ctx::Fatal;
use crate::past::upload_of;

use super::{Going, Large, give_up, spec_text, stays};

/// The upload of an earlier run, ready to be gone on with; `None` where there is none, or where it had to be given up.
pub(super) async fn resumed(large: &Large<'_>, replaces: Option<&Identity>) -> Result<Option<Going>> {
    let (entry, cx) = (large.entry, large.cx);
    let Some(open) = cx.resumable.take(&entry.key) else { return Ok(None) };
    let upload = upload_of(&open);
    if open.source != entry.identity || open.size != entry.size || open.part_bytes != large.part_bytes {
        give_up(cx, open.number, &upload).await;
        return Ok(None);
    }
    let noted = match cx.journal.parts(open.number).await {
        Ok(noted) => noted,
        Err(error) => {
            cx.give_up(Fatal::state(&error));
            return Ok(None);
        }
    };
    let head = match large.look().await {
        Ok(head) => head,
        Err(error) => {
            if !stays(&error, cx) {
                give_up(cx, open.number, &upload).await;
            }
            return Err(error);
        }
    };
    let (spec, dropped) = large.spec(&head, replaces).await?;
    if open.spec != spec_text(&spec) {
        give_up(cx, open.number, &upload).await;
        return Ok(None);
    }
    let sent = match usable(large, noted) {
        // Every part was sent, and the upload may have been completed: completing it again tells.
        noted if noted.len() == usize::try_from(large.count).unwrap_or(usize::MAX) => noted,
        noted => match cx.target.parts(&upload).await {
            Ok(held) => agreed(noted, &held),
            Err(error) if matches!(error.kind, ErrorKind::UploadGone | ErrorKind::NotFound) => {
                give_up(cx, open.number, &upload).await;
                return Ok(None);
            }
            Err(error) => return Err(error.context("cannot go on with the upload of an earlier run")),
        },
    };
    tracing::debug!(key = %entry.key, parts = sent.len(), of = large.count, "going on with the upload of an earlier run");
    Ok(Some(Going { number: open.number, upload, head, spec, dropped, sent, first: None }))
}

/// Parts that lie where this run would cut them, with every checksum that it needs.
fn usable(large: &Large<'_>, noted: Vec<SentPart>) -> BTreeMap<u32, SentPart> {
    let fits = |sent: &SentPart| {
        let offset = u64::from(sent.part.number.saturating_sub(1)) * large.part_bytes;
        let size = large.part_bytes.min(large.entry.size.saturating_sub(offset));
        (1..=large.count).contains(&sent.part.number)
            && (sent.part.offset, sent.part.size, sent.sum.size) == (offset, size, size)
            && sent.sum.crc64nvme.is_some() == large.version.wanted.crc64nvme
    };
    noted.into_iter().filter(fits).map(|sent| (sent.part.number, sent)).collect()
}

/// Parts on which the journal and the store agree.
fn agreed(mut noted: BTreeMap<u32, SentPart>, held: &[PartReceipt]) -> BTreeMap<u32, SentPart> {
    let held: BTreeMap<u32, &PartReceipt> = held.iter().map(|receipt| (receipt.number, receipt)).collect();
    noted.retain(|number, sent| held.get(number).is_some_and(|receipt| receipt.size == sent.part.size && receipt.tag == sent.tag));
    noted
}
