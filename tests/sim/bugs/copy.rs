//! A road between two buckets that copies whatever it finds.

use std::sync::Arc;

use async_trait::async_trait;
use brigade_core::Key;
use brigade_core::parts::Part;
use brigade_store::{CopyBy, CopyComplete, CopyFacts, Origin, PartReceipt, Result, ServerCopy, Source, Upload, WriteSpec, Written};

use super::Bug;

pub(super) struct BrokenCopy {
    pub(super) inner: Arc<dyn ServerCopy>,
    pub(super) look: Arc<dyn Source>,
    pub(super) bug: Bug,
}

#[async_trait]
impl ServerCopy for BrokenCopy {
    fn whole_bytes_max(&self) -> u64 {
        self.inner.whole_bytes_max()
    }

    async fn probe(&self, origin: &Origin<'_>, by: CopyBy) -> Result<CopyFacts> {
        self.inner.probe(origin, by).await
    }

    async fn copy(&self, origin: &Origin<'_>, key: &Key, spec: &WriteSpec) -> Result<Written> {
        if self.bug != Bug::CopiesNotPinned {
            return self.inner.copy(origin, key, spec).await;
        }
        let head = self.look.head(origin.key).await?;
        let found = Origin { identity: &head.identity, size: head.size, ..*origin };
        let written = self.inner.copy(&found, key, spec).await?;
        Ok(Written { digests: origin.digests, ..written })
    }

    async fn create(&self, origin: &Origin<'_>, key: &Key, spec: &WriteSpec) -> Result<Upload> {
        self.inner.create(origin, key, spec).await
    }

    async fn part(&self, origin: &Origin<'_>, part: Part, upload: &Upload) -> Result<PartReceipt> {
        self.inner.part(origin, part, upload).await
    }

    async fn complete(&self, origin: &Origin<'_>, upload: &Upload, complete: &CopyComplete<'_>) -> Result<Written> {
        self.inner.complete(origin, upload, complete).await
    }
}
