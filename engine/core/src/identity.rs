//! Which version of an object is meant.
//!
//! Every read after the listing, every overwrite and every delete names the identity that was seen, so that two versions
//! never mix (p07) and a newer upload is never deleted (p13).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The store's own name for one version of one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// S3: the ETag without its quotes. It changes with the content, not with the metadata.
    Etag(Arc<str>),
    /// GCS: the generation; a new one with every write.
    Generation(u64),
    /// A file: what `stat` says. Content and metadata changes both move `changed_ns`.
    File(FileStamp),
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileStamp {
    /// Inode number.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Modification time, nanoseconds since 1970.
    pub modified_ns: i64,
    /// Status change time, nanoseconds since 1970: it cannot be set back by a program.
    pub changed_ns: i64,
}

impl Identity {
    /// An ETag, with or without its quotes.
    pub fn etag(text: &str) -> Self {
        Self::Etag(Arc::from(text.trim_matches('"')))
    }

    /// The ETag without quotes, where this is one.
    pub fn as_etag(&self) -> Option<&str> {
        match self {
            Self::Etag(etag) => Some(etag),
            _ => None,
        }
    }

    /// The generation, where this is one.
    pub fn as_generation(&self) -> Option<u64> {
        match self {
            Self::Generation(generation) => Some(*generation),
            _ => None,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Etag(etag) => write!(f, "etag {etag}"),
            Self::Generation(generation) => write!(f, "generation {generation}"),
            Self::File(stamp) => write!(f, "inode {} modified {} changed {}", stamp.inode, stamp.modified_ns, stamp.changed_ns),
        }
    }
}
