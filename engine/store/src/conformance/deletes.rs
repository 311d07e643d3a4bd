//! Claims about deletes (p13): only the version that was named goes.

use brigade_core::ErrorKind;

use super::area::{Area, Check, During, Object, fail, needs, refused, same};
use crate::{Deletion, Result};

/// Deletes one version and hands over the answer about it.
async fn delete(area: &Area<'_>, object: &Object) -> Check<Result<()>> {
    let mut results = area.subject.delete.delete(&[object.deletion()]).await.during("delete")?;
    match (results.pop(), results.is_empty()) {
        (Some(result), true) => Ok(result),
        _ => fail("a delete of one key did not give one answer"),
    }
}

pub(super) async fn matching(area: &Area<'_>) -> Check {
    let object = area.put(&area.key("a"), b"x").await?;
    let neighbour = area.put(&area.key("a0"), b"y").await?;
    delete(area, &object).await?.during("delete of the present version")?;
    area.absent(&object.key, "after its deletion").await?;
    area.holds(&neighbour).await.map(|_| ())
}

pub(super) async fn stale(area: &Area<'_>) -> Check {
    needs("conditional_delete", area.facts.conditional_delete)?;
    let key = area.key("a");
    let old = area.put(&key, b"old").await?;
    let new = area.put(&key, b"new").await?;
    refused("delete of a stale version", delete(area, &old).await?, &[ErrorKind::Conflict])?;
    area.holds(&new).await.map(|_| ())
}

pub(super) async fn missing(area: &Area<'_>) -> Check {
    let object = area.put(&area.key("a"), b"x").await?;
    delete(area, &object).await?.during("delete")?;
    refused("delete of a missing key", delete(area, &object).await?, &[ErrorKind::NotFound])
}

/// Each answer belongs to its key, in the order asked.
pub(super) async fn batch(area: &Area<'_>) -> Check {
    needs("conditional_delete", area.facts.conditional_delete)?;
    same("the number of answers to an empty batch", &area.subject.delete.delete(&[]).await.during("delete of nothing")?.len(), &0)?;
    let first = area.put(&area.key("z first"), b"x").await?;
    let stale = area.put(&area.key("m+stale"), b"old").await?;
    let kept = area.put(&stale.key, b"new").await?;
    let last = area.put(&area.key("a&<last>"), b"y").await?;
    let missing = Deletion { key: area.key("no such"), identity: first.identity.clone() };
    let batch = [first.deletion(), missing, stale.deletion(), last.deletion()];
    if batch.len() > area.facts.delete_batch_max {
        return Ok(());
    }
    let results = area.subject.delete.delete(&batch).await.during("delete of a mixed batch")?;
    let kinds: Vec<_> = results.iter().map(|result| result.as_ref().err().map(|error| error.kind)).collect();
    same("the answers", &kinds, &vec![None, Some(ErrorKind::NotFound), Some(ErrorKind::Conflict), None])?;
    area.absent(&first.key, "after its deletion").await?;
    area.absent(&last.key, "after its deletion").await?;
    area.holds(&kept).await.map(|_| ())
}

/// What was just written and found wrong can be taken back.
pub(super) async fn retract(area: &Area<'_>) -> Check {
    let object = area.put(&area.key("a"), b"x").await?;
    area.target().retract(&object.key, &object.identity).await.during("retract")?;
    area.absent(&object.key, "after it was retracted").await
}

/// Taking back must not hit what somebody wrote afterwards.
pub(super) async fn retract_stale(area: &Area<'_>) -> Check {
    needs("conditional_delete", area.facts.conditional_delete)?;
    let key = area.key("a");
    let old = area.put(&key, b"old").await?;
    let new = area.put(&key, b"new").await?;
    refused("retract of a replaced version", area.target().retract(&key, &old.identity).await, &[ErrorKind::Conflict])?;
    area.holds(&new).await.map(|_| ())
}
