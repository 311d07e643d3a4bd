//! Claims about one object: writing it whole and reading it back.

use brigade_core::ErrorKind;
use brigade_core::digest::Agreement;
use brigade_core::parts::Part;

use super::area::{Area, Check, During, cut, ensure, exact, fail, length, noise, refused, rope, same, sum};
use crate::ProofSupport;

/// Sizes with borders in them: nothing, a byte, and more than any buffer.
const SIZES: [usize; 3] = [0, 1, 1 << 20];

pub(super) async fn put_and_read_back(area: &Area<'_>) -> Check {
    for (seed, size) in (1..).zip(SIZES) {
        let key = area.key(format!("{size}"));
        let object = area.put(&key, &noise(seed, size)).await?;
        let piece = area.holds(&object).await?;
        same("the size in the read's head", &piece.head.size, &length(&object.bytes))?;
        same("the identity in the read's head", &piece.head.identity, &object.identity)?;
        same("the listed size", &area.entry(&key).await?.size, &length(&object.bytes))?;
    }
    Ok(())
}

/// Whatever digest a store tells is that of the bytes, and it tells the one that its facts announce.
pub(super) async fn digests_are_right(area: &Area<'_>) -> Check {
    for (seed, size) in (1..).zip(SIZES) {
        let key = area.key(format!("{size}"));
        let bytes = noise(seed, size);
        let right = sum(&rope(&bytes)).digests();
        let agrees = |what: &str, digests: &brigade_core::Digests| match digests.agreement(&right) {
            Agreement::Different(algorithm) => fail(format!("the {} {what} is not that of the bytes ({size} B)", algorithm.name())),
            _ => Ok(()),
        };
        let written = area.put_when(&key, &bytes, crate::When::Always).await.during("put")?;
        agrees("in the answer to the put", &written.digests)?;
        match area.facts.put_proof {
            ProofSupport::Crc32c => {
                ensure(written.digests.crc32c.is_some(), || "put_proof is Crc32c, and a put answered without one".to_owned())?;
            }
            ProofSupport::Md5 => {
                ensure(written.digests.md5.is_some(), || "put_proof is Md5, and a put answered without one".to_owned())?;
            }
            ProofSupport::None => {}
        }
        let entry = area.entry(&key).await?;
        agrees("in the listing", &entry.digests)?;
        agrees("in the head", &area.head(&key).await?.digests)?;
        agrees("from digests()", &area.target().digests(&entry).await.during("digests")?)?;
    }
    Ok(())
}

/// One version has one identity, whoever names it.
pub(super) async fn put_identity(area: &Area<'_>) -> Check {
    let key = area.key("a");
    let written = area.put_when(&key, b"one", crate::When::Always).await.during("put")?;
    let Some(identity) = written.identity else {
        return fail("a put does not name the version that it wrote");
    };
    same("the identity in the listing", &area.entry(&key).await?.identity, &identity)?;
    same("the identity in the head", &area.head(&key).await?.identity, &identity)?;
    let other = area.put(&key, b"two").await?;
    ensure(other.identity != identity, || format!("other content kept the identity {identity}"))
}

pub(super) async fn overwrite_replaces(area: &Area<'_>) -> Check {
    let key = area.key("a");
    area.put(&key, &noise(1, 3_000)).await?;
    for (seed, size) in [(2, 10), (3, 20_000), (4, 0)] {
        let object = area.put(&key, &noise(seed, size)).await?;
        area.holds(&object).await?;
    }
    same("the number of keys after overwriting", &area.keys().await?.len(), &1)
}

pub(super) async fn head(area: &Area<'_>) -> Check {
    let object = area.put(&area.key("a/b"), &noise(1, 1_234)).await?;
    let (head, entry) = (area.head(&object.key).await?, area.entry(&object.key).await?);
    same("the size", &head.size, &1_234)?;
    same("the identity", &head.identity, &object.identity)?;
    same("the availability", &head.availability, &brigade_core::Availability::Ready)?;
    let (Some(one), Some(other)) = (head.modified, entry.modified) else {
        return fail(format!("head says modified {:?}, the listing {:?}; both must say", head.modified, entry.modified));
    };
    let seconds_apart = one.as_second().abs_diff(other.as_second());
    ensure(seconds_apart <= 1, || format!("head says modified {one}, the listing {other}"))
}

pub(super) async fn head_of_missing(area: &Area<'_>) -> Check {
    let there = area.put(&area.key("there"), b"x").await?;
    for missing in ["ther", "there2", "no/such/key"] {
        let key = area.key(missing);
        refused(format!("head of {key:?}, which is missing"), area.target().head(&key).await, &[ErrorKind::NotFound])?;
    }
    area.holds(&there).await.map(|_| ())
}

/// p07: versions never mix.
pub(super) async fn read_pinned_to_old_version(area: &Area<'_>) -> Check {
    let key = area.key("a");
    let old = area.put(&key, &noise(1, 5_000)).await?;
    let new = area.put(&key, &noise(2, 5_000)).await?;
    let part = Part { number: 2, offset: 1_000, size: 1_000 };
    refused("a read pinned to the version before", area.read(&old, None).await, &[ErrorKind::Changed])?;
    refused("a ranged read pinned to the version before", area.read(&old, Some(part)).await, &[ErrorKind::Changed])?;
    area.holds(&new).await.map(|_| ())
}

pub(super) async fn read_of_deleted(area: &Area<'_>) -> Check {
    let object = area.put(&area.key("a"), &noise(1, 5_000)).await?;
    let deleted = area.subject.delete.delete(&[object.deletion()]).await.during("delete")?;
    for result in deleted {
        result.during("delete of one key")?;
    }
    let part = Part { number: 1, offset: 0, size: 1_000 };
    refused("a read of a deleted object", area.read(&object, None).await, &[ErrorKind::Vanished])?;
    refused("a ranged read of a deleted object", area.read(&object, Some(part)).await, &[ErrorKind::Vanished])
}

pub(super) async fn ranged_reads(area: &Area<'_>) -> Check {
    let object = area.put(&area.key("a"), &noise(1, 300_001)).await?;
    let ranges = [(0, 1), (0, 100_000), (99_999, 100_002), (200_000, 100_001), (300_000, 1), (0, 300_001)];
    for (number, (offset, size)) in (1..).zip(ranges) {
        let part = Part { number, offset, size };
        let piece = area.read(&object, Some(part)).await.during(format_args!("read {size} B at {offset}"))?;
        exact(&format!("what was read at {offset}"), &piece, cut(&object.bytes, part))?;
        same("the whole object's size in a ranged read's head", &piece.head.size, &300_001)?;
        same("the identity in a ranged read's head", &piece.head.identity, &object.identity)?;
    }
    Ok(())
}

/// A body of another length than asked for is never taken.
pub(super) async fn read_of_wrong_size(area: &Area<'_>) -> Check {
    let object = area.put(&area.key("a"), &noise(1, 5_000)).await?;
    for size in [0, 4_999, 5_001, 10_000] {
        let result = area.read_sized(&object, None, size).await;
        ensure(result.is_err(), || format!("a read of 5,000 B that expects {size} B succeeded"))?;
    }
    for (offset, size) in [(4_990, 20), (5_000, 1), (6_000, 10)] {
        let result = area.read(&object, Some(Part { number: 1, offset, size })).await;
        ensure(result.is_err(), || format!("a read of {size} B at {offset} of 5,000 B succeeded"))?;
    }
    area.holds(&object).await.map(|_| ())
}
