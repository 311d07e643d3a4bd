//! Claims about uploads in parts.

use std::sync::Arc;

use brigade_core::ErrorKind;
use brigade_core::digest::Agreement;
use brigade_core::parts::{Part, ranges};
use tokio::task::JoinSet;

use super::area::{Area, Check, During, cut, ensure, exact, fail, length, noise, refused, rope, same, spec, sum};
use crate::{Complete, PartReceipt, ProofSupport, Upload, When};

/// Bytes of the last part, which may be shorter than any other.
const TAIL_BYTES: usize = 1_025;

/// The smallest real parts, and an object of `whole` such parts and a short one.
pub(super) fn object(area: &Area<'_>, seed: u64, whole: usize) -> (u64, Vec<u8>) {
    let part_bytes = area.facts.parts.part_bytes_min;
    let size = usize::try_from(part_bytes).expect("the smallest part fits in memory") * whole + TAIL_BYTES;
    (part_bytes, noise(seed, size))
}

/// Sends all parts at once, the last one first.
async fn send_at_once(area: &Area<'_>, upload: &Upload, bytes: &[u8], part_bytes: u64) -> Check<Vec<PartReceipt>> {
    let mut parts: Vec<Part> = ranges(length(bytes), part_bytes).collect();
    parts.reverse();
    let mut senders = JoinSet::new();
    for part in parts {
        let (target, upload, body) = (Arc::clone(area.target()), upload.clone(), rope(cut(bytes, part)));
        senders.spawn(async move { target.part(&upload, part, &body, &sum(&body)).await.during(format_args!("part {}", part.number)) });
    }
    let mut receipts = senders.join_all().await.into_iter().collect::<Check<Vec<_>>>()?;
    receipts.sort_by_key(|receipt| receipt.number);
    Ok(receipts)
}

/// p02: nothing is visible before completion, and then everything is.
pub(super) async fn in_parts(area: &Area<'_>) -> Check {
    let key = area.key("a/large");
    let (part_bytes, bytes) = object(area, 1, 2);
    let when = spec(When::Always);
    let upload = area.target().create(&key, length(&bytes), &when).await.during("create")?;
    same("the upload's key", &upload.key, &key)?;
    area.absent(&key, "before any part was sent").await?;
    let receipts = send_at_once(area, &upload, &bytes, part_bytes).await?;
    for (receipt, part) in receipts.iter().zip(ranges(length(&bytes), part_bytes)) {
        same("a receipt's number and size", &(receipt.number, receipt.size), &(part.number, part.size))?;
        let right = sum(&rope(cut(&bytes, part))).digests();
        let told = receipt.digests.agreement(&right);
        ensure(!matches!(told, Agreement::Different(_)), || format!("the receipt of part {} tells a wrong digest", part.number))?;
    }
    area.absent(&key, "before completion").await?;
    let whole = sum(&rope(&bytes));
    let written = area.target().complete(&upload, &Complete { parts: &receipts, sum: whole, spec: &when }).await.during("complete")?;
    match (written.digests.agreement(&whole.digests()), area.facts.upload_proof) {
        (Agreement::Different(algorithm), _) => return fail(format!("completing told a wrong {}", algorithm.name())),
        (Agreement::Unknown, ProofSupport::Crc32c) if receipts.iter().any(|receipt| receipt.digests.crc32c.is_none()) => {
            return fail("upload_proof is Crc32c, and neither the parts nor completing told one");
        }
        _ => {}
    }
    let object = area.object(&key, &bytes, &written).await?;
    for part in ranges(length(&bytes), part_bytes) {
        let piece = area.read(&object, Some(part)).await.during(format_args!("read part {}", part.number))?;
        exact(&format!("part {}", part.number), &piece, cut(&bytes, part))?;
    }
    let entry = area.entry(&key).await?;
    same("the listed size", &entry.size, &length(&bytes))?;
    same("the listed identity", &entry.identity, &object.identity)?;
    same("the identity in the head", &area.head(&key).await?.identity, &object.identity)?;
    same("what is pending afterwards", &pending_ids(area, &upload).await?, &0)
}

pub(super) async fn of_one_part(area: &Area<'_>) -> Check {
    let key = area.key("a");
    let bytes = noise(1, 3);
    let written = area.upload_when(&key, &bytes, When::Always).await?.during("complete an upload of one short part")?;
    let object = area.object(&key, &bytes, &written).await?;
    area.holds(&object).await?;
    // Over an object that exists, without a condition.
    let bytes = noise(2, 40_000);
    let written = area.upload_when(&key, &bytes, When::Always).await?.during("complete an upload over an object")?;
    let object = area.object(&key, &bytes, &written).await?;
    area.holds(&object).await.map(|_| ())
}

/// A part that is sent again replaces the first sending.
pub(super) async fn part_again(area: &Area<'_>) -> Check {
    let key = area.key("a");
    let (part_bytes, bytes) = object(area, 1, 1);
    let when = spec(When::Always);
    let upload = area.target().create(&key, length(&bytes), &when).await.during("create")?;
    for part in ranges(length(&bytes), part_bytes) {
        let body = rope(&noise(99, cut(&bytes, part).len()));
        area.target().part(&upload, part, &body, &sum(&body)).await.during(format_args!("first sending of part {}", part.number))?;
    }
    let receipts = area.upload_parts(&upload, &bytes, part_bytes).await?;
    let complete = Complete { parts: &receipts, sum: sum(&rope(&bytes)), spec: &when };
    let written = area.target().complete(&upload, &complete).await.during("complete")?;
    let object = area.object(&key, &bytes, &written).await?;
    area.holds(&object).await.map(|_| ())
}

/// Another process can ask what is there and go on from it.
pub(super) async fn parts_listed(area: &Area<'_>) -> Check {
    let key = area.key("a");
    let (part_bytes, bytes) = object(area, 1, 1);
    let when = spec(When::Always);
    let upload = area.target().create(&key, length(&bytes), &when).await.during("create")?;
    same("the parts of a new upload", &area.target().parts(&upload).await.during("parts")?.len(), &0)?;
    let mut receipts = Vec::new();
    for part in ranges(length(&bytes), part_bytes) {
        let body = rope(cut(&bytes, part));
        receipts.push(area.target().part(&upload, part, &body, &sum(&body)).await.during("part")?);
        let listed = area.target().parts(&upload).await.during("parts")?;
        let facts = |receipts: &[PartReceipt]| -> Vec<(u32, u64, String)> {
            receipts.iter().map(|receipt| (receipt.number, receipt.size, receipt.tag.clone())).collect()
        };
        same("the listed parts", &facts(&listed), &facts(&receipts))?;
    }
    let listed = area.target().parts(&upload).await.during("parts")?;
    let complete = Complete { parts: &listed, sum: sum(&rope(&bytes)), spec: &when };
    let written = area.target().complete(&upload, &complete).await.during("complete with the listed parts")?;
    let object = area.object(&key, &bytes, &written).await?;
    area.holds(&object).await?;
    refused("parts of a completed upload", area.target().parts(&upload).await, &[ErrorKind::UploadGone])
}

pub(super) async fn abort(area: &Area<'_>) -> Check {
    let key = area.key("a");
    let bytes = noise(1, 10_000);
    let when = spec(When::Always);
    let upload = area.target().create(&key, length(&bytes), &when).await.during("create")?;
    let receipts = area.upload_parts(&upload, &bytes, length(&bytes)).await?;
    area.target().abort(&upload).await.during("abort")?;
    let complete = Complete { parts: &receipts, sum: sum(&rope(&bytes)), spec: &when };
    refused("completing an aborted upload", area.target().complete(&upload, &complete).await, &[ErrorKind::UploadGone])?;
    let part = Part { number: 1, offset: 0, size: length(&bytes) };
    let body = rope(&bytes);
    let late = area.target().part(&upload, part, &body, &sum(&body)).await;
    refused("a part of an aborted upload", late, &[ErrorKind::UploadGone])?;
    area.target().abort(&upload).await.during("abort of what is gone already")?;
    area.absent(&key, "after an aborted upload").await?;
    same("what is pending afterwards", &pending_ids(area, &upload).await?, &0)
}

/// p12: an upload that nobody finished can be found and given up.
pub(super) async fn pending(area: &Area<'_>) -> Check {
    let keys = [area.key("a"), area.key("b/c d+e")];
    let mut uploads = Vec::new();
    for key in &keys {
        let upload = area.target().create(key, 3, &spec(When::Always)).await.during("create")?;
        area.upload_parts(&upload, b"abc", 3).await?;
        uploads.push(upload);
    }
    for upload in &uploads {
        same(&format!("how often the upload of {:?} is pending", upload.key), &pending_ids(area, upload).await?, &1)?;
    }
    let found = area.target().pending().await.during("pending")?;
    for (key, upload) in keys.iter().zip(&uploads) {
        let Some(pending) = found.iter().find(|pending| pending.upload.id == upload.id) else {
            return fail(format!("the upload of {key:?} is not pending"));
        };
        same("the key of what is pending", &pending.upload.key, key)?;
        area.target().abort(&pending.upload).await.during("abort of what was found pending")?;
        same("what is pending after its abort", &pending_ids(area, upload).await?, &0)?;
        area.absent(key, "after its abort").await?;
    }
    Ok(())
}

/// How often an upload is among the pending ones.
async fn pending_ids(area: &Area<'_>, upload: &Upload) -> Check<usize> {
    let pending = area.target().pending().await.during("pending")?;
    Ok(pending.iter().filter(|pending| pending.upload.id == upload.id).count())
}
