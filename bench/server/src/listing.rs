//! One page of a listing, whatever the dialect that writes it down.

use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::bucket::Bucket;
use crate::object::Object;

/// What a listing asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// What every key starts with.
    pub(crate) prefix: String,
    /// Keys that share what comes before it are folded into one; empty for none.
    pub(crate) delimiter: String,
    /// Where the page starts.
    pub(crate) from: From,
    /// The first key that is not wanted any more.
    pub(crate) before: Option<String>,
    /// Keys and folded prefixes of the page.
    pub(crate) items_max: usize,
}

/// Where a page starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum From {
    /// At the beginning.
    #[default]
    Beginning,
    /// Behind a key.
    Behind(Vec<u8>),
    /// At a key.
    At(Vec<u8>),
}

impl From {
    /// As clients carry it from page to page.
    pub(crate) fn token(&self) -> String {
        let (kind, key): (u8, &[u8]) = match self {
            Self::Beginning => (b'-', &[]),
            Self::Behind(key) => (b'b', key),
            Self::At(key) => (b'a', key),
        };
        BASE64.encode([&[kind], key].concat())
    }

    /// The place that a token names.
    pub(crate) fn of_token(token: &str) -> Option<Self> {
        let bytes = BASE64.decode(token).ok()?;
        let (kind, key) = bytes.split_first()?;
        match kind {
            b'-' => Some(Self::Beginning),
            b'b' => Some(Self::Behind(key.to_vec())),
            b'a' => Some(Self::At(key.to_vec())),
            _ => None,
        }
    }

    /// Behind everything that starts with a prefix.
    pub(crate) fn past(prefix: &[u8]) -> Self {
        let mut next = prefix.to_vec();
        while let Some(last) = next.pop() {
            if last < u8::MAX {
                next.push(last + 1);
                break;
            }
        }
        Self::At(next)
    }
}

/// What a page holds.
pub(crate) enum Item<'a> {
    /// An object.
    Object(&'a Object),
    /// A folded prefix.
    Prefix,
}

/// Hands the items of a page to `emit`, and says where the next one starts.
pub(crate) fn page(bucket: &Bucket, query: &Query, mut emit: impl FnMut(&[u8], Item<'_>)) -> Option<From> {
    let prefix = query.prefix.as_bytes();
    let start = match &query.from {
        From::Behind(key) if key.as_slice() >= prefix => Bound::Excluded(key.as_slice()),
        From::At(key) if key.as_slice() >= prefix => Bound::Included(key.as_slice()),
        _ => Bound::Included(prefix),
    };
    let mut walk = bucket.walk(start);
    let (mut key, mut items, mut next) = (Vec::with_capacity(256), 0, From::Beginning);
    while let Some(object) = walk.next(&mut key) {
        if !key.starts_with(prefix) || query.before.as_ref().is_some_and(|end| key.as_slice() >= end.as_bytes()) {
            return None;
        }
        if items == query.items_max {
            return Some(next);
        }
        items += 1;
        match folded(&key, prefix.len(), query.delimiter.as_bytes()) {
            Some(length) => {
                emit(&key[..length], Item::Prefix);
                next = From::past(&key[..length]);
                if let From::At(at) = &next {
                    walk.seek(Bound::Included(at));
                }
            }
            None => {
                emit(&key, Item::Object(&object));
                if items == query.items_max {
                    next = From::Behind(key.clone());
                }
            }
        }
    }
    None
}

/// The length of the common prefix that a key is folded into.
fn folded(key: &[u8], from: usize, delimiter: &[u8]) -> Option<usize> {
    if delimiter.is_empty() {
        return None;
    }
    memchr::memmem::find(&key[from..], delimiter).map(|at| from + at + delimiter.len())
}
