//! An object's name, byte for byte.
//!
//! A key is never normalised, re-encoded, trimmed or joined with a path library: what a listing gave is what the target gets (p14).
//! Whether a store can hold a key is a question of that store's [`KeyRules`]; the answer is a reason, never another name.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::KEY_BYTES_MAX;

/// A key relative to the prefix of its location. Ordered by bytes, as S3 and GCS list. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<[u8]>);

impl Key {
    /// Takes the bytes as they are.
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self(Arc::from(bytes.as_ref()))
    }

    /// The exact bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key as text, if it is valid UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the key has no bytes: the object whose name is the location's prefix itself.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

/// For people: valid text as it is, control characters and bytes that are no UTF-8 escaped as `\n`, `\x1b`, `\xff`,
/// so that a hostile key cannot write to a terminal or break a log line.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\n' => f.write_str("\\n")?,
                    '\r' => f.write_str("\\r")?,
                    '\t' => f.write_str("\\t")?,
                    '\\' => f.write_str("\\\\")?,
                    c if c.is_control() || is_bidi_control(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                    c => fmt::Write::write_char(f, c)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Characters that reorder the text around them and could disguise a key (Unicode UAX #9).
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// In JSON a key is its exact text; bytes that are no UTF-8 cannot come from a bucket, and are escaped.
impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_str() {
            Some(text) => serializer.serialize_str(text),
            None => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::new(text.as_bytes()))
    }
}

/// Which names a store can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRules {
    /// S3: 1..=1024 bytes of UTF-8, any code point ("Creating object key names", Amazon S3 user guide).
    S3,
    /// GCS: as S3, and no CR or LF, not `.` or `..`, not below `.well-known/acme-challenge/`, no U+FFFE or U+FFFF
    /// ("About Cloud Storage objects: object name requirements").
    Gcs,
    /// A POSIX file system: every segment between slashes non-empty, not `.` or `..`, at most 255 bytes, and no NUL.
    File,
}

impl KeyRules {
    /// Why a store with these rules cannot hold the full name `name` (prefix included), or `None` where it can.
    pub fn unfit(self, name: &[u8]) -> Option<&'static str> {
        match self {
            Self::S3 => unfit_object_name(name),
            Self::Gcs => unfit_object_name(name).or_else(|| unfit_gcs_name(name)),
            Self::File => unfit_file_name(name),
        }
    }
}

fn unfit_object_name(name: &[u8]) -> Option<&'static str> {
    if name.is_empty() {
        return Some("the name is empty");
    }
    if name.len() > KEY_BYTES_MAX {
        return Some("the name is longer than 1024 bytes");
    }
    if std::str::from_utf8(name).is_err() {
        return Some("the name is not valid UTF-8");
    }
    None
}

fn unfit_gcs_name(name: &[u8]) -> Option<&'static str> {
    if name.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return Some("GCS accepts no carriage return or line feed in a name");
    }
    if name == b"." || name == b".." {
        return Some("GCS accepts no object named `.` or `..`");
    }
    if name.starts_with(b".well-known/acme-challenge/") {
        return Some("GCS reserves names below `.well-known/acme-challenge/`");
    }
    let text = std::str::from_utf8(name).unwrap_or_default();
    if text.contains(['\u{fffe}', '\u{ffff}']) {
        return Some("GCS accepts no U+FFFE or U+FFFF in a name");
    }
    None
}

fn unfit_file_name(name: &[u8]) -> Option<&'static str> {
    if name.is_empty() {
        return Some("the name is empty");
    }
    for segment in name.split(|byte| *byte == b'/') {
        match segment {
            b"" => return Some("a file path cannot hold an empty segment (`//`, or `/` at either end)"),
            b"." | b".." => return Some("a file path cannot hold a segment `.` or `..`"),
            long if long.len() > 255 => return Some("a file name is at most 255 bytes"),
            odd if odd.contains(&0) => return Some("a file name cannot hold a NUL byte"),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p14_keys_keep_every_byte() {
        for odd in [&b"a//b"[..], b"/a", b"a/", b".", b"..", b"a b+%&#?", b"\n\r\x01", b"e\xcc\x81", b"\xff\xfe"] {
            assert_eq!(Key::new(odd).as_bytes(), odd);
        }
    }

    #[test]
    fn display_is_harmless_and_unambiguous() {
        assert_eq!(Key::new(b"a\x1b[2J\n\xff\\").to_string(), "a\\u{1b}[2J\\n\\xff\\\\");
        assert_eq!(Key::from("\u{202e}gpj.exe").to_string(), "\\u{202e}gpj.exe");
    }

    #[test]
    fn rules_name_what_a_store_cannot_hold() {
        assert_eq!(KeyRules::S3.unfit(b"a//../b\n"), None);
        assert!(KeyRules::S3.unfit(&[b'x'; 1025]).is_some());
        assert!(KeyRules::S3.unfit(b"\xff").is_some());
        assert_eq!(KeyRules::Gcs.unfit(b"a/../b"), None);
        for odd in [&b"a\nb"[..], b".", b"..", b".well-known/acme-challenge/x", "\u{ffff}".as_bytes()] {
            assert!(KeyRules::Gcs.unfit(odd).is_some(), "{odd:?}");
        }
        for odd in [&b"a//b"[..], b"/a", b"a/", b"a/../b", b"a\0b", b""] {
            assert!(KeyRules::File.unfit(odd).is_some(), "{odd:?}");
        }
        assert_eq!(KeyRules::File.unfit(b"a\n\xff/b"), None);
    }
}
