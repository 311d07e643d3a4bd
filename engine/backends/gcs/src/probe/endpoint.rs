//! The single steps of probing, each in a staging directory of its own that nobody else knows.

use std::fmt;
use std::sync::Arc;

use brigade_core::digest::{Sum, Wanted};
use brigade_core::{ErrorKind, Key, Metadata};
use brigade_store::{CopyFacts, Honoured, Origin, Result, Rope, StoreError, When, WriteSpec, patiently};
use bytes::Bytes;

use crate::copy::GcsCopier;
use crate::names::{Staged, new_staging_dir};
use crate::objects::{Rewriting, Source, Stored, as_text_name};
use crate::resource::NewResource;
use crate::store::GcsStore;

/// A generation that no object has: real ones are microseconds since 1970.
const IMPOSSIBLE: u64 = 1;

/// The bytes of a probe object.
const CONTENT: &[u8] = b"brigade probes what this endpoint honours";

/// How an endpoint took a request that it should refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It refused it, for the right reason.
    Refused,
    /// It did it.
    Done,
    /// It does not know the operation.
    Unknown,
    /// The right is missing.
    Denied,
    /// It failed for another reason, which shows nothing.
    Unclear,
}

impl Seen {
    pub(super) fn honoured(self) -> Honoured {
        match self {
            Self::Refused => Honoured::Yes,
            Self::Done | Self::Unknown => Honoured::No,
            Self::Denied | Self::Unclear => Honoured::Unknown,
        }
    }

    /// What an answer shows of a request that should fail as `expected`. A server that is busy or broken fails the probe.
    fn of<T>(result: &Result<T>, expected: ErrorKind) -> Result<Self> {
        Ok(match result {
            Ok(_) => Self::Done,
            Err(error) if error.kind == expected => Self::Refused,
            Err(error) => match error.kind {
                ErrorKind::Denied => Self::Denied,
                ErrorKind::Unsupported | ErrorKind::NotFound | ErrorKind::BucketMissing => Self::Unknown,
                ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::Corrupt | ErrorKind::Protocol | ErrorKind::Locked => Self::Unclear,
                _ => return Err(error.clone()),
            },
        })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused, as it should be",
            Self::Done => "done all the same: it is ignored",
            Self::Unknown => "the operation is not known here",
            Self::Denied => "not allowed for these credentials",
            Self::Unclear => "failed for another reason",
        })
    }
}

/// A staging directory for one probe.
pub(super) struct Room<'a> {
    store: &'a GcsStore,
    dir: String,
}

impl<'a> Room<'a> {
    pub(super) fn new(store: &'a GcsStore) -> Self {
        Self { store, dir: new_staging_dir() }
    }

    fn name(&self, word: &str) -> Vec<u8> {
        self.store.names().staged(Staged::Object, &self.dir, &Key::from(word))
    }

    /// Writes the probe content with these digests.
    async fn insert(&self, word: &str, crc32c: u32, md5: Option<[u8; 16]>, demanded: Option<u64>) -> Result<Stored> {
        let name = self.name(word);
        let resource = NewResource::default().named(as_text_name(&name)?).proving(crc32c, md5);
        self.store.insert(&resource, &content(), demanded).await
    }

    /// Removes what should not have come to be.
    async fn undo<T>(&self, word: &str, result: &Result<T>) {
        if result.is_ok()
            && let Err(error) = self.remove(word).await
        {
            tracing::warn!(kind = %error.kind, error = %error.message, "a probe object remains; `brigade cleanup` finds it");
        }
    }

    async fn remove(&self, word: &str) -> Result<()> {
        let name = self.name(word);
        match patiently(|| self.store.delete_object(&name, None)).await {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) async fn insert_under_impossible_condition(&self) -> Result<Seen> {
        let result = self.insert("condition", sum().crc32c, None, Some(IMPOSSIBLE)).await;
        self.undo("condition", &result).await;
        Seen::of(&result, ErrorKind::Conflict)
    }

    /// Also whether the answer contradicts the wrong digest, where the write is done.
    pub(super) async fn insert_with_wrong_crc32c(&self) -> Result<(Seen, bool)> {
        let wrong = sum().crc32c ^ 1;
        let result = self.insert("crc32c", wrong, None, None).await;
        self.undo("crc32c", &result).await;
        let own = result.as_ref().is_ok_and(|stored| stored.head.digests.crc32c == Some(sum().crc32c));
        Ok((Seen::of(&result, ErrorKind::Corrupt)?, own))
    }

    pub(super) async fn insert_with_wrong_md5(&self) -> Result<Seen> {
        let result = self.insert("md5", sum().crc32c, Some([0x5a; 16]), None).await;
        self.undo("md5", &result).await;
        Seen::of(&result, ErrorKind::Corrupt)
    }

    /// Begins a multipart upload and gives it up: each request is patient by itself, because beginning again would leave the
    /// first upload open. Unknown where the right is missing.
    pub(super) async fn xml_upload(&self) -> Result<Honoured> {
        let name = self.name("xml");
        let spec = WriteSpec { metadata: Arc::new(Metadata::default()), storage_class: None, when: When::Always };
        match patiently(|| crate::upload::initiate(self.store, &name, &spec)).await {
            Ok(Some(id)) => {
                if let Err(error) = patiently(|| crate::upload::give_up(self.store, &name, &id)).await {
                    tracing::warn!(kind = %error.kind, error = %error.message, "a probe upload remains; `brigade cleanup` finds it");
                }
                Ok(Honoured::Yes)
            }
            Ok(None) => Ok(Honoured::No),
            Err(error) if error.kind == ErrorKind::Denied => Ok(Honoured::Unknown),
            Err(error) => Err(error),
        }
    }

    /// Puts an object into the room; `None` where that is not allowed.
    pub(super) async fn furnish(&self) -> Result<Option<u64>> {
        match self.insert("object", sum().crc32c, None, None).await {
            Ok(stored) => Ok(Some(stored.generation)),
            Err(error) if error.kind == ErrorKind::Denied => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn move_under_impossible_condition(&self, generation: u64) -> Result<Seen> {
        let result = self.store.move_object(&self.name("object"), generation, &self.name("moved"), Some(IMPOSSIBLE)).await;
        Seen::of(&result, ErrorKind::Conflict)
    }

    pub(super) async fn compose_under_impossible_condition(&self, generation: u64) -> Result<Seen> {
        let (from, to) = (self.name("object"), self.name("moved"));
        let sources = [Source::new(as_text_name(&from)?, generation)];
        let result = self.store.compose(&sources, &to, &NewResource::default().named(as_text_name(&to)?), Some(IMPOSSIBLE)).await;
        Seen::of(&result, ErrorKind::Conflict)
    }

    pub(super) async fn delete_under_impossible_condition(&self) -> Result<Seen> {
        let result = self.store.delete_object(&self.name("object"), Some(IMPOSSIBLE)).await;
        Seen::of(&result, ErrorKind::Conflict)
    }

    pub(super) async fn delete_under_impossible_condition_in_a_batch(&self) -> Result<Seen> {
        let result = crate::delete::batch_call(self.store, &[(self.name("object"), Some(IMPOSSIBLE))]).await?;
        Seen::of(&only(result), ErrorKind::Conflict)
    }

    /// A batch with one delete of a name that does not exist: whether there are batches, and what became of the delete.
    pub(super) async fn delete_nothing_in_a_batch(&self) -> Result<(Honoured, Seen)> {
        match crate::delete::batch_call(self.store, &[(self.name("nothing"), Some(IMPOSSIBLE))]).await {
            Ok(results) => Ok((Honoured::Yes, Seen::of(&only(results), ErrorKind::Conflict)?)),
            Err(error) if error.status == Some(404) => Ok((Honoured::No, Seen::Unclear)),
            Err(error) => match error.kind {
                ErrorKind::Unsupported | ErrorKind::Invalid | ErrorKind::Protocol => Ok((Honoured::No, Seen::Unclear)),
                ErrorKind::Denied => Ok((Honoured::Unknown, Seen::Denied)),
                _ => Err(error),
            },
        }
    }

    /// Removes what is left of the objects of this room.
    pub(super) async fn clear(&self) -> Result<()> {
        let (object, moved) = (self.remove("object").await, self.remove("moved").await);
        object.and(moved)
    }
}

/// What the endpoint honours of a rewrite, and whether the target's credentials can read the source: seen with the first object
/// that is to be copied. Both experiments must fail at an honest endpoint; what comes to be at another one is removed.
pub(crate) async fn copies(road: &GcsCopier, origin: &Origin<'_>) -> Result<CopyFacts> {
    let room = Room::new(&road.target);
    let (source, name) = (road.source.names().full(origin.key), room.name("copied"));
    let resource = NewResource::default().replacing();
    let rewriting = Rewriting { from: (road.source.names(), &source), generation: None, to: &name, resource: &resource, demanded: None };
    let experiment = async |rewriting: Rewriting<'_>| -> Result<Honoured> {
        let result = patiently(|| road.target.rewrite(&rewriting, None)).await;
        room.undo("copied", &result).await;
        match result {
            Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Unsupported) => Err(error),
            result => Ok(Seen::of(&result, ErrorKind::Conflict)?.honoured()),
        }
    };
    let pinned = experiment(Rewriting { generation: Some(IMPOSSIBLE), ..rewriting }).await?;
    let conditional = experiment(Rewriting { demanded: Some(IMPOSSIBLE), ..rewriting }).await?;
    Ok(CopyFacts { pinned, conditional })
}

fn content() -> Rope {
    Bytes::from_static(CONTENT).into()
}

fn sum() -> Sum {
    content().sum(Wanted::default())
}

/// The one result of a batch of one.
fn only(mut results: Vec<Result<()>>) -> Result<()> {
    results.pop().unwrap_or_else(|| Err(StoreError::new(ErrorKind::Protocol, "a batch of one call was not answered")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_server_shows_nothing_and_fails_the_probe() {
        let with = |kind| Seen::of::<()>(&Err(StoreError::new(kind, "x")), ErrorKind::Conflict);
        assert_eq!(with(ErrorKind::Conflict).expect("seen"), Seen::Refused);
        assert_eq!(with(ErrorKind::NotFound).expect("seen"), Seen::Unknown);
        assert_eq!(with(ErrorKind::Corrupt).expect("seen"), Seen::Unclear);
        assert!(with(ErrorKind::Unavailable).is_err() && with(ErrorKind::Credentials).is_err());
        assert_eq!(Seen::of(&Ok(()), ErrorKind::Conflict).expect("seen").honoured(), Honoured::No);
    }
}
