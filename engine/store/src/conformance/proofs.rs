//! Claims about wrong digests (p02): what does not match is refused and never visible, or the answer reveals it.

use brigade_core::digest::{Agreement, Digests, Sum};
use brigade_core::parts::Part;
use brigade_core::{ErrorKind, Key};

use super::area::{Area, Check, During, ensure, fail, needs, noise, refused, rope, same, spec, sum};
use crate::{Complete, ProofSupport, Result, When};

/// MD5 of `hello world`.
const HELLO_WORLD_MD5: [u8; 16] = [0x5e, 0xb6, 0x3b, 0xbb, 0xe0, 0x1e, 0xee, 0xd0, 0x93, 0xcb, 0x22, 0xbb, 0x8f, 0x5a, 0xcd, 0xc3];

/// How a digest that does not match is refused.
const CORRUPT: &[ErrorKind] = &[ErrorKind::Corrupt];

/// The sum of other bytes of the same length.
fn wrong(right: Sum) -> Sum {
    Sum { crc32c: right.crc32c ^ 1, crc64nvme: right.crc64nvme.map(|crc| crc ^ 1), ..right }
}

/// An answer to a write with a wrong sum must refuse it as corrupt, or tell digests that contradict the sum. Digests that
/// repeat the wrong sum would prove a wrong object; no digest at all is honest only where the facts promise none.
fn revealed(what: &str, answer: Result<Digests>, claimed: &Sum, promised: ProofSupport) -> Check<Visible> {
    let digests = match answer {
        Err(error) if CORRUPT.contains(&error.kind) => return Ok(Visible::No),
        Err(error) => return fail(format!("{what} was refused as {}, not as corrupt: {error}", error.kind)),
        Ok(digests) => digests,
    };
    match digests.agreement(&claimed.digests()) {
        Agreement::Different(_) => Ok(Visible::Perhaps),
        Agreement::Same(algorithm) => fail(format!("{what} was accepted, and the answer confirms the wrong {}", algorithm.name())),
        Agreement::Unknown if promised == ProofSupport::Crc32c => {
            fail(format!("{what} was accepted and the answer reveals nothing, although the facts promise a CRC-32C"))
        }
        Agreement::Unknown => Ok(Visible::Perhaps),
    }
}

/// Whether the store may show an object after a write with a wrong sum.
#[derive(PartialEq)]
enum Visible {
    /// It refused the write.
    No,
    /// It took the write and said so truthfully; the engine retracts it.
    Perhaps,
}

async fn unseen_if_refused(area: &Area<'_>, key: &Key, visible: Visible) -> Check {
    match visible {
        Visible::No => area.absent(key, "after a refused write").await,
        Visible::Perhaps => Ok(()),
    }
}

pub(super) async fn wrong_sum_put(area: &Area<'_>) -> Check {
    let key = area.key("a");
    for size in [0, 11, 250_000] {
        let body = rope(&noise(1, size));
        let claimed = wrong(sum(&body));
        let answer = area.target().put(&key, &body, &claimed, None, &spec(When::Always)).await;
        let what = format!("a put of {size} B with a wrong sum");
        let visible = revealed(&what, answer.map(|written| written.digests), &claimed, area.facts.put_proof)?;
        unseen_if_refused(area, &key, visible).await?;
    }
    // A wrong write over a good object must leave it alone, where it is refused at all.
    let kept = area.put(&area.key("kept"), b"hello world").await?;
    let body = rope(b"hello there");
    let claimed = wrong(sum(&body));
    let answer = area.target().put(&kept.key, &body, &claimed, None, &spec(When::Always)).await;
    let what = "an overwriting put with a wrong sum";
    if revealed(what, answer.map(|written| written.digests), &claimed, area.facts.put_proof)? == Visible::No {
        area.holds(&kept).await?;
    }
    Ok(())
}

pub(super) async fn wrong_md5_put(area: &Area<'_>) -> Check {
    needs("checks_md5", area.facts.checks_md5)?;
    let body = rope(b"hello world");
    let put = |key: Key, md5: [u8; 16]| {
        let (target, body) = (area.target().clone(), body.clone());
        async move { target.put(&key, &body, &sum(&body), Some(md5), &spec(When::Always)).await }
    };
    let bad = area.key("bad");
    refused("a put with a wrong MD5", put(bad.clone(), [7; 16]).await, CORRUPT)?;
    area.absent(&bad, "after a refused put").await?;
    let good = area.key("good");
    let written = put(good.clone(), HELLO_WORLD_MD5).await.during("a put with the right MD5")?;
    let object = area.object(&good, b"hello world", &written).await?;
    area.holds(&object).await.map(|_| ())
}

pub(super) async fn wrong_sum_part(area: &Area<'_>) -> Check {
    let key = area.key("a");
    let bytes = noise(1, 10_000);
    let upload = area.target().create(&key, 10_000, &spec(When::Always)).await.during("create")?;
    let body = rope(&bytes);
    let claimed = wrong(sum(&body));
    let part = Part { number: 1, offset: 0, size: 10_000 };
    let answer = area.target().part(&upload, part, &body, &claimed).await;
    // Which part arrived wrong need not be known before the whole is checked, so an answer without a digest is honest here.
    revealed("a part with a wrong sum", answer.map(|receipt| receipt.digests), &claimed, ProofSupport::None)?;
    area.target().abort(&upload).await.during("abort")?;
    area.absent(&key, "after an aborted upload").await
}

pub(super) async fn wrong_sum_complete(area: &Area<'_>) -> Check {
    let key = area.key("a");
    let bytes = noise(1, 10_000);
    let when = spec(When::Always);
    let upload = area.target().create(&key, 10_000, &when).await.during("create")?;
    let receipts = area.upload_parts(&upload, &bytes, 10_000).await?;
    let claimed = wrong(sum(&rope(&bytes)));
    let answer = area.target().complete(&upload, &Complete { parts: &receipts, sum: claimed, spec: &when }).await;
    let refused = answer.is_err();
    let what = "completing with a wrong whole sum";
    let visible = revealed(what, answer.map(|written| written.digests), &claimed, area.facts.upload_proof)?;
    if refused {
        area.target().abort(&upload).await.during("abort after a refused complete")?;
    }
    unseen_if_refused(area, &key, visible).await?;
    // A retry with everything right succeeds in a new upload.
    let written = area.upload_when(&area.key("right"), &bytes, When::Always).await?.during("complete with the right sum")?;
    same("whether completing named a version", &written.identity.is_some(), &true)?;
    let ensure_right = written.digests.agreement(&sum(&rope(&bytes)).digests());
    ensure(!matches!(ensure_right, Agreement::Different(_)), || "completing told digests that are not those of the bytes".to_owned())
}
