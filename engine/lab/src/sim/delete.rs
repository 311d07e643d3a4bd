//! Deleting from the simulated store: each key by itself, and only the version that was named.

use super::{SimStore, errors};
use crate::door::Passage;
use crate::fault::Op;
use crate::world::{Deleted, Which, WorldError};
use async_trait::async_trait;
use brigade_core::ErrorKind;
use brigade_store::{Delete, Deletion, Result, StoreError};

#[async_trait]
impl Delete for SimStore {
    async fn delete(&self, batch: &[Deletion]) -> Result<Vec<Result<()>>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let passage = self.enter(Op::DeleteBatch, b"").await?;
        let mut answers = Vec::with_capacity(batch.len());
        for deletion in batch {
            let name = self.full(&deletion.key);
            let answer = match self.enter(Op::DeleteEntry, &name).await {
                Ok(inside) => self.delete_one(deletion, &name, &passage, &inside),
                // The answer to the whole call is lost, not that about one key.
                Err(error) if matches!(error.kind, ErrorKind::Network | ErrorKind::Stalled) => return Err(error),
                Err(error) => Err(error),
            };
            answers.push(answer);
        }
        passage.acknowledge().map_err(|_| errors::cut())?;
        Ok(answers)
    }
}

impl SimStore {
    fn delete_one(&self, deletion: &Deletion, name: &[u8], batch: &Passage, inside: &Passage) -> Result<()> {
        let missing = || StoreError::new(ErrorKind::NotFound, "there is no such object");
        // GCS answers 404 where nothing is, whatever the condition says.
        match self.world().peek(self.bucket(), name) {
            Err(WorldError::NoSuchKey | WorldError::DeleteMarker(_)) => return Err(missing()),
            other => drop(other.map_err(errors::from_world)?),
        }
        let conditions = batch.conditions(inside.conditions(self.pinned(&deletion.identity)));
        match self.world().delete(self.bucket(), name, Which::Current, &conditions) {
            Ok(Deleted::Absent) => Err(missing()),
            Ok(Deleted::Removed { .. } | Deleted::MarkerAdded(_)) => Ok(()),
            Err(error) => Err(errors::from_world(error)),
        }
    }
}
