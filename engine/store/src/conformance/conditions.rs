//! Claims about conditional writes, where the probed facts say that they are honoured.

use std::sync::Arc;

use brigade_core::ErrorKind;
use tokio::task::JoinSet;

use super::area::{Area, Check, During, ensure, fail, needs, noise, refused, rope, same, spec, sum};
use crate::When;

/// Writers that race for one absent key.
const RACERS: usize = 6;

/// What a condition that does not hold looks like.
const CONFLICT: &[ErrorKind] = &[ErrorKind::Conflict];

pub(super) async fn put_if_absent(area: &Area<'_>) -> Check {
    needs("conditional_put", area.facts.conditional_put)?;
    let key = area.key("a");
    let written = area.put_when(&key, b"first", When::IfAbsent).await.during("put if absent of an absent key")?;
    let first = area.object(&key, b"first", &written).await?;
    refused("put if absent of a present key", area.put_when(&key, b"second", When::IfAbsent).await, CONFLICT)?;
    area.holds(&first).await.map(|_| ())
}

/// Of several writers at once exactly one wins, and its bytes stay.
pub(super) async fn put_if_absent_race(area: &Area<'_>) -> Check {
    needs("conditional_put", area.facts.conditional_put)?;
    let key = area.key("a");
    let mut racers = JoinSet::new();
    for number in 0..RACERS {
        let (target, key) = (Arc::clone(area.target()), key.clone());
        racers.spawn(async move {
            let body = rope(format!("racer {number}").as_bytes());
            (number, target.put(&key, &body, &sum(&body), None, &spec(When::IfAbsent)).await)
        });
    }
    let mut winners = Vec::new();
    for (number, result) in racers.join_all().await {
        match result {
            Ok(written) => winners.push((number, written)),
            Err(error) if matches!(error.kind, ErrorKind::Conflict | ErrorKind::Race) => {}
            Err(error) => return fail(format!("a losing writer failed as {}, not as conflict or race: {error}", error.kind)),
        }
    }
    let [(number, written)] = winners.as_slice() else {
        return fail(format!("{} of {RACERS} writers of one absent key succeeded; exactly one may", winners.len()));
    };
    let winner = area.object(&key, format!("racer {number}").as_bytes(), written).await?;
    area.holds(&winner).await.map(|_| ())
}

pub(super) async fn put_if_matches(area: &Area<'_>) -> Check {
    needs("conditional_put", area.facts.conditional_put)?;
    let key = area.key("a");
    let old = area.put(&key, b"old").await?;
    let new = area.put(&key, b"new").await?;
    refused("put if matches a stale version", area.put_when(&key, b"lost", When::IfMatches(old.identity)).await, CONFLICT)?;
    area.holds(&new).await?;
    let written =
        area.put_when(&key, b"newest", When::IfMatches(new.identity.clone())).await.during("put if matches the present version")?;
    let newest = area.object(&key, b"newest", &written).await?;
    area.holds(&newest).await?;
    let gone = area.put_when(&area.key("gone"), b"x", When::IfMatches(new.identity)).await;
    refused("put if matches of an absent key", gone, &[ErrorKind::Conflict, ErrorKind::NotFound])?;
    area.absent(&area.key("gone"), "after a refused put").await
}

pub(super) async fn complete_if_absent(area: &Area<'_>) -> Check {
    needs("conditional_complete", area.facts.conditional_complete)?;
    let key = area.key("a");
    let bytes = noise(1, 2_000);
    let written = area.upload_when(&key, &bytes, When::IfAbsent).await?.during("complete if absent of an absent key")?;
    let first = area.object(&key, &bytes, &written).await?;
    refused("complete if absent of a present key", area.upload_when(&key, b"second", When::IfAbsent).await?, CONFLICT)?;
    area.holds(&first).await?;
    // The key may also come to be while the upload runs.
    let late = area.key("late");
    let when = spec(When::IfAbsent);
    let upload = area.target().create(&late, 2_000, &when).await.during("create")?;
    let receipts = area.upload_parts(&upload, &bytes, 2_000).await?;
    let other = area.put(&late, b"someone was faster").await?;
    let complete = crate::Complete { parts: &receipts, sum: sum(&rope(&bytes)), spec: &when };
    refused("complete if absent of a key written meanwhile", area.target().complete(&upload, &complete).await, CONFLICT)?;
    area.target().abort(&upload).await.during("abort")?;
    area.holds(&other).await.map(|_| ())
}

pub(super) async fn complete_if_matches(area: &Area<'_>) -> Check {
    needs("conditional_complete", area.facts.conditional_complete)?;
    let key = area.key("a");
    let old = area.put(&key, b"old").await?;
    let new = area.put(&key, b"new").await?;
    let bytes = noise(1, 2_000);
    refused("complete if matches a stale version", area.upload_when(&key, &bytes, When::IfMatches(old.identity.clone())).await?, CONFLICT)?;
    area.holds(&new).await?;
    let completed = area.upload_when(&key, &bytes, When::IfMatches(new.identity)).await?;
    let written = completed.during("complete if matches the present version")?;
    let newest = area.object(&key, &bytes, &written).await?;
    area.holds(&newest).await?;
    same("the number of keys", &area.keys().await?.len(), &1)?;
    ensure(newest.identity != old.identity, || "a completed upload has the identity of an older version".to_owned())
}
