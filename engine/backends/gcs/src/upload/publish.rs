//! From a proven staged object to a visible one, under the condition of the write, in one atomic step.
//!
//! `objects.move` is that step; it keeps data and metadata. Where an endpoint does not have it, a compose of the one staged
//! object to the real name is, and the staged object is deleted afterwards. Which of the two exists is found out once.

use brigade_core::{ErrorKind, Key};
use brigade_store::{Complete, Honoured, Result, StoreError, WriteSpec, Written};

use super::{Target, proven};
use crate::objects::{Source, Stored, as_text_name, demanded};
use crate::resource::NewResource;
use crate::store::GcsStore;

pub(super) async fn publish(store: &GcsStore, key: &Key, name: &[u8], staged: &Stored, spec: &WriteSpec) -> Result<Written> {
    let target = store.names().writable(key)?;
    let condition = demanded(&spec.when)?;
    if store.learned().moves != Honoured::No {
        match store.move_object(name, staged.generation, target.as_bytes(), condition).await {
            Ok(stored) => {
                store.learn(|learned| learned.moves = Honoured::Yes);
                return Ok(visible(&stored));
            }
            Err(error) if !may_be_unknown(&error) => return Err(error),
            // A 404 may mean the staged object as well as the method: it does not while the object is there.
            Err(error) => match store.stored(name).await {
                Ok(still) if still.generation == staged.generation => {
                    tracing::debug!(status = error.status, "objects.move is not known here; compose publishes instead");
                    store.learn(|learned| learned.moves = Honoured::No);
                }
                _ => return Err(error),
            },
        }
    }
    let resource = NewResource::carrying(&spec.metadata, spec.storage_class.as_deref()).named(&target);
    let sources = [Source::new(as_text_name(name)?, staged.generation)];
    let stored = store.compose(&sources, target.as_bytes(), &resource, condition).await?;
    if let Err(error) = store.delete_object(name, Some(staged.generation)).await {
        tracing::debug!(kind = %error.kind, error = %error.message, "a staged object remains");
    }
    Ok(visible(&stored))
}

fn may_be_unknown(error: &StoreError) -> bool {
    error.kind == ErrorKind::Unsupported || error.status == Some(404)
}

/// The digests were computed by the store: nobody told it any for the whole.
fn visible(stored: &Stored) -> Written {
    Written { identity: Some(stored.identity()), digests: stored.head.digests }
}

/// What an upload that is gone has left.
pub(super) enum Left {
    /// The object under its real name: an earlier attempt had got through, and only its answer was lost.
    Published(Written),
    /// The staged object: it was joined, and not yet published.
    Staged(Stored),
    /// Nothing.
    Nothing,
}

pub(super) async fn left(store: &GcsStore, target: &Target<'_>, name: &[u8], complete: &Complete<'_>) -> Result<Left> {
    if let Some(staged) = found(store.stored(name).await)? {
        return Ok(Left::Staged(staged));
    }
    let Some(present) = found(store.stored(&store.names().full(target.key)).await)? else {
        return Ok(Left::Nothing);
    };
    let same_metadata = present.head.metadata.differences(&complete.spec.metadata).is_empty();
    if proven(&present, &complete.sum).is_ok() && same_metadata {
        return Ok(Left::Published(visible(&present)));
    }
    Ok(Left::Nothing)
}

fn found(result: Result<Stored>) -> Result<Option<Stored>> {
    match result {
        Ok(stored) => Ok(Some(stored)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
