//! Copies from one bucket to another inside GCS, by `objects.rewrite`.
//!
//! A rewrite names the generation of its source and the one that its target must have, so it is never a mix and never overwrites
//! what it was not asked to. Between locations or storage classes it takes several calls, chained by a token; nothing is visible
//! before the last of them.

use async_trait::async_trait;
use brigade_core::parts::Part;
use brigade_core::{ErrorKind, Key};
use brigade_store::{
    CopyBy, CopyComplete, CopyFacts, Origin, PartReceipt, Result, ServerCopy, StoreError, Upload, WriteSpec, Written, patiently,
};
use serde::Deserialize;

use crate::errors::protocol;
use crate::limits::REWRITE_CALLS_MAX;
use crate::objects::{Rewriting, demanded, generation};
use crate::probe::copies;
use crate::resource::{NewResource, Resource};
use crate::store::GcsStore;

/// The road from one GCS location to another of the same endpoint.
#[derive(Clone, Debug)]
pub struct GcsCopier {
    pub(crate) source: GcsStore,
    pub(crate) target: GcsStore,
}

impl GcsStore {
    /// The road from `source` to here. Whether it can be used shows when it is probed.
    pub fn copier(&self, source: &Self) -> GcsCopier {
        GcsCopier { source: source.clone(), target: self.clone() }
    }
}

/// The answer to one call of a rewrite.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RewriteAnswer<'a> {
    done: bool,
    #[serde(default)]
    rewrite_token: Option<String>,
    #[serde(borrow, default)]
    resource: Option<Resource<'a>>,
}

/// What one call of a rewrite led to.
enum Step {
    Done(Written),
    /// More has to be asked for, with this token.
    More(String),
}

impl GcsCopier {
    async fn step(&self, rewriting: &Rewriting<'_>, token: Option<&str>) -> Result<Step> {
        let body = self.target.rewrite(rewriting, token).await?;
        let answer: RewriteAnswer<'_> =
            serde_json::from_slice(&body).map_err(|_| protocol("the answer to a rewrite is none").possibly_done())?;
        match (answer.done, answer.resource, answer.rewrite_token) {
            (true, Some(resource), _) => Ok(Step::Done(Written { identity: Some(resource.identity()), digests: resource.digests() })),
            (false, _, Some(token)) => Ok(Step::More(token)),
            _ => Err(protocol("the answer to a rewrite names neither the object nor how to go on").possibly_done()),
        }
    }

    /// Tells a source that changed from a target that did: the answer to a failed condition does not say which it was.
    async fn which(&self, origin: &Origin<'_>, error: StoreError) -> StoreError {
        if !matches!(error.kind, ErrorKind::Conflict | ErrorKind::NotFound) {
            return error;
        }
        let kind = match self.source.head_of(&self.source.names().full(origin.key)).await {
            Ok(head) if head.identity == *origin.identity => error.kind,
            Ok(_) => ErrorKind::Changed,
            Err(missing) if missing.kind == ErrorKind::NotFound => ErrorKind::Vanished,
            Err(_) => error.kind,
        };
        StoreError { kind, ..error }
    }
}

#[async_trait]
impl ServerCopy for GcsCopier {
    /// A rewrite takes objects of any size.
    fn whole_bytes_max(&self) -> u64 {
        u64::MAX
    }

    async fn probe(&self, origin: &Origin<'_>, _by: CopyBy) -> Result<CopyFacts> {
        copies(self, origin).await
    }

    async fn copy(&self, origin: &Origin<'_>, key: &Key, spec: &WriteSpec) -> Result<Written> {
        let (source, target) = (self.source.names().full(origin.key), self.target.names().writable(key)?);
        let resource = NewResource::carrying(&spec.metadata, spec.storage_class.as_deref()).replacing();
        let rewriting = Rewriting {
            from: (self.source.names(), &source),
            generation: Some(generation(origin.identity)?),
            to: target.as_bytes(),
            resource: &resource,
            demanded: demanded(&spec.when)?,
        };
        let mut step = match self.step(&rewriting, None).await {
            Ok(step) => step,
            Err(error) => return Err(self.which(origin, error).await),
        };
        for _ in 0..REWRITE_CALLS_MAX {
            let token = match step {
                Step::Done(written) => return Ok(written),
                Step::More(token) => token,
            };
            // What was rewritten so far would be lost if the whole were begun again.
            step = match patiently(|| self.step(&rewriting, Some(&token))).await {
                Ok(step) => step,
                Err(error) => return Err(self.which(origin, error).await),
            };
        }
        Err(protocol("a rewrite does not end"))
    }

    async fn create(&self, _: &Origin<'_>, _: &Key, _: &WriteSpec) -> Result<Upload> {
        Err(no_parts())
    }

    async fn part(&self, _: &Origin<'_>, _: Part, _: &Upload) -> Result<PartReceipt> {
        Err(no_parts())
    }

    async fn complete(&self, _: &Origin<'_>, _: &Upload, _: &CopyComplete<'_>) -> Result<Written> {
        Err(no_parts())
    }
}

/// Nothing is too large for a rewrite, so nobody asks for parts.
fn no_parts() -> StoreError {
    StoreError::new(ErrorKind::Unsupported, "GCS copies objects whole, never by parts")
}
