//! Claims about uploads that outlive the process that began them.
//!
//! A later process has only what was written down: the upload, and the receipts of parts. It asks which parts are there, sends
//! the others and completes. It reuses a part only where its own notes and the store agree, so a store that lists a part that
//! it does not hold, or takes a gone upload for an empty one, would lose an object.

use std::sync::Arc;

use brigade_core::parts::{Part, ranges};
use brigade_core::{ErrorKind, Key};
use tokio::task::JoinSet;

use super::area::{Area, Check, During, cut, length, noise, refused, rope, same, spec, sum};
use super::uploads::object;
use crate::{Complete, PartReceipt, Target, Upload, When};

/// Parts of the longest upload of the suite: more than a page of any store, and not a whole number of pages.
const MANY_PARTS: u32 = 1_005;

/// Parts of it that are sent at once.
const SENDERS: usize = 8;

/// Bytes of each of them. No store asks for more before completion.
const SHORT_PART_BYTES: u64 = 11;

/// What a process compares: number, size and tag.
fn facts(receipts: &[PartReceipt]) -> Vec<(u32, u64, String)> {
    receipts.iter().map(|receipt| (receipt.number, receipt.size, receipt.tag.clone())).collect()
}

async fn create(area: &Area<'_>, key: &Key, size: u64) -> Check<Upload> {
    area.target().create(key, size, &spec(When::Always)).await.during("create")
}

async fn send(target: &Arc<dyn Target>, upload: &Upload, part: Part, bytes: &[u8]) -> Check<PartReceipt> {
    let body = rope(bytes);
    target.part(upload, part, &body, &sum(&body)).await.during(format_args!("part {}", part.number))
}

async fn listed(target: &Arc<dyn Target>, upload: &Upload) -> Check<Vec<(u32, u64, String)>> {
    Ok(facts(&target.parts(upload).await.during("parts")?))
}

/// p05: a handle that was made later lists the parts, sends the rest and completes with receipts of both.
pub(super) async fn continued(area: &Area<'_>) -> Check {
    let key = area.key("a/large");
    let (part_bytes, bytes) = object(area, 1, 2);
    let upload = create(area, &key, length(&bytes)).await?;
    let parts: Vec<Part> = ranges(length(&bytes), part_bytes).collect();
    let mut receipts = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let target = if at == 0 { area.target() } else { area.later() };
        same(&format!("the parts listed before part {}", part.number), &listed(area.later(), &upload).await?, &facts(&receipts))?;
        receipts.push(send(target, &upload, *part, cut(&bytes, *part)).await?);
    }
    same("the parts listed at the end", &listed(area.later(), &upload).await?, &facts(&receipts))?;
    let complete = Complete { parts: &receipts, sum: sum(&rope(&bytes)), spec: &spec(When::Always) };
    let written = area.later().complete(&upload, &complete).await.during("complete by a later handle")?;
    let object = area.object(&key, &bytes, &written).await?;
    area.holds(&object).await.map(|_| ())
}

/// A part that was sent twice is one part, and it is the later one.
pub(super) async fn part_again_listed(area: &Area<'_>) -> Check {
    let (part_bytes, bytes) = object(area, 1, 1);
    let upload = create(area, &area.key("a"), length(&bytes)).await?;
    let mut latest = Vec::new();
    for part in ranges(length(&bytes), part_bytes) {
        let other = noise(99, cut(&bytes, part).len());
        send(area.target(), &upload, part, &other).await?;
        latest.push(send(area.later(), &upload, part, cut(&bytes, part)).await?);
        same("the parts listed after one was sent again", &listed(area.later(), &upload).await?, &facts(&latest))?;
    }
    area.target().abort(&upload).await.during("abort")
}

/// An upload that was aborted or completed is gone, whoever asks: it is neither empty nor another error.
pub(super) async fn gone(area: &Area<'_>) -> Check {
    let (aborted, completed) = (area.key("aborted"), area.key("completed"));
    let bytes = noise(1, 10_000);
    let part = Part { number: 1, offset: 0, size: length(&bytes) };
    for key in [&aborted, &completed] {
        let upload = create(area, key, part.size).await?;
        let receipt = send(area.target(), &upload, part, &bytes).await?;
        if *key == aborted {
            area.target().abort(&upload).await.during("abort")?;
        } else {
            let complete = Complete { parts: &[receipt], sum: sum(&rope(&bytes)), spec: &spec(When::Always) };
            area.target().complete(&upload, &complete).await.during("complete")?;
        }
        let body = rope(&bytes);
        for target in [area.target(), area.later()] {
            refused(format!("parts of the upload of {key:?}"), target.parts(&upload).await, &[ErrorKind::UploadGone])?;
            let late = target.part(&upload, part, &body, &sum(&body)).await;
            refused(format!("a part of the upload of {key:?}"), late, &[ErrorKind::UploadGone])?;
            target.abort(&upload).await.during(format_args!("abort of the upload of {key:?}, which is gone"))?;
        }
    }
    area.absent(&aborted, "after an aborted upload").await?;
    let head = area.head(&completed).await?;
    same("the size of the completed object after its upload was aborted", &head.size, &part.size)
}

/// Two uploads of one key know nothing of each other, and the end of one is not the end of the other.
pub(super) async fn of_one_key(area: &Area<'_>) -> Check {
    let key = area.key("a");
    let (part_bytes, bytes) = object(area, 1, 1);
    let one = create(area, &key, length(&bytes)).await?;
    let other = create(area, &key, length(&bytes)).await?;
    let parts: Vec<Part> = ranges(length(&bytes), part_bytes).collect();
    let theirs = noise(2, cut(&bytes, parts[0]).len());
    let foreign = send(area.target(), &one, parts[0], &theirs).await?;
    same("the parts of the other upload", &listed(area.target(), &other).await?, &Vec::new())?;
    let mut receipts = Vec::new();
    for part in &parts {
        receipts.push(send(area.target(), &other, *part, cut(&bytes, *part)).await?);
    }
    same("the parts of the first upload", &listed(area.target(), &one).await?, &facts(&[foreign]))?;
    same("the parts of the other upload", &listed(area.target(), &other).await?, &facts(&receipts))?;
    area.target().abort(&one).await.during("abort of the first upload")?;
    same("the parts of the other upload after the first was aborted", &listed(area.target(), &other).await?, &facts(&receipts))?;
    let complete = Complete { parts: &receipts, sum: sum(&rope(&bytes)), spec: &spec(When::Always) };
    let written = area.target().complete(&other, &complete).await.during("complete")?;
    let object = area.object(&key, &bytes, &written).await?;
    area.holds(&object).await.map(|_| ())
}

/// Every part is listed once, however many pages they fill. The upload is given up: its parts are too short to be joined.
pub(super) async fn many_parts(area: &Area<'_>) -> Check {
    let bytes = noise(1, usize::try_from(u64::from(MANY_PARTS) * SHORT_PART_BYTES).expect("a few thousand"));
    let upload = create(area, &area.key("a"), length(&bytes)).await?;
    let mut parts = ranges(length(&bytes), SHORT_PART_BYTES);
    let mut senders = JoinSet::new();
    let mut receipts = Vec::new();
    loop {
        while senders.len() < SENDERS
            && let Some(part) = parts.next()
        {
            let (target, upload, body) = (Arc::clone(area.target()), upload.clone(), cut(&bytes, part).to_vec());
            senders.spawn(async move { send(&target, &upload, part, &body).await });
        }
        let Some(sent) = senders.join_next().await else { break };
        receipts.push(sent.expect("a sender does not panic")?);
    }
    receipts.sort_by_key(|receipt| receipt.number);
    let seen = listed(area.later(), &upload).await?;
    same("the number of listed parts", &seen.len(), &receipts.len())?;
    same("the listed parts", &seen, &facts(&receipts))?;
    area.target().abort(&upload).await.during("abort")
}
