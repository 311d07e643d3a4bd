//! What an endpoint really honours, found out without harm.
//!
//! Every experiment is made on a fresh key that nobody else uses, and is built so that an honest server refuses it. Where a
//! server accepts what it should have refused, the object that came to be is removed at once. A feature that is missing is
//! never an error; only an endpoint that cannot be used at all is.

mod copies;
mod delete;
mod put;
mod upload;

use std::sync::Arc;

use brigade_core::ErrorKind;
use brigade_core::digest::{Sum, Wanted};
use brigade_store::{Facts, ProbeFor, Result, Rope, StoreError};
use md5::{Digest as _, Md5};

use crate::control;
use crate::hot::{DeleteOne, ListQuery, Stored};
use crate::store::{Inner, Known};

pub(crate) use copies::copies;

/// What experiments write.
const CONTENT: &[u8] = b"brigade probes what this endpoint honours";

/// An ETag that no object has: it is no digest of anything.
const NO_ETAG: &str = "brigade-probe-matches-nothing";

/// Finds out what `purpose` needs, and remembers it.
pub(crate) async fn probe(inner: &Inner, purpose: ProbeFor) -> Result<Facts> {
    let mut probing = Probing::new(inner);
    probing.reach().await?;
    if purpose == ProbeFor::Write && probing.puts().await? == Rights::Enough {
        probing.uploads().await?;
    }
    if purpose == ProbeFor::Delete {
        probing.deletes().await?;
    }
    if matches!(purpose, ProbeFor::Write | ProbeFor::Delete) {
        let link = inner.connection.link();
        let (versioned, note) = control::versioning(&link, inner.bucket()).await;
        probing.known.facts.versioned = versioned;
        probing.known.facts.notes.extend(note.map(str::to_owned));
        probing.known.facts.notes.extend(control::describe_bucket(&link, inner.bucket()).await);
    }
    let facts = probing.known.facts.clone();
    *inner.known.write() = Arc::new(probing.known);
    Ok(facts)
}

/// Whether it makes sense to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rights {
    Enough,
    Missing,
}

struct Probing<'a> {
    inner: &'a Inner,
    known: Known,
    /// The full name of the key that experiments use.
    name: String,
    body: Rope,
    sum: Sum,
}

impl<'a> Probing<'a> {
    fn new(inner: &'a Inner) -> Self {
        let mut known = Known::clone(&inner.known());
        known.facts.notes.clear();
        known.facts.missing_rights.clear();
        let name = format!("{}.brigade-probe-{}", inner.prefix, uuid::Uuid::new_v4().simple());
        let body = Rope::from(CONTENT.to_vec());
        let sum = body.sum(Wanted::default());
        Self { inner, known, name, body, sum }
    }

    fn note(&mut self, note: impl Into<String>) {
        self.known.facts.notes.push(note.into());
    }

    fn missing(&mut self, right: &str) {
        if !self.known.facts.missing_rights.iter().any(|known| known == right) {
            self.known.facts.missing_rights.push(right.to_owned());
        }
    }

    /// One page of one key: the endpoint answers, the credentials are good, the bucket is there.
    async fn reach(&mut self) -> Result<()> {
        let inner = self.inner;
        let query = ListQuery { prefix: &inner.prefix, start_after: None, token: None, keys_max: 1 };
        let query = &query;
        let page = inner.run(|link| async move { inner.hot.list(&link, query).await }).await;
        match page {
            Ok(page) => {
                if page.objects.iter().any(|listed| listed.etag.is_none()) {
                    self.note("listings carry no ETags: every object costs a HEAD");
                }
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::Denied => {
                self.missing("s3:ListBucket");
                self.bucket_is_there().await
            }
            Err(error) => Err(self.bucket_error(error)),
        }
    }

    /// Who may not list may still be told that there is no bucket.
    async fn bucket_is_there(&self) -> Result<()> {
        let inner = self.inner;
        match inner.run(|link| async move { control::head_bucket(&link, inner.bucket()).await }).await {
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::BucketMissing) => Err(self.bucket_error(error)),
            _ => Ok(()),
        }
    }

    /// A listing that finds nothing has found no bucket.
    fn bucket_error(&self, mut error: StoreError) -> StoreError {
        if error.kind == ErrorKind::NotFound {
            error.kind = ErrorKind::BucketMissing;
        }
        error.context(format_args!("cannot reach bucket {}", self.inner.bucket()))
    }

    /// Removes what an experiment left behind.
    async fn remove(&mut self, version: Option<String>) {
        let inner = self.inner;
        let one = DeleteOne { key: self.name.clone(), etag: None, version };
        let one = &one;
        if let Err(error) = inner.run(|link| async move { inner.hot.delete_one(&link, one).await }).await
            && error.kind != ErrorKind::NotFound
        {
            self.note(format!("the probe object {} could not be removed: {error}", self.name));
        }
    }

    /// Some servers show an object although they refused it.
    async fn remove_if_there(&mut self) {
        let inner = self.inner;
        let name = &self.name;
        if let Ok((_, version)) = inner.run(|link| async move { inner.hot.head(&link, name).await }).await {
            self.note("the endpoint keeps the bytes of a PUT that it refused");
            self.remove(version.filter(|version| version != "null")).await;
        }
    }

    fn md5(&self) -> [u8; 16] {
        Md5::digest(CONTENT).into()
    }

    /// Whether the answer names the MD5 of what was sent.
    fn names_md5(&self, stored: &Stored) -> bool {
        stored.etag_may_be_md5 && stored.etag.as_deref() == Some(hex::encode(self.md5()).as_str())
    }
}

/// The refusal of a condition that does not hold.
fn is_refused_condition(error: &StoreError) -> bool {
    matches!(error.kind, ErrorKind::Conflict | ErrorKind::NotFound)
}

/// Errors that say something of the endpoint's abilities; any other (the network, a throttle) says nothing.
fn is_inability(error: &StoreError) -> bool {
    matches!(error.kind, ErrorKind::Invalid | ErrorKind::Unsupported | ErrorKind::Unfit | ErrorKind::Protocol)
}
