//! What an object carries beside its bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Headers and user metadata of one object. Names of `user` are lower case, as both clouds return them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// `Content-Type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Content-Encoding`, as stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// `Content-Disposition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// `Content-Language`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// `Cache-Control`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// `Expires`, as text: S3 stores it as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// User metadata (`x-amz-meta-*`, `x-goog-meta-*`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub user: BTreeMap<String, String>,
    /// Tags (S3 only).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<(String, String)>,
}

/// User metadata name under which the original modification time travels: the one rclone reads and writes.
pub const MTIME: &str = "mtime";

impl Metadata {
    /// Bytes of user metadata as providers count them: names and values.
    pub fn user_bytes(&self) -> usize {
        self.user.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// The names of the fields in which the two differ, the modification time left out: it is compared by itself.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let same_user = self.user.iter().filter(|(name, _)| *name != MTIME).eq(other.user.iter().filter(|(name, _)| *name != MTIME));
        let fields = [
            ("content-type", effective_type(&self.content_type) == effective_type(&other.content_type)),
            ("content-encoding", self.content_encoding == other.content_encoding),
            ("content-disposition", self.content_disposition == other.content_disposition),
            ("content-language", self.content_language == other.content_language),
            ("cache-control", self.cache_control == other.cache_control),
            ("expires", self.expires == other.expires),
            ("user metadata", same_user),
        ];
        fields.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }
}

/// Stores fill an absent type in with one of the two "unknown binary" types; both mean that nobody said.
fn effective_type(content_type: &Option<String>) -> Option<&str> {
    content_type.as_deref().filter(|value| !matches!(*value, "application/octet-stream" | "binary/octet-stream" | ""))
}

/// Whose names the storage classes of a store bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassNames {
    /// `STANDARD`, `STANDARD_IA`, `GLACIER`, ...
    S3,
    /// `STANDARD`, `NEARLINE`, `COLDLINE`, `ARCHIVE`.
    Gcs,
    /// There are no storage classes.
    None,
}

/// The class in which a copy is stored, when nobody asked for one: the same class within one provider, the one meant for
/// the same access pattern across providers, the target's default (`None`) where the class is the default or unknown.
pub fn map_class(class: &str, source: ClassNames, target: ClassNames) -> Option<&str> {
    if class.is_empty() || class == "STANDARD" || target == ClassNames::None {
        return None;
    }
    match (source, target) {
        (source, target) if source == target => Some(class),
        (ClassNames::S3, ClassNames::Gcs) => match class {
            "STANDARD_IA" | "ONEZONE_IA" => Some("NEARLINE"),
            "GLACIER_IR" | "GLACIER" => Some("COLDLINE"),
            "DEEP_ARCHIVE" => Some("ARCHIVE"),
            _ => None,
        },
        // Only classes that are readable at once: a copy must never need a restore that its original did not.
        (ClassNames::Gcs, ClassNames::S3) => match class {
            "NEARLINE" => Some("STANDARD_IA"),
            "COLDLINE" | "ARCHIVE" => Some("GLACIER_IR"),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_keep_their_meaning_across_providers() {
        use ClassNames::{Gcs, None as Nothing, S3};
        assert_eq!(map_class("STANDARD", S3, S3), None);
        assert_eq!(map_class("INTELLIGENT_TIERING", S3, S3), Some("INTELLIGENT_TIERING"));
        assert_eq!(map_class("DEEP_ARCHIVE", S3, Gcs), Some("ARCHIVE"));
        assert_eq!(map_class("ARCHIVE", Gcs, S3), Some("GLACIER_IR"));
        assert_eq!(map_class("INTELLIGENT_TIERING", S3, Gcs), None);
        assert_eq!(map_class("GLACIER", S3, Nothing), None);
    }

    #[test]
    fn an_unknown_type_is_no_difference_and_a_changed_header_is() {
        let plain = Metadata { content_type: Some("binary/octet-stream".into()), ..Metadata::default() };
        assert!(plain.differences(&Metadata::default()).is_empty());
        let text = Metadata { content_type: Some("text/plain".into()), user: [("a".into(), "b".into())].into(), ..Metadata::default() };
        assert_eq!(text.differences(&plain), ["content-type", "user metadata"]);
    }
}
