//! How an object is cut so that its copy gets the ETag of its original (`--preserve-etag`).
//!
//! The ETag of an S3 object in one piece is its MD5, that of one in parts the MD5 of the MD5s of its parts. So a copy has the same
//! one where it is made of the same parts. Where that cannot be (encryption by keys that somebody manages, parts of several sizes,
//! parts that the target or the memory cannot take) the object is copied as any other, and the report counts its ETag as left behind.

use brigade_core::Entry;
use brigade_core::digest::{md5_from_etag, parts_of_etag};
use brigade_core::parts::PartPlan;
use brigade_store::Result;

use crate::ctx::Ctx;

/// The cut that keeps the ETag; `None` where none is known to.
pub(super) async fn cut(entry: &Entry, cx: &Ctx) -> Result<Option<PartPlan>> {
    let Some(etag) = entry.identity.as_etag() else { return Ok(None) };
    let Some(count) = parts_of_etag(etag) else {
        let whole = md5_from_etag(etag).is_some() && entry.size <= cx.target_facts.parts.put_bytes_max.min(cx.job.memory_bytes);
        return Ok(whole.then_some(PartPlan::Whole));
    };
    let part_bytes = aligned(entry, count, cx).await?.filter(|part_bytes| *part_bytes <= cx.job.memory_bytes);
    Ok(part_bytes.map(|part_bytes| PartPlan::Parts { part_bytes, count }))
}

/// The part size by which a copy gets the composite ETag of its original, where the target takes parts so large.
pub(super) async fn aligned(entry: &Entry, count: u32, cx: &Ctx) -> Result<Option<u64>> {
    let limits = &cx.target_facts.parts;
    let Some(layout) = cx.source.layout(entry).await? else { return Ok(None) };
    let fits = layout.part_bytes > 0
        && layout.count == count
        && u64::from(count) == entry.size.div_ceil(layout.part_bytes)
        && count <= limits.parts_max
        && layout.part_bytes <= limits.part_bytes_max
        && (count == 1 || layout.part_bytes >= limits.part_bytes_min);
    Ok(fits.then_some(layout.part_bytes))
}
