//! Which version of an object is meant.
//!
//! Every read after the listing, every overwrite and every delete names the identity that was seen, so that two versions
//! never mix (p07) and a newer upload is never deleted (p13).

use std::fmt::{self, Write as _};
use std::str::FromStr;
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

    /// The one text form that files keep: `etag:TEXT`, `generation:NUMBER`, `file:INODE:SIZE:MODIFIED_NS:CHANGED_NS`.
    /// Equal texts mean equal identities, and the other way round.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        self.write_text(&mut text);
        text
    }

    /// Appends [`Identity::to_text`] to `text`: for whoever writes many, and keeps the buffer.
    pub fn write_text(&self, text: &mut String) {
        match self {
            Self::Etag(etag) => {
                text.push_str("etag:");
                text.push_str(etag);
                Ok(())
            }
            Self::Generation(generation) => write!(text, "generation:{generation}"),
            Self::File(FileStamp { inode, size, modified_ns, changed_ns }) => {
                write!(text, "file:{inode}:{size}:{modified_ns}:{changed_ns}")
            }
        }
        .expect("a string takes every text");
    }

    /// Reads what [`Identity::to_text`] writes, and nothing else: a number with a sign or zeros before it is no such text.
    pub fn from_text(text: &str) -> Option<Self> {
        let (kind, value) = text.split_once(':')?;
        match kind {
            "etag" => Some(Self::Etag(Arc::from(value))),
            "generation" => number(value).map(Self::Generation),
            "file" => FileStamp::from_text(value).map(Self::File),
            _ => None,
        }
    }
}

impl FileStamp {
    fn from_text(text: &str) -> Option<Self> {
        let mut fields = text.split(':');
        let stamp = Self {
            inode: number(fields.next()?)?,
            size: number(fields.next()?)?,
            modified_ns: number(fields.next()?)?,
            changed_ns: number(fields.next()?)?,
        };
        fields.next().is_none().then_some(stamp)
    }
}

/// A number in its one canonical spelling: no plus, no zeros before it, no negative zero. Millions of these are read from a
/// manifest, so the spelling is looked at instead of being written once more and compared.
fn number<N: FromStr>(text: &str) -> Option<N> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = text == "0" || digits.starts_with(|first: char| matches!(first, '1'..='9'));
    canonical.then(|| text.parse().ok()).flatten()
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn identities() -> impl Strategy<Value = Identity> {
        prop_oneof![
            any::<String>().prop_map(|etag| Identity::Etag(Arc::from(etag))),
            any::<u64>().prop_map(Identity::Generation),
            any::<(u64, u64, i64, i64)>()
                .prop_map(|(inode, size, modified_ns, changed_ns)| { Identity::File(FileStamp { inode, size, modified_ns, changed_ns }) }),
        ]
    }

    proptest! {
        #[test]
        fn the_text_form_leads_back_to_the_identity(identity in identities()) {
            prop_assert_eq!(Identity::from_text(&identity.to_text()), Some(identity));
        }

        #[test]
        fn whatever_text_is_read_is_the_one_that_would_be_written(text in "(etag|generation|file|Etag)?:?[-+0-9:a]{0,12}") {
            if let Some(identity) = Identity::from_text(&text) {
                prop_assert_eq!(identity.to_text(), text);
            }
        }
    }

    #[test]
    fn texts_are_as_documented() {
        let stamp = FileStamp { inode: 7, size: 8, modified_ns: -9, changed_ns: 10 };
        for (identity, text) in [
            (Identity::etag("\"a:b-2\""), "etag:a:b-2"),
            (Identity::Generation(1_700), "generation:1700"),
            (Identity::File(stamp), "file:7:8:-9:10"),
        ] {
            assert_eq!(identity.to_text(), text);
            assert_eq!(Identity::from_text(text), Some(identity));
        }
        for foreign in
            ["", "etag", "Etag:a", "generation:", "generation:+1", "generation:01", "file:1:2:3", "file:1:2:3:4:5", "file:1:2:3:-0"]
        {
            assert_eq!(Identity::from_text(foreign), None, "{foreign}");
        }
    }
}
