//! Experiments on copies, with the first object that is to be copied.
//!
//! Each is one that an honest server refuses, so nothing comes to be: a copy of a version that never was, and a copy on the
//! condition that a fresh name holds a version that never was. Whether the credentials of the target can read the source shows as
//! well. The experiment on parts is made in an upload that is given up: what it copies is never visible, whoever answers.

use brigade_core::ErrorKind;
use brigade_core::limits::PART_BYTES_MIN;
use brigade_store::{CopyBy, CopyFacts, Honoured, Origin, Result, StoreError, patiently};
use http::HeaderMap;
use http::header::{HeaderValue, IF_MATCH};

use super::{NO_ETAG, is_inability, is_refused_condition};
use crate::control::{self, Checks};
use crate::copy::{self, Copied, From, PartOf};
use crate::headers::quoted;
use crate::hot::DeleteOne;
use crate::store::{S3Copier, UNKNOWN_COPIES};

/// Finds out what the endpoint honours of copies from this source.
pub(crate) async fn copies(road: &S3Copier, origin: &Origin<'_>, by: CopyBy) -> Result<CopyFacts> {
    let source = road.source.name(origin.key)?;
    let experiment = Experiment {
        road,
        source: &source,
        name: format!("{}.brigade-probe-{}", road.target.prefix, uuid::Uuid::new_v4().simple()),
        size: origin.size,
    };
    match by {
        CopyBy::Whole => experiment.whole().await,
        CopyBy::Parts => experiment.part().await,
    }
}

struct Experiment<'a> {
    road: &'a S3Copier,
    /// The full name of the object that is to be copied.
    source: &'a str,
    /// A fresh name that nobody else uses.
    name: String,
    size: u64,
}

impl Experiment<'_> {
    async fn whole(&self) -> Result<CopyFacts> {
        let pinned = self.seen(self.copy(Some(NO_ETAG), HeaderMap::new()).await).await?;
        let etag = HeaderValue::from_str(&quoted(NO_ETAG)).expect("a quoted ASCII word is a header value");
        let conditional = self.seen(self.copy(None, HeaderMap::from_iter([(IF_MATCH, etag)])).await).await?;
        Ok(CopyFacts { pinned, conditional })
    }

    async fn copy(&self, etag: Option<&str>, headers: HeaderMap) -> Result<Copied> {
        let (target, from) = (&self.road.target, From { bucket: self.road.source.bucket(), key: self.source, etag });
        let (name, from, headers) = (&self.name, &from, &headers);
        patiently(|| target.run(|link| async move { copy::object(&target.connection, &link, from, name, None, headers).await })).await
    }

    /// What an answer shows of a copy that should be refused. What should not have come to be is removed.
    async fn seen(&self, answer: Result<Copied>) -> Result<Honoured> {
        match answer {
            Err(error) if is_refused_condition(&error) => Ok(Honoured::Yes),
            Err(error) if is_inability(&error) => Err(StoreError { kind: ErrorKind::Unsupported, ..error }),
            Err(error) => Err(error),
            Ok(copied) => {
                let target = &self.road.target;
                let one = &DeleteOne { key: self.name.clone(), etag: None, version: copied.version };
                let removed = patiently(|| target.run(|link| async move { target.hot.delete_one(&link, one).await })).await;
                if let Err(left) = removed {
                    tracing::warn!(name = %self.name, error = %left.message, "a probe object could not be removed");
                }
                Ok(Honoured::No)
            }
        }
    }

    async fn part(&self) -> Result<CopyFacts> {
        let (target, name) = (&self.road.target, &self.name);
        let create =
            || target.run(|link| async move { control::create(&link, target.bucket(), name, Checks::Plain, HeaderMap::new()).await });
        let id = patiently(create).await?;
        let range = (self.size > PART_BYTES_MIN).then_some((0, PART_BYTES_MIN - 1));
        let wanted = PartOf { key: name, upload: &id, number: 1, range };
        let from = From { bucket: self.road.source.bucket(), key: self.source, etag: Some(NO_ETAG) };
        let (from, wanted, id) = (&from, &wanted, id.as_str());
        let answer = patiently(|| target.run(|link| async move { copy::part(&target.connection, &link, from, wanted).await })).await;
        let aborted = patiently(|| target.run(|link| async move { control::abort(&link, target.bucket(), name, id).await })).await;
        if let Err(left) = aborted {
            tracing::warn!(%name, error = %left.message, "a probe upload could not be given up; `brigade cleanup` finds it");
        }
        let pinned = match answer {
            Ok(_) => Honoured::No,
            Err(error) if is_refused_condition(&error) => Honoured::Yes,
            Err(error) if is_inability(&error) => return Err(StoreError { kind: ErrorKind::Unsupported, ..error }),
            Err(error) => return Err(error),
        };
        Ok(CopyFacts { pinned, ..UNKNOWN_COPIES })
    }
}
