//! Names: from keys to request paths, byte for byte, and the names under which uploads gather.
//!
//! Every byte of a name that is not unreserved (RFC 3986) is percent-encoded, `/` included, so that no proxy, router or client
//! library on the way can take `a//b` or `a/../b` for a path of its own (p14).
//!
//! Large objects gather below [`STAGING`] and are moved to their name when they are proven. Names of exactly that form are never
//! listed as data, and nothing else is ever hidden.

use brigade_core::limits::KEY_BYTES_MAX;
use brigade_core::{ErrorKind, Key, KeyRules};
use brigade_http::uri;
use brigade_store::{Result, StoreError};

/// Directly below a location's prefix: where objects of this engine gather before they are published.
pub(crate) const STAGING: &str = ".brigade-staging/";

/// Hexadecimal digits of the id of one upload (a UUID without its dashes).
const STAGING_ID_CHARS: usize = 32;

/// Encodes a name as one path segment. A name that is only dots would be a path step to whoever normalises paths.
fn encode_segment(name: &[u8]) -> String {
    match name {
        b"." => "%2E".to_owned(),
        b".." => "%2E%2E".to_owned(),
        other => uri::encode_segment(other),
    }
}

/// A bucket and the key prefix of a location within it.
#[derive(Debug)]
pub(crate) struct Names {
    bucket: String,
    bucket_encoded: String,
    prefix: String,
}

impl Names {
    pub(crate) fn new(bucket: String, prefix: String) -> Self {
        let bucket_encoded = uri::encode_segment(bucket.as_bytes());
        Self { bucket, bucket_encoded, prefix }
    }

    /// The bucket as written.
    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The prefix that every name of this location starts with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The full name of a key.
    pub(crate) fn full(&self, key: &Key) -> Vec<u8> {
        [self.prefix.as_bytes(), key.as_bytes()].concat()
    }

    /// The full name of a key that is to be written: as text, and fit for GCS.
    pub(crate) fn writable(&self, key: &Key) -> Result<String> {
        let name = self.full(key);
        if let Some(reason) = KeyRules::Gcs.unfit(&name) {
            return Err(StoreError::new(ErrorKind::Unfit, reason));
        }
        String::from_utf8(name).map_err(|_| StoreError::new(ErrorKind::Unfit, "the name is not valid UTF-8"))
    }

    /// JSON: the bucket's settings.
    pub(crate) fn bucket_path(&self) -> String {
        format!("/storage/v1/b/{}", self.bucket_encoded)
    }

    /// JSON: the bucket's objects.
    pub(crate) fn objects_path(&self) -> String {
        format!("{}/o", self.bucket_path())
    }

    /// JSON: one object.
    pub(crate) fn object_path(&self, name: &[u8]) -> String {
        format!("/storage/v1/b/{}/o/{}", self.bucket_encoded, encode_segment(name))
    }

    /// JSON: a whole object is sent here.
    pub(crate) fn insert_path(&self) -> String {
        format!("/upload/storage/v1/b/{}/o", self.bucket_encoded)
    }

    /// JSON: an object of this location is rewritten to a full name of another one.
    pub(crate) fn rewrite_path(&self, from: &[u8], target: &Self, to: &[u8]) -> String {
        format!("{}/rewriteTo/b/{}/o/{}", self.object_path(from), target.bucket_encoded, encode_segment(to))
    }

    /// JSON: one object becomes another name of the same bucket.
    pub(crate) fn move_path(&self, from: &[u8], to: &[u8]) -> String {
        format!("{}/moveTo/o/{}", self.object_path(from), encode_segment(to))
    }

    /// XML: one object.
    pub(crate) fn xml_path(&self, name: &[u8]) -> String {
        format!("/{}/{}", self.bucket_encoded, encode_segment(name))
    }

    /// JSON: an object is written by concatenating others.
    pub(crate) fn compose_path(&self, name: &[u8]) -> String {
        format!("{}/compose", self.object_path(name))
    }

    /// XML: the bucket.
    pub(crate) fn xml_bucket_path(&self) -> String {
        format!("/{}", self.bucket_encoded)
    }
}

/// The directory of one new upload, relative to the location: `.brigade-staging/<id>/`.
pub(crate) fn new_staging_dir() -> String {
    format!("{STAGING}{}/", uuid::Uuid::new_v4().simple())
}

/// What stands in a staging directory, relative to the location. Both tell the key that the upload is for, so that one which
/// nobody finished can be named; where that would make the name too long, they do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Staged {
    /// The whole object, before it is published.
    Object,
    /// The sign of an upload whose parts are objects: it is there from the beginning to the end of the upload.
    Marker,
}

impl Staged {
    fn word(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Marker => "upload",
        }
    }
}

impl Names {
    /// The full name of a staged object or marker.
    pub(crate) fn staged(&self, what: Staged, dir: &str, key: &Key) -> Vec<u8> {
        let short = format!("{}{dir}{}", self.prefix, what.word());
        let long = [short.as_bytes(), b"/", key.as_bytes()].concat();
        if long.len() <= KEY_BYTES_MAX { long } else { short.into_bytes() }
    }
}

/// What a name within a staging directory is, and the key that it tells.
pub(crate) fn parse_staged(in_dir: &[u8]) -> Option<(Staged, Option<Key>)> {
    [Staged::Object, Staged::Marker].into_iter().find_map(|what| match in_dir.strip_prefix(what.word().as_bytes())? {
        b"" => Some((what, None)),
        rest => rest.strip_prefix(b"/").map(|key| (what, Some(Key::new(key)))),
    })
}

/// The staging object that holds one part, where parts are objects. Ten digits keep listing order and part order the same.
pub(crate) fn staged_part(dir: &str, number: u32) -> String {
    format!("{dir}part-{number:010}")
}

/// The part number of a staging object, where it is a part.
pub(crate) fn staged_part_number(name_in_dir: &str) -> Option<u32> {
    name_in_dir.strip_prefix("part-").filter(|digits| digits.len() == 10)?.parse().ok()
}

/// An inner node of the compose tree.
pub(crate) fn staged_node(dir: &str, level: usize, index: usize) -> String {
    format!("{dir}node-{level:02}-{index:010}")
}

/// The directory of the upload that a staging key belongs to, relative to the location; `None` for every other key.
pub(crate) fn staging_dir_of(key: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(key).ok()?;
    let rest = text.strip_prefix(STAGING)?;
    is_id_and_slash(rest.as_bytes()).then(|| &text[..STAGING.len() + STAGING_ID_CHARS + 1])
}

/// Whether a key is a staging name of this engine: `.brigade-staging/<32 hexadecimal digits>/...` at the start or after any `/`.
/// A staging name below a deeper location is no data of this one either.
pub(crate) fn is_staging(key: &[u8]) -> bool {
    let marker = STAGING.as_bytes();
    // One scan for the marker's first byte: nearly every key has none, and a listing asks this for each.
    key.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'.')
        .any(|(at, _)| (at == 0 || key[at - 1] == b'/') && key[at..].strip_prefix(marker).is_some_and(is_id_and_slash))
}

fn is_id_and_slash(rest: &[u8]) -> bool {
    rest.get(STAGING_ID_CHARS) == Some(&b'/') && rest[..STAGING_ID_CHARS].iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p14_every_byte_of_a_name_survives_the_path() {
        let names = Names::new("my-bucket".into(), "p//q/".into());
        let key = Key::new(b"a/../b c+%&#?~\x01\xc3\xa9");
        assert_eq!(names.object_path(&names.full(&key)), "/storage/v1/b/my-bucket/o/p%2F%2Fq%2Fa%2F..%2Fb%20c%2B%25%26%23%3F~%01%C3%A9");
        assert_eq!(names.object_path(b".."), "/storage/v1/b/my-bucket/o/%2E%2E");
        assert_eq!(names.move_path(b"a/b", b"c/d"), "/storage/v1/b/my-bucket/o/a%2Fb/moveTo/o/c%2Fd");
        assert_eq!(names.xml_path(b"x/y"), "/my-bucket/x%2Fy");
    }

    #[test]
    fn what_gcs_cannot_hold_is_unfit_before_a_request() {
        let names = Names::new("b".into(), String::new());
        assert_eq!(names.writable(&Key::from("a\nb")).expect_err("line feed").kind, ErrorKind::Unfit);
        assert_eq!(names.writable(&Key::new([b'x'; 1025])).expect_err("too long").kind, ErrorKind::Unfit);
        assert!(names.writable(&Key::from("a//../b")).is_ok());
    }

    #[test]
    fn exactly_the_staging_names_are_hidden() {
        let dir = new_staging_dir();
        for name in [staged_part(&dir, 7), staged_node(&dir, 1, 2), format!("deeper/{dir}object")] {
            assert!(is_staging(name.as_bytes()), "{name}");
        }
        for data in
            [".brigade-staging/notes.txt", "x.brigade-staging/0123456789abcdef0123456789abcdef/object", ".brigade", "a.b/c", ".", ""]
        {
            assert!(!is_staging(data.as_bytes()), "{data}");
        }
        assert_eq!(staging_dir_of(staged_part(&dir, 1).as_bytes()), Some(dir.as_str()));
        assert_eq!(staging_dir_of(b"data"), None);
        assert_eq!(staged_part_number("part-0000000042"), Some(42));
        assert_eq!(staged_part_number("object"), None);
    }

    #[test]
    fn a_staged_name_tells_its_key_where_it_fits() {
        let names = Names::new("b".into(), "p/".into());
        let dir = new_staging_dir();
        for key in [Key::from("a//b/"), Key::new([b'x'; 900])] {
            let name = names.staged(Staged::Object, &dir, &key);
            let in_dir = name.strip_prefix(format!("p/{dir}").as_bytes()).expect("in its directory");
            assert_eq!(parse_staged(in_dir), Some((Staged::Object, Some(key))));
        }
        let long = names.staged(Staged::Marker, &dir, &Key::new([b'x'; 1020]));
        assert_eq!(parse_staged(long.strip_prefix(format!("p/{dir}").as_bytes()).expect("in its directory")), Some((Staged::Marker, None)));
        assert_eq!(parse_staged(b"objects"), None);
    }
}
