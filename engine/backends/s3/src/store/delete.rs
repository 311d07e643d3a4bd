//! Deletes: each object only while it is the version named, in batches where the endpoint honours conditions there.

use std::collections::HashMap;

use async_trait::async_trait;
use brigade_core::ErrorKind;
use brigade_core::limits::DELETE_BATCH_MAX;
use brigade_store::{Delete, Deletion, Result, StoreError};
use futures::{StreamExt, stream};

use super::{Deletes, Inner, S3Deleter};
use crate::control;
use crate::errors::{kind_of_code, protocol};
use crate::headers::etag_of;
use crate::hot::DeleteOne;
use brigade_s3_xml::DeleteResult;
use brigade_s3_xml::delete::{DeleteError, fits_xml};

/// Single deletes at once.
const DELETES_AT_ONCE: usize = 16;

#[async_trait]
impl Delete for S3Deleter {
    async fn delete(&self, batch: &[Deletion]) -> Result<Vec<Result<()>>> {
        if batch.len() > DELETE_BATCH_MAX {
            return Err(StoreError::new(ErrorKind::Internal, format!("{} deletes at once, at most {DELETE_BATCH_MAX}", batch.len())));
        }
        let deletes = self.inner.known.read().deletes;
        let mut results: Vec<Option<Result<()>>> = batch.iter().map(|_| None).collect();
        let mut together = Vec::with_capacity(batch.len());
        let mut alone = Vec::new();
        for (index, deletion) in batch.iter().enumerate() {
            match self.inner.one(deletion) {
                Err(error) => results[index] = Some(Err(error)),
                Ok(one) if deletes == Deletes::Single || !fits_xml(&one.key) => alone.push((index, one)),
                Ok(one) => together.push((index, one)),
            }
        }
        for (index, result) in self.inner.delete_alone(alone).await {
            results[index] = Some(result);
        }
        for (index, result) in self.inner.delete_together(together, deletes).await? {
            results[index] = Some(result);
        }
        let results = results.into_iter().map(|result| result.unwrap_or_else(|| Err(unmentioned())));
        let looks = batch.iter().zip(results).map(|(deletion, result)| self.inner.with_lock(deletion, result));
        Ok(stream::iter(looks.collect::<Vec<_>>()).buffered(DELETES_AT_ONCE).collect().await)
    }
}

impl Inner {
    fn one(&self, deletion: &Deletion) -> Result<DeleteOne> {
        let etag = etag_of(&deletion.identity)?.to_owned();
        Ok(DeleteOne { key: self.name(&deletion.key)?, etag: Some(etag), version: None })
    }

    /// A lock refuses as a missing right does. Amazon tells them apart in the text only, and others not at all; the object's head
    /// says what locks it to those who may know. Where it says nothing, a denial stays a denial.
    async fn with_lock(&self, deletion: &Deletion, result: Result<()>) -> Result<()> {
        let error = match result {
            Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Locked) => error,
            other => return other,
        };
        let (name, now) = (&self.name(&deletion.key)?, self.connection.now());
        match self.run(|link| async move { control::lock(&link, self.bucket(), name, now).await }).await {
            Ok(Some(lock)) => Err(StoreError { kind: ErrorKind::Locked, ..error.context(format_args!("the object is under {lock}")) }),
            _ => Err(error),
        }
    }

    async fn delete_alone(&self, ones: Vec<(usize, DeleteOne)>) -> Vec<(usize, Result<()>)> {
        let running = stream::iter(ones).map(|(index, one)| async move {
            let one = &one;
            let result = self.run(|link| async move { self.hot.delete_one(&link, one).await }).await;
            (index, result.map(|_| ()))
        });
        running.buffer_unordered(DELETES_AT_ONCE).collect().await
    }

    async fn delete_together(&self, mut ones: Vec<(usize, DeleteOne)>, deletes: Deletes) -> Result<Vec<(usize, Result<()>)>> {
        if ones.is_empty() {
            return Ok(Vec::new());
        }
        if deletes == Deletes::BatchUnconditional {
            ones.iter_mut().for_each(|(_, one)| one.etag = None);
        }
        let batch: Vec<DeleteOne> = ones.iter().map(|(_, one)| one.clone()).collect();
        let batch = &batch;
        let answer = self.run(|link| async move { self.hot.delete_batch(&link, batch).await }).await?;
        Ok(sort_out(ones, answer))
    }
}

/// Gives every key its result; a key that the answer does not mention has none, and is not taken for deleted.
fn sort_out(ones: Vec<(usize, DeleteOne)>, answer: DeleteResult) -> Vec<(usize, Result<()>)> {
    let mut by_key: HashMap<String, Result<()>> = answer.deleted.into_iter().map(|deleted| (deleted.key, Ok(()))).collect();
    by_key.extend(answer.errors.into_iter().map(|error| (error.key.clone(), Err(of_key(&error)))));
    ones.into_iter().map(|(index, one)| (index, by_key.get(&one.key).cloned().unwrap_or_else(|| Err(unmentioned())))).collect()
}

fn unmentioned() -> StoreError {
    protocol("DeleteObjects: the answer does not mention this key").possibly_done()
}

/// What the error of one key in a batch means.
pub(crate) fn of_key(error: &DeleteError) -> StoreError {
    let kind = kind_of_code(&error.code, Some(&error.message)).unwrap_or(match error.code.as_str() {
        "412" => ErrorKind::Conflict,
        "404" => ErrorKind::NotFound,
        _ => ErrorKind::Invalid,
    });
    let mut message = format!("DeleteObjects answered {}", error.code);
    if !error.message.is_empty() {
        message = format!("{message}: {}", error.message.trim_end_matches('.'));
    }
    StoreError { code: Some(error.code.clone()), ..StoreError::new(kind, message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use brigade_s3_xml::delete::Deleted;

    fn one(key: &str) -> DeleteOne {
        DeleteOne { key: key.into(), etag: Some("e".into()), version: None }
    }

    #[test]
    fn p03_a_key_that_is_not_mentioned_is_not_deleted() {
        let failed = |key: &str, code: &str| DeleteError { key: key.into(), code: code.into(), message: String::new() };
        let answer = DeleteResult {
            deleted: vec![Deleted { key: "a".into(), marker: None }],
            errors: vec![failed("b", "PreconditionFailed"), failed("c", "NoSuchKey"), failed("d", "InternalError")],
        };
        let ones = ["d", "a", "b", "c", "x"].into_iter().map(one).enumerate().collect();
        let kinds: Vec<_> = sort_out(ones, answer).into_iter().map(|(_, result)| result.map_err(|error| error.kind)).collect();
        let expected = [Err(ErrorKind::Unavailable), Ok(()), Err(ErrorKind::Conflict), Err(ErrorKind::NotFound), Err(ErrorKind::Protocol)];
        assert_eq!(kinds, expected);
    }
}
