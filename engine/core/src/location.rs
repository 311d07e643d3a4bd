//! Locations as people write them, and whether two of them overlap.

mod host;

use std::fmt;

pub use host::one_host;

/// Where objects are: what was typed, parsed and validated, not yet resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// `s3://bucket[/prefix]`.
    S3(BucketPath),
    /// `gs://bucket[/prefix]`.
    Gcs(BucketPath),
    /// `/path` or `file:///path`.
    Local(String),
    /// `NAME:bucket[/prefix]`, NAME being a `[stores.NAME]` of the configuration.
    Named {
        /// The store's name.
        store: String,
        /// Bucket and prefix; for a local store the path is taken below its root.
        path: BucketPath,
    },
}

/// A bucket and a key prefix within it, without the slash between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketPath {
    /// The bucket.
    pub bucket: String,
    /// The prefix as written: `a/b` or `a/b/`. Empty for the whole bucket.
    pub prefix: String,
}

/// Why a location could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no location: {reason}")]
pub struct BadLocation {
    text: String,
    reason: &'static str,
}

impl Location {
    /// Parses what was typed.
    pub fn parse(text: &str) -> Result<Self, BadLocation> {
        let bad = |reason| BadLocation { text: text.to_owned(), reason };
        if let Some(rest) = text.strip_prefix("s3://") {
            return BucketPath::parse(rest).map(Self::S3).map_err(bad);
        }
        if let Some(rest) = text.strip_prefix("gs://") {
            return BucketPath::parse(rest).map(Self::Gcs).map_err(bad);
        }
        if let Some(rest) = text.strip_prefix("file://") {
            return match rest.starts_with('/') {
                true => Ok(Self::Local(rest.to_owned())),
                false => Err(bad("a file URL has three slashes: `file:///path`")),
            };
        }
        if text.starts_with('/') || text.starts_with("./") || text.starts_with("../") || text == "." || text == ".." {
            return Ok(Self::Local(text.to_owned()));
        }
        let Some((store, rest)) = text.split_once(':') else {
            return Err(bad("write `s3://bucket/prefix`, `gs://bucket/prefix`, `/path`, `./path` or `STORE:bucket/prefix`"));
        };
        if rest.starts_with("//") {
            return Err(bad("the known schemes are `s3://`, `gs://` and `file://`"));
        }
        if store.is_empty() || !store.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
            return Err(bad("a store's name is letters, digits, `-`, `_` and `.`"));
        }
        BucketPath::parse(rest).map(|path| Self::Named { store: store.to_owned(), path }).map_err(bad)
    }
}

impl BucketPath {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
        if bucket.is_empty() {
            return Err("the bucket is missing");
        }
        if bucket.len() > 222 || bucket.contains(['?', '#', '@', '\\', ' ', '%']) || bucket.contains(char::is_control) {
            return Err("a bucket's name has letters, digits, `-`, `_` and `.`");
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// The prefix that every key below this location starts with: the written one, ending at a `/` boundary.
    pub fn key_prefix(&self) -> String {
        if self.prefix.is_empty() || self.prefix.ends_with('/') { self.prefix.clone() } else { format!("{}/", self.prefix) }
    }
}

impl fmt::Display for BucketPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.bucket)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3(path) => write!(f, "s3://{path}"),
            Self::Gcs(path) => write!(f, "gs://{path}"),
            Self::Local(path) => f.write_str(path),
            Self::Named { store, path } => write!(f, "{store}:{path}"),
        }
    }
}

/// A location in one spelling: the endpoint reduced to what it reaches, the container, and the key prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Scheme, host and port in lower case for a bucket (`s3 host:port`); `file` for a file system.
    pub endpoint: String,
    /// The bucket; empty for a file system.
    pub bucket: String,
    /// The key prefix, or the absolute path with links resolved and a `/` at its end.
    pub prefix: String,
}

/// How two places lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// They share no key.
    None,
    /// They are the same.
    Same,
    /// The first lies inside the second.
    Inside,
    /// The second lies inside the first.
    Contains,
}

/// Compares two places.
pub fn overlap(one: &Place, other: &Place) -> Overlap {
    if one.endpoint != other.endpoint || one.bucket != other.bucket {
        return Overlap::None;
    }
    match (one.prefix.starts_with(&other.prefix), other.prefix.starts_with(&one.prefix)) {
        (true, true) => Overlap::Same,
        (true, false) => Overlap::Inside,
        (false, true) => Overlap::Contains,
        (false, false) => Overlap::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        Location::parse(text).map_or_else(|error| error.to_string(), |location| format!("{location:?}"))
    }

    #[test]
    fn every_form_is_understood() {
        assert_eq!(Location::parse("s3://b"), Ok(Location::S3(BucketPath { bucket: "b".into(), prefix: String::new() })));
        assert_eq!(Location::parse("gs://b//x/../"), Ok(Location::Gcs(BucketPath { bucket: "b".into(), prefix: "/x/../".into() })));
        assert_eq!(Location::parse("file:///a"), Ok(Location::Local("/a".into())));
        assert!(parsed("offsite:b/p").contains("offsite"));
        for kept in ["/data/http://x", "./a://b", "offsite:b/http://x", "s3://b/http://x"] {
            assert_eq!(Location::parse(kept).map(|location| location.to_string()), Ok(kept.to_owned()));
        }
        for bad in ["", "b", "s3://", "s3:///x", "file://x", "ftp://a/b", "a b:c", ":b", "s3://a?b"] {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_prefix_ends_at_a_slash() {
        let path = |prefix: &str| BucketPath { bucket: "b".into(), prefix: prefix.into() }.key_prefix();
        assert_eq!((path(""), path("a"), path("a/")), (String::new(), "a/".into(), "a/".into()));
    }

    #[test]
    fn overlaps_are_seen_on_prefix_borders() {
        let place = |prefix: &str| Place { endpoint: "e".into(), bucket: "b".into(), prefix: prefix.into() };
        assert_eq!(overlap(&place("a/"), &place("a/")), Overlap::Same);
        assert_eq!(overlap(&place("a/b/"), &place("a/")), Overlap::Inside);
        assert_eq!(overlap(&place(""), &place("a/")), Overlap::Contains);
        assert_eq!(overlap(&place("a/"), &place("ab/")), Overlap::None);
    }
}
