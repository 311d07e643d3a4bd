//! Claims about copies inside a provider, where the subject has a road from its location to itself.

use std::sync::Arc;

use brigade_core::digest::Agreement;
use brigade_core::parts::ranges;
use brigade_core::{ErrorKind, Key, Metadata};

use super::area::{Area, Check, During, Object, Shortfall, carrying, ensure, fail, length, needs, noise, refused, same, spec};
use crate::{CopyBy, CopyComplete, Origin, PartReceipt, ServerCopy, Upload, When};

/// Size of the parts of a copy, in bytes: the least that both clouds take.
const PART_BYTES: u64 = 5 << 20;

/// What a source that is another version looks like.
const CHANGED: &[ErrorKind] = &[ErrorKind::Changed];

fn road<'a>(area: &'a Area<'_>) -> Check<&'a Arc<dyn ServerCopy>> {
    area.subject.copy.as_ref().ok_or_else(|| Shortfall::RuledOut("the subject has no road".to_owned()))
}

/// The road, where it goes by parts.
fn road_by_parts<'a>(area: &'a Area<'_>) -> Check<&'a Arc<dyn ServerCopy>> {
    let road = road(area)?;
    let needless = road.whole_bytes_max() == u64::MAX;
    if needless { Err(Shortfall::RuledOut("objects of any size are copied whole".to_owned())) } else { Ok(road) }
}

/// What the store says of an object, as a copy of it is asked for.
async fn origin<'a>(area: &Area<'_>, object: &'a Object) -> Check<Origin<'a>> {
    let digests = area.head(&object.key).await?.digests;
    Ok(Origin { key: &object.key, identity: &object.identity, size: length(&object.bytes), digests })
}

/// Nothing is written, whatever the endpoint honours.
pub(super) async fn probe_leaves_nothing(area: &Area<'_>) -> Check {
    let road = road(area)?;
    let object = area.put(&area.key("a"), b"the first object that is to be copied").await?;
    let before = area.target().pending().await.during("pending")?.len();
    for by in [CopyBy::Whole, CopyBy::Parts] {
        road.probe(&origin(area, &object).await?, by).await.during(format_args!("probe copies {by:?}"))?;
    }
    area.holds(&object).await?;
    same("the keys after a probe", &area.keys().await?, &vec![object.key.clone()])?;
    same("the uploads after a probe", &area.target().pending().await.during("pending")?.len(), &before)
}

/// The bytes, what was asked for beside them and nothing of the original's, and a digest that is that of the original.
pub(super) async fn whole(area: &Area<'_>) -> Check {
    let road = road(area)?;
    let named = |name: &str| Metadata {
        content_type: Some(format!("text/x-{name}")),
        user: [(name.to_owned(), "yes".to_owned())].into(),
        ..Metadata::default()
    };
    for (tail, bytes) in [("small", noise(1, 70_000)), ("empty", Vec::new()), ("a//b c+%20#?&=\u{e9}", noise(2, 1_000))] {
        let key = area.key(tail);
        let body = super::area::rope(&bytes);
        let put = area.target().put(&key, &body, &super::area::sum(&body), None, &carrying(named("original"))).await;
        let object = area.object(&key, &bytes, &put.during("put")?).await?;
        let to = area.key(format!("{tail}, copied"));
        let origin = origin(area, &object).await?;
        let written = road.copy(&origin, &to, &carrying(named("copy"))).await.during("copy")?;
        let copy = area.object(&to, &bytes, &written).await?;
        let head = area.holds(&copy).await?.head;
        let differences = head.metadata.differences(&named("copy"));
        ensure(differences.is_empty(), || format!("the copy differs in {differences:?}: {:?}", head.metadata))?;
        let kept = written.digests.or(area.head(&to).await?.digests);
        let comparable = matches!(origin.digests.agreement(&kept), Agreement::Same(_));
        ensure(comparable, || format!("{kept:?} of the copy cannot be compared with {:?}", origin.digests))?;
        area.holds(&object).await?;
    }
    Ok(())
}

pub(super) async fn pinned(area: &Area<'_>) -> Check {
    let road = road(area)?;
    let old = area.put(&area.key("a"), b"old").await?;
    needs("the pin of a copy", road.probe(&origin(area, &old).await?, CopyBy::Whole).await.during("probe copies")?.pinned)?;
    let of_old = origin(area, &old).await?;
    let new = area.put(&old.key, b"new").await?;
    let to = area.key("copy");
    refused("a copy of a version that is gone", road.copy(&of_old, &to, &spec(When::Always)).await, CHANGED)?;
    let missing = area.key("missing");
    let of_missing = Origin { key: &missing, ..of_old };
    refused("a copy of nothing", road.copy(&of_missing, &to, &spec(When::Always)).await, &[ErrorKind::Vanished])?;
    area.absent(&to, "after refused copies").await?;
    area.holds(&new).await.map(|_| ())
}

pub(super) async fn conditions(area: &Area<'_>) -> Check {
    let road = road(area)?;
    let source = area.put(&area.key("a"), b"source").await?;
    let origin = origin(area, &source).await?;
    needs("the condition of a copy", road.probe(&origin, CopyBy::Whole).await.during("probe copies")?.conditional)?;
    let to = area.key("copy");
    let written = road.copy(&origin, &to, &spec(When::IfAbsent)).await.during("copy if absent to an absent key")?;
    let first = area.object(&to, b"source", &written).await?;
    let other = area.put(&to, b"somebody else's").await?;
    let conflict = &[ErrorKind::Conflict];
    refused("copy if absent to a present key", road.copy(&origin, &to, &spec(When::IfAbsent)).await, conflict)?;
    let stale = spec(When::IfMatches(first.identity));
    refused("copy if matches a stale version", road.copy(&origin, &to, &stale).await, conflict)?;
    area.holds(&other).await?;
    let present = spec(When::IfMatches(other.identity));
    let written = road.copy(&origin, &to, &present).await.during("copy if matches the present version")?;
    area.holds(&area.object(&to, b"source", &written).await?).await.map(|_| ())
}

/// An object in parts and an upload that copies it.
async fn begun(area: &Area<'_>, road: &Arc<dyn ServerCopy>, bytes: &[u8]) -> Check<(Object, Upload)> {
    let key = area.key("source");
    let upload = area.target().create(&key, length(bytes), &spec(When::Always)).await.during("create")?;
    let receipts = area.upload_parts(&upload, bytes, PART_BYTES).await?;
    let complete = crate::Complete { parts: &receipts, sum: super::area::sum(&super::area::rope(bytes)), spec: &spec(When::Always) };
    let written = area.target().complete(&upload, &complete).await.during("complete")?;
    let object = area.object(&key, bytes, &written).await?;
    let copying = road.create(&origin(area, &object).await?, &area.key("copy"), &spec(When::Always)).await.during("create for copies")?;
    Ok((object, copying))
}

/// Parts that are copied are listed, and make the same object.
pub(super) async fn in_parts(area: &Area<'_>) -> Check {
    let road = road_by_parts(area)?;
    let bytes = noise(3, usize::try_from(PART_BYTES).expect("five MiB fit") + 1_000);
    let (object, upload) = begun(area, road, &bytes).await?;
    let origin = origin(area, &object).await?;
    let mut parts: Vec<PartReceipt> = Vec::new();
    for part in ranges(origin.size, PART_BYTES) {
        parts.push(road.part(&origin, part, &upload).await.during(format_args!("copy part {}", part.number))?);
    }
    area.absent(&upload.key, "before it is completed").await?;
    let listed = area.target().parts(&upload).await.during("parts")?;
    let sizes = |parts: &[PartReceipt]| parts.iter().map(|part| (part.number, part.size, part.tag.clone())).collect::<Vec<_>>();
    same("the parts that are listed", &sizes(&listed), &sizes(&parts))?;
    let complete = CopyComplete { parts: &parts, spec: &spec(When::Always) };
    let written = road.complete(&origin, &upload, &complete).await.during("complete a copy")?;
    let copy = area.object(&upload.key, &bytes, &written).await?;
    area.holds(&copy).await?;
    let told = area.target().layout(&area.entry(&object.key).await?).await.during("layout")?;
    match told {
        Some(layout) => {
            same("the layout of the original", &(layout.part_bytes, layout.count), &(PART_BYTES, 2))?;
            same("the identity of a copy in the same parts", &copy.identity, &object.identity)
        }
        None => Ok(()),
    }
}

pub(super) async fn parts_pinned(area: &Area<'_>) -> Check {
    let road = road_by_parts(area)?;
    let bytes = noise(4, usize::try_from(PART_BYTES).expect("five MiB fit") + 1_000);
    let (object, upload) = begun(area, road, &bytes).await?;
    let of_old = origin(area, &object).await?;
    needs("the pin of a part", road.probe(&of_old, CopyBy::Parts).await.during("probe copies")?.pinned)?;
    let mut other = bytes.clone();
    other[0] ^= 1;
    area.put(&object.key, &other).await?;
    let first = ranges(of_old.size, PART_BYTES).next().expect("it has parts");
    refused("a part of a version that is gone", road.part(&of_old, first, &upload).await, CHANGED)?;
    let missing = Key::from("missing");
    let of_missing = Origin { key: &missing, ..of_old };
    refused("a part of nothing", road.part(&of_missing, first, &upload).await, &[ErrorKind::Vanished])?;
    match area.target().parts(&upload).await.during("parts")?.len() {
        0 => area.target().abort(&upload).await.during("abort"),
        count => fail(format!("{count} parts were copied of what was not asked for")),
    }
}
