//! Journals and baselines that break the engine's memory.

use std::sync::Arc;

use async_trait::async_trait;
use brigade_core::report::FailureRecord;
use brigade_core::shard::Marks;
use brigade_core::{Key, Known};
use brigade_state::journal::{Table, Waiting};
use brigade_state::{Baseline, Journal, KnownPages, Note, OpenUpload, SentPart, StateError};
use brigade_store::{Delete, Deletion, Source};

use super::Bug;

pub(super) struct BrokenJournal {
    pub(super) inner: Arc<dyn Journal>,
    pub(super) source: Arc<dyn Source>,
    pub(super) delete: Arc<dyn Delete>,
    pub(super) bug: Bug,
}

#[async_trait]
impl Journal for BrokenJournal {
    async fn note(&self, note: Note) -> Result<(), StateError> {
        if let (Bug::DeletedTooEarly, Note::Wait { table: Table::Originals, key, identity, .. }) = (self.bug, &note) {
            // What becomes of it is no matter.
            let _ = self.delete.delete(&[Deletion { key: key.clone(), identity: identity.clone() }]).await;
        }
        self.inner.note(note).await
    }

    async fn flush(&self) -> Result<(), StateError> {
        self.inner.flush().await
    }

    fn next_upload(&self) -> u64 {
        self.inner.next_upload()
    }

    async fn waiting(&self, table: Table) -> Result<u64, StateError> {
        self.inner.waiting(table).await
    }

    async fn batch(&self, table: Table, after: i64, limit: usize) -> Result<Vec<Waiting>, StateError> {
        self.inner.batch(table, after, limit).await
    }

    async fn find(&self, table: Table, keys: &[Key]) -> Result<Vec<Option<Waiting>>, StateError> {
        self.inner.find(table, keys).await
    }

    async fn failures(&self, after: i64, limit: usize) -> Result<Vec<(i64, FailureRecord)>, StateError> {
        self.inner.failures(after, limit).await
    }

    async fn uploads(&self, limit: usize) -> Result<Vec<OpenUpload>, StateError> {
        let mut uploads = self.inner.uploads(limit).await?;
        if self.bug == Bug::ResumedWithoutPin {
            for upload in &mut uploads {
                if let Ok(head) = self.source.head(&upload.key).await {
                    (upload.source, upload.size) = (head.identity, head.size);
                }
            }
        }
        Ok(uploads)
    }

    async fn parts(&self, upload: u64) -> Result<Vec<SentPart>, StateError> {
        if self.bug == Bug::PartsAreForgotten { Ok(Vec::new()) } else { self.inner.parts(upload).await }
    }

    async fn quarantined(&self, limit: usize) -> Result<(Vec<Key>, u64), StateError> {
        if self.bug == Bug::QuarantineIsForgotten { Ok((Vec::new(), 0)) } else { self.inner.quarantined(limit).await }
    }
}

pub(super) struct BrokenBaseline {
    pub(super) inner: Arc<dyn Baseline>,
    pub(super) source: Arc<dyn Source>,
    pub(super) bug: Bug,
}

struct BrokenRecords {
    inner: Box<dyn KnownPages>,
    source: Arc<dyn Source>,
    bug: Bug,
}

impl Baseline for BrokenBaseline {
    fn read(&self, after: Option<&Key>) -> Box<dyn KnownPages> {
        Box::new(BrokenRecords { inner: self.inner.read(after), source: self.source.clone(), bug: self.bug })
    }

    fn marks(&self) -> Marks {
        self.inner.marks()
    }
}

#[async_trait]
impl KnownPages for BrokenRecords {
    async fn next(&mut self) -> Result<Option<Vec<Known>>, StateError> {
        let mut page = self.inner.next().await?;
        if self.bug == Bug::BaselineIsBelieved {
            for known in page.iter_mut().flatten() {
                if let Ok(head) = self.source.head(&known.key).await {
                    (known.source, known.size) = (head.identity, head.size);
                }
            }
        }
        Ok(page)
    }
}
