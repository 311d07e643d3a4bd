//! Deletes, each under the generation that was listed.
//!
//! `ifGenerationMatch` is used rather than `generation`: the live version goes if it is the one that was meant, and a bucket
//! with versioning keeps it as a noncurrent one. A hundred calls travel in one batch request; where an endpoint has no batch
//! requests, a few travel side by side.

use brigade_core::verdict::pause;
use brigade_core::{ErrorKind, Identity, Key};
use brigade_store::{Deletion, Honoured, Result, StoreError};
use futures::StreamExt;
use http::{HeaderValue, Method, header};

use crate::batch::{BatchAnswer, boundary, deletes_body, in_order, parse_batch};
use crate::client::{Call, text};
use crate::errors::{About, Access, Refusal, parse_error, protocol, refused};
use crate::limits::{BATCH_CALLS_MAX, DELETE_ROUNDS_MAX, SINGLE_DELETES_AT_ONCE};
use crate::objects::generation;
use crate::store::GcsStore;

/// A full name, and the generation that it must have.
type Target = (Vec<u8>, Option<u64>);

pub(crate) async fn delete(store: &GcsStore, batch: &[Deletion]) -> Result<Vec<Result<()>>> {
    let targets: Result<Vec<Target>> =
        batch.iter().map(|deletion| Ok((store.names().full(&deletion.key), Some(generation(&deletion.identity)?)))).collect();
    delete_names(store, &targets?).await
}

/// Removes exactly the version that was just written. Where conditions are not known to hold, it is looked at first.
pub(crate) async fn retract(store: &GcsStore, key: &Key, written: &Identity) -> Result<()> {
    let name = store.names().full(key);
    let wanted = generation(written)?;
    if !store.is_google() && !store.learned().facts.conditional_delete.is_yes() {
        match store.stored(&name).await {
            Ok(stored) if stored.generation != wanted => {
                return Err(StoreError::new(ErrorKind::Conflict, "another version has replaced the one to be retracted"));
            }
            Err(error) if error.kind != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match store.delete_object(&name, Some(wanted)).await {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Deletes each name, one result each. Calls that met a busy server are sent again before they are given back.
pub(crate) async fn delete_names(store: &GcsStore, targets: &[Target]) -> Result<Vec<Result<()>>> {
    let mut results = Vec::with_capacity(targets.len());
    for chunk in targets.chunks(BATCH_CALLS_MAX) {
        results.extend(delete_chunk(store, chunk).await?);
    }
    Ok(results)
}

async fn delete_chunk(store: &GcsStore, targets: &[Target]) -> Result<Vec<Result<()>>> {
    let mut results = send(store, targets).await?;
    for round in 1..DELETE_ROUNDS_MAX {
        let again: Vec<usize> = (0..results.len()).filter(|index| is_busy(&results[*index])).collect();
        if again.is_empty() {
            break;
        }
        tokio::time::sleep(pause(round, rand::random(), None)).await;
        let subset: Vec<Target> = again.iter().map(|index| targets[*index].clone()).collect();
        for (index, result) in again.into_iter().zip(send(store, &subset).await?) {
            results[index] = result;
        }
    }
    Ok(results)
}

fn is_busy(result: &Result<()>) -> bool {
    result.as_ref().is_err_and(|error| matches!(error.kind, ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::Race))
}

async fn send(store: &GcsStore, targets: &[Target]) -> Result<Vec<Result<()>>> {
    if targets.len() > 1 && store.learned().batches != Honoured::No {
        match batch_call(store, targets).await {
            Ok(results) => return Ok(results),
            Err(error) if error.kind == ErrorKind::Unsupported || error.status == Some(404) => {
                store.learn(|learned| learned.batches = Honoured::No);
            }
            Err(error) => return Err(error),
        }
    }
    let calls: Vec<_> = targets.iter().map(|(name, wanted)| store.delete_object(name, *wanted)).collect();
    Ok(futures::stream::iter(calls).buffered(SINGLE_DELETES_AT_ONCE).collect().await)
}

/// One batch request. A body that is no batch answer says nothing of any call.
pub(crate) async fn batch_call(store: &GcsStore, targets: &[Target]) -> Result<Vec<Result<()>>> {
    let own = format!("batch_{}", uuid::Uuid::new_v4().simple());
    let calls: Vec<String> = targets.iter().map(|(name, wanted)| store.delete_target(name, *wanted)).collect();
    let kind = HeaderValue::try_from(format!("multipart/mixed; boundary={own}")).expect("hexadecimal digits fit a header");
    let call = Call::new(Method::POST, "/batch/storage/v1".to_owned(), About::Bucket)
        .header(header::CONTENT_TYPE, kind)
        .body(deletes_body(&own, &calls));
    let (headers, body) = store.client().fetch(&call).await?;
    let theirs = text(&headers, header::CONTENT_TYPE.as_str()).and_then(boundary);
    let answers = theirs.and_then(|theirs| parse_batch(theirs, &body));
    let answers = answers.ok_or_else(|| protocol("the answer to a batch of deletes cannot be understood").possibly_done())?;
    Ok(in_order(answers, targets.len()).into_iter().map(outcome).collect())
}

fn outcome(answer: Option<BatchAnswer>) -> Result<()> {
    let Some(BatchAnswer { status, body, .. }) = answer else {
        return Err(protocol("the answer to a batch of deletes says nothing of this object").possibly_done());
    };
    if (200..300).contains(&status) {
        return Ok(());
    }
    Err(refused(Refusal { status, body: parse_error(&body), ..Refusal::default() }, About::Object, Access::Writes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn each_inner_answer_is_judged_by_itself() {
        let kind = |status, body: &'static [u8]| {
            outcome(Some(BatchAnswer { call: None, status, body: Bytes::from_static(body) })).err().map(|error| error.kind)
        };
        assert_eq!(kind(204, b""), None);
        assert_eq!(kind(412, b"{\"error\":{\"errors\":[{\"reason\":\"conditionNotMet\"}]}}"), Some(ErrorKind::Conflict));
        assert_eq!(kind(404, b""), Some(ErrorKind::NotFound));
        assert_eq!(kind(403, b"{\"error\":{\"errors\":[{\"reason\":\"retentionPolicyNotMet\"}]}}"), Some(ErrorKind::Locked));
        assert_eq!(kind(503, b""), Some(ErrorKind::Unavailable));
        assert_eq!(outcome(None).expect_err("no answer").kind, ErrorKind::Protocol);
    }
}
