//! Listings: pages of entries in byte order within a key range.
//!
//! The borders are enforced here as well: some endpoints ignore `startOffset`, and `endOffset` excludes what a range includes.
//! That a listing ascends is an assumption on which merging rests, so it is checked, and a listing that does not is an error
//! (a bucket with a hierarchical namespace may list in another order). Only an endpoint that gives everything in one page
//! may give it unsorted.

use async_trait::async_trait;
use brigade_core::{Entry, Key, KeyRange};
use brigade_store::{Pages, Result};
use serde::Deserialize;

use crate::errors::{protocol, tame};
use crate::names::is_staging;
use crate::objects::PageRequest;
use crate::resource::{Resource, Shared, Text};
use crate::store::GcsStore;

/// Items of a page: the most that GCS gives.
pub(crate) const PAGE_ITEMS: &str = "1000";

/// A page as the JSON API writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<'a> {
    #[serde(borrow, default)]
    pub(crate) next_page_token: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) items: Vec<Resource<'a>>,
}

impl<'a> Page<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self> {
        serde_json::from_slice(body).map_err(|error| protocol(format!("the answer is no listing: {}", tame(&error.to_string()))))
    }
}

/// A page as entries.
#[derive(Debug, Default)]
pub struct ListPage {
    /// Its entries, with keys relative to the prefix.
    pub entries: Vec<Entry>,
    /// Where the next page starts, if there is one.
    pub next: Option<String>,
}

/// Reads a page. A name that does not start with `prefix` fails it: the endpoint did not do what it was asked.
pub fn parse_list_page(body: &[u8], prefix: &[u8]) -> Result<ListPage> {
    read_page(body, prefix, &mut Shared::default())
}

fn read_page(body: &[u8], prefix: &[u8], shared: &mut Shared) -> Result<ListPage> {
    let page = Page::parse(body)?;
    let mut entries = Vec::with_capacity(page.items.len());
    for resource in &page.items {
        let name = resource.name.0.as_bytes();
        let key = name.strip_prefix(prefix).ok_or_else(|| protocol("the listing gave a name outside of its prefix"))?;
        entries.push(shared.entry(resource, Key::new(key)));
    }
    let next = page.next_page_token.map(|token| token.0.into_owned()).filter(|token| !token.is_empty());
    Ok(ListPage { entries, next })
}

/// A listing that is being read.
pub(crate) struct GcsPages {
    store: GcsStore,
    range: KeyRange,
    shared: Shared,
    progress: Progress,
}

/// Where a listing stands. It only moves on after a page was understood, so that a failed one can be asked for again.
#[derive(Debug, Default)]
struct Progress {
    token: Option<String>,
    /// The last name of the page before, hidden ones included.
    last: Option<Key>,
    ended: bool,
}

impl GcsPages {
    pub(crate) fn new(store: GcsStore, range: KeyRange) -> Self {
        Self { store, range, shared: Shared::default(), progress: Progress::default() }
    }

    async fn page(&mut self) -> Result<Vec<Entry>> {
        let names = self.store.names();
        let start = self.range.after.as_ref().map(|after| String::from_utf8_lossy(&names.full(after)).into_owned());
        let request = PageRequest { start: start.as_deref(), token: self.progress.token.as_deref(), ..PageRequest::of(names.prefix()) };
        let body = self.store.page(&request).await?;
        let page = read_page(&body, self.store.names().prefix().as_bytes(), &mut self.shared)?;
        self.progress.take(page, &self.range)
    }
}

impl Progress {
    /// Checks a page, moves on, and keeps what lies in the range and is data.
    fn take(&mut self, page: ListPage, range: &KeyRange) -> Result<Vec<Entry>> {
        let ListPage { mut entries, next } = page;
        if self.token.is_none() && next.is_none() {
            entries.sort_by(|one, other| one.key.cmp(&other.key));
        }
        let mut last = self.last.clone();
        for entry in &entries {
            if last.as_ref().is_some_and(|last| *last >= entry.key) {
                return Err(protocol(format!("the listing is out of order at {:?}", entry.key)));
            }
            last = Some(entry.key.clone());
        }
        if next.is_some() && next == self.token {
            return Err(protocol("the listing gave the same page token twice"));
        }
        let is_past = last.as_ref().is_some_and(|last| range.through.as_ref().is_some_and(|through| last >= through));
        *self = Self { ended: next.is_none() || is_past, token: next, last };
        entries.retain(|entry| range.contains(&entry.key) && !is_staging(entry.key.as_bytes()));
        Ok(entries)
    }
}

#[async_trait]
impl Pages for GcsPages {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        while !self.progress.ended {
            let entries = self.page().await?;
            if !entries.is_empty() {
                return Ok(Some(entries));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use brigade_core::{ErrorKind, Identity};

    fn page(keys: &[&str], next: Option<&str>) -> ListPage {
        let entries = keys.iter().map(|key| Entry::new(Key::from(*key), 0, Identity::Generation(1))).collect();
        ListPage { entries, next: next.map(str::to_owned) }
    }

    fn keys(entries: &[Entry]) -> Vec<String> {
        entries.iter().map(|entry| entry.key.to_string()).collect()
    }

    #[test]
    fn pages_lose_their_prefix_and_nothing_else() {
        let body = br#"{"kind":"storage#objects","nextPageToken":"t/1==","items":[{"name":"p/","generation":"1","size":"0"},{"name":"p//a\u0001","generation":"2","size":"9"}]}"#;
        let page = parse_list_page(body, b"p/").expect("a page");
        assert_eq!((keys(&page.entries), page.next.as_deref()), (vec![String::new(), "/a\\u{1}".to_owned()], Some("t/1==")));
        assert_eq!(parse_list_page(body, b"p//").expect_err("outside").kind, ErrorKind::Protocol);
        assert!(parse_list_page(b"{\"kind\":\"storage#objects\"}", b"").expect("empty").entries.is_empty());
        assert_eq!(parse_list_page(b"<html>", b"").expect_err("no listing").kind, ErrorKind::Protocol);
        let long = format!("{{\"items\":\"{}\"}}", "x".repeat(10_000));
        assert!(parse_list_page(long.as_bytes(), b"").expect_err("no listing").message.len() < 400, "an error quotes little");
    }

    #[test]
    fn borders_hold_on_an_endpoint_that_ignores_them() {
        let range = KeyRange { after: Some(Key::from("b")), through: Some(Key::from("d")) };
        let mut progress = Progress::default();
        let entries = progress.take(page(&["e", "a", "d", "b", "c"], None), &range).expect("sorted here");
        assert_eq!((keys(&entries), progress.ended), (vec!["c".to_owned(), "d".into()], true));
    }

    #[test]
    fn a_listing_ends_at_its_upper_border() {
        let range = KeyRange { after: None, through: Some(Key::from("b")) };
        let mut progress = Progress::default();
        assert_eq!(keys(&progress.take(page(&["a", "b"], Some("t")), &range).expect("in order")), ["a", "b"]);
        assert!(progress.ended);
    }

    #[test]
    fn p03_a_listing_out_of_order_or_in_circles_is_an_error() {
        let all = KeyRange::all();
        let mut progress = Progress::default();
        progress.take(page(&["a", "c"], Some("1")), &all).expect("in order");
        assert_eq!(progress.take(page(&["b"], None), &all).expect_err("goes back").kind, ErrorKind::Protocol);
        assert_eq!(progress.take(page(&["c"], None), &all).expect_err("twice").kind, ErrorKind::Protocol);
        assert_eq!(progress.take(page(&[], Some("1")), &all).expect_err("in circles").kind, ErrorKind::Protocol);
        assert_eq!(progress.take(page(&["b", "a"], Some("2")), &all).expect_err("within a page").kind, ErrorKind::Protocol);
        // The failed pages changed nothing: the right one still follows.
        assert_eq!(keys(&progress.take(page(&["d"], None), &all).expect("in order")), ["d"]);
    }

    #[test]
    fn staging_objects_are_no_data() {
        let dir = crate::names::new_staging_dir();
        let mut progress = Progress::default();
        let staged = format!("{dir}part-0000000001");
        let entries = progress.take(page(&[".brigade-staging/mine", &staged, "a"], None), &KeyRange::all()).expect("in order");
        assert_eq!(keys(&entries), [".brigade-staging/mine", "a"]);
    }
}
