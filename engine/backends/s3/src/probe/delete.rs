//! Experiments on deletes: of a key that does not exist, under a condition that cannot hold.

use brigade_core::ErrorKind;
use brigade_store::{Honoured, Result, StoreError, patiently};

use super::{NO_ETAG, Probing, is_inability, is_refused_condition};
use crate::hot::DeleteOne;
use crate::store::{Deletes, of_key};

/// How a delete took the condition.
enum Taken {
    /// It refused.
    Honoured,
    /// It said that the key is gone; the delete marker that it made, where it made one.
    Ignored(Option<String>),
    /// It does not understand the request.
    Misunderstood,
    /// The right is missing.
    Denied,
}

impl Probing<'_> {
    /// Batches with conditions, else single deletes with conditions, else without.
    pub(super) async fn deletes(&mut self) -> Result<()> {
        let batch = self.batch(Some(NO_ETAG)).await?;
        let unconditional = match &batch {
            Taken::Honoured => return self.decide(Honoured::Yes, Deletes::Batch, "a batch of deletes honours the ETag of each key"),
            Taken::Denied => {
                self.missing("s3:DeleteObject");
                return self.decide(Honoured::No, Deletes::Batch, "deletes are not allowed");
            }
            Taken::Ignored(_) => Deletes::Batch,
            Taken::Misunderstood => Deletes::BatchUnconditional,
        };
        self.unmark(batch).await;
        let single = self.single().await?;
        let honoured = matches!(single, Taken::Honoured);
        self.unmark(single).await;
        if honoured {
            let note = "a DELETE honours If-Match, a batch of deletes does not: originals are deleted one by one";
            return self.decide(Honoured::Yes, Deletes::Single, note);
        }
        if unconditional == Deletes::BatchUnconditional {
            let plain = self.batch(None).await?;
            let works = matches!(plain, Taken::Ignored(_));
            self.unmark(plain).await;
            let deletes = if works { unconditional } else { Deletes::Single };
            return self.decide(Honoured::No, deletes, "deletes with conditions are not understood");
        }
        self.decide(Honoured::No, unconditional, "deletes ignore conditions")
    }

    fn decide(&mut self, honoured: Honoured, deletes: Deletes, note: &str) -> Result<()> {
        self.known.deletes = deletes;
        self.known.facts.conditional_delete = honoured;
        self.note(note);
        Ok(())
    }

    async fn batch(&self, etag: Option<&str>) -> Result<Taken> {
        let one = DeleteOne { key: self.name.clone(), etag: etag.map(str::to_owned), version: None };
        let (inner, batch) = (self.inner, &[one]);
        let answer = match patiently(|| inner.run(|link| async move { inner.hot.delete_batch(&link, batch).await })).await {
            Ok(answer) => answer,
            Err(error) => return taken(error),
        };
        match (answer.deleted.into_iter().next(), answer.errors.first()) {
            (_, Some(error)) => taken(of_key(error)),
            (Some(deleted), None) => Ok(Taken::Ignored(deleted.marker)),
            (None, None) => Ok(Taken::Misunderstood),
        }
    }

    async fn single(&self) -> Result<Taken> {
        let one = DeleteOne { key: self.name.clone(), etag: Some(NO_ETAG.to_owned()), version: None };
        let (inner, one) = (self.inner, &one);
        match patiently(|| inner.run(|link| async move { inner.hot.delete_one(&link, one).await })).await {
            Ok(marker) => Ok(Taken::Ignored(marker)),
            Err(error) => taken(error),
        }
    }

    /// In a versioned bucket even the delete of a missing key leaves a marker.
    async fn unmark(&mut self, taken: Taken) {
        if let Taken::Ignored(Some(marker)) = taken {
            self.remove(Some(marker)).await;
        }
    }
}

fn taken(error: StoreError) -> Result<Taken> {
    match error.kind {
        _ if is_refused_condition(&error) => Ok(Taken::Honoured),
        ErrorKind::Denied => Ok(Taken::Denied),
        _ if is_inability(&error) => Ok(Taken::Misunderstood),
        _ => Err(error.context("cannot probe a conditional delete")),
    }
}
