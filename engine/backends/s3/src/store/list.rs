//! Listing: pages in key order, checked, and turned into entries.
//!
//! Order, prefix and progress of a listing are asserted, not assumed: a page that breaks them is an error, so that a
//! confused server is never read as "these keys do not exist".

use std::sync::Arc;

use async_trait::async_trait;
use brigade_core::digest::{Digests, md5_from_etag};
use brigade_core::limits::LIST_PAGE_MAX;
use brigade_core::{Entry, ErrorKind, Identity, Key, KeyRange};
use brigade_store::{Head, List, Pages, Result};
use futures::{StreamExt, stream};

use super::{Inner, S3Store};
use crate::errors::protocol;
use crate::headers::availability;
use crate::hot::ListQuery;
use brigade_s3_xml::{ListPage, Listed};

/// HEADs at once where a listing names no ETags.
const HEADS_AT_ONCE: usize = 16;

#[async_trait]
impl List for S3Store {
    fn list(&self, range: &KeyRange) -> Box<dyn Pages> {
        Box::new(S3Pages { inner: self.inner.clone(), range: range.clone(), token: None, last: None, done: false })
    }

    async fn head(&self, key: &Key) -> Result<Head> {
        let name = self.inner.name(key)?;
        let (inner, name) = (&self.inner, &name);
        inner.run(|link| async move { inner.hot.head(&link, name).await.map(|(head, _)| head) }).await
    }
}

struct S3Pages {
    inner: Arc<Inner>,
    range: KeyRange,
    token: Option<String>,
    /// The last full key seen.
    last: Option<Key>,
    done: bool,
}

#[async_trait]
impl Pages for S3Pages {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        while !self.done {
            let page = self.fetch().await?;
            let next = page.next.clone();
            if next.is_some() && next == self.token {
                return Err(protocol("ListObjectsV2: a page names itself as the next one"));
            }
            let last = self.check(&page)?;
            let past = last.as_ref().is_some_and(|last| self.is_past(last));
            let entries = self.entries(page.objects).await?;
            // Only now: after an error the same page is asked for again.
            self.last = last.or(self.last.take());
            self.done = past || next.is_none();
            self.token = next;
            if !entries.is_empty() {
                return Ok(Some(entries));
            }
        }
        Ok(None)
    }
}

impl S3Pages {
    async fn fetch(&self) -> Result<ListPage> {
        let start_after = match &self.range.after {
            Some(after) => Some(self.inner.name(after).or_else(|error| if after.is_empty() { Ok(String::new()) } else { Err(error) })?),
            None => None,
        };
        let start_after = start_after.filter(|name| !name.is_empty() && self.token.is_none());
        let query = ListQuery {
            prefix: &self.inner.prefix,
            start_after: start_after.as_deref(),
            token: self.token.as_deref(),
            keys_max: LIST_PAGE_MAX,
        };
        let (inner, query) = (&self.inner, &query);
        inner.run(|link| async move { inner.hot.list(&link, query).await }).await
    }

    /// Holds a page to its order and its prefix; returns its last full key.
    fn check(&self, page: &ListPage) -> Result<Option<Key>> {
        let prefix = self.inner.prefix.as_bytes();
        let mut last = self.last.as_ref();
        for listed in &page.objects {
            if last.is_some_and(|last| *last >= listed.key) {
                return Err(protocol("ListObjectsV2: the keys are out of order"));
            }
            if !listed.key.as_bytes().starts_with(prefix) {
                return Err(protocol("ListObjectsV2: a key lies outside of the prefix"));
            }
            last = Some(&listed.key);
        }
        Ok(page.objects.last().map(|listed| listed.key.clone()))
    }

    /// The key below the location of a full one that was checked.
    fn relative(&self, full: &Key) -> Key {
        match self.inner.prefix.len() {
            0 => full.clone(),
            prefix => Key::new(&full.as_bytes()[prefix..]),
        }
    }

    fn is_past(&self, full: &Key) -> bool {
        self.range.through.is_some() && self.range.is_past(&self.relative(full))
    }

    /// What of a page lies in the range. Some servers list no ETags: each object is asked for its own then, for without it nothing
    /// can be pinned.
    async fn entries(&self, listed: Vec<Listed>) -> Result<Vec<Entry>> {
        let has_etags = listed.iter().all(|listed| listed.etag.is_some());
        let keyed = listed.into_iter().map(|listed| (self.relative(&listed.key), listed)).filter(|(key, _)| self.range.contains(key));
        if has_etags {
            return Ok(keyed.map(|(key, listed)| entry(key, listed)).collect());
        }
        let store = S3Store { inner: self.inner.clone() };
        let asked = stream::iter(keyed.collect::<Vec<_>>()).map(|(key, listed)| {
            let store = store.clone();
            async move { with_etag(&store, key, listed).await }
        });
        let found: Vec<Result<Option<Entry>>> = asked.buffered(HEADS_AT_ONCE).collect().await;
        found.into_iter().filter_map(Result::transpose).collect()
    }
}

async fn with_etag(store: &S3Store, key: Key, mut listed: Listed) -> Result<Option<Entry>> {
    if listed.etag.is_none() {
        let head = match store.head(&key).await {
            Ok(head) => head,
            // It was deleted after the page was made.
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let etag = head.identity.as_etag().filter(|etag| !etag.is_empty());
        listed.etag = Some(etag.ok_or_else(|| protocol("neither the listing nor HEAD names an ETag"))?.into());
        listed.size = head.size;
    }
    Ok(Some(entry(key, listed)))
}

fn entry(key: Key, listed: Listed) -> Entry {
    let etag = listed.etag.unwrap_or_default();
    let digests = Digests { md5: md5_from_etag(&etag), ..Digests::default() };
    Entry {
        modified: listed.modified,
        digests,
        checksum_kept: listed.checksum,
        availability: availability(listed.storage_class.as_deref(), listed.restored, None),
        storage_class: listed.storage_class,
        ..Entry::new(key, listed.size, Identity::Etag(etag))
    }
}
