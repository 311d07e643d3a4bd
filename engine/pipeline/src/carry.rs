//! What travels beside the bytes, and what cannot.
//!
//! Everything that the target cannot hold is named: it stands in the plan and in the report, and is never dropped in silence.

use std::sync::Arc;

use brigade_core::Metadata;
use brigade_core::job::{Job, MetadataPolicy};
use brigade_core::metadata::{MTIME, map_class};
use brigade_store::{Facts, Head, MtimeStyle};
use jiff::Timestamp;

/// What is written with the copy.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    /// Reduced to what the target can hold, the modification time added.
    pub metadata: Arc<Metadata>,
    /// The target's storage class; `None` for its default.
    pub storage_class: Option<Arc<str>>,
    /// What stays behind, by name.
    pub dropped: Vec<String>,
}

/// Decides what of an object's facts the target gets.
pub fn carry(head: &Head, tags: Vec<(String, String)>, job: &Job, source: &Facts, target: &Facts) -> Carried {
    let mut dropped = Vec::new();
    let storage_class = job
        .storage_class
        .as_deref()
        .or_else(|| head.storage_class.as_deref().and_then(|class| map_class(class, source.classes, target.classes)))
        .map(Arc::from);
    let mut metadata = match job.metadata {
        MetadataPolicy::All => Metadata { tags, ..(*head.metadata).clone() },
        MetadataPolicy::None => Metadata::default(),
    };
    for (name, value) in &job.set_metadata {
        set(&mut metadata, name, value);
    }
    reduce(&mut metadata, target, &mut dropped);
    if job.metadata == MetadataPolicy::All {
        add_mtime(&mut metadata, head.modified, target);
    }
    Carried { metadata: Arc::new(metadata), storage_class, dropped }
}

/// `--set-metadata K=V`: a header by its name, anything else as user metadata.
fn set(metadata: &mut Metadata, name: &str, value: &str) {
    let value = value.to_owned();
    match name.to_ascii_lowercase().as_str() {
        "content-type" => metadata.content_type = Some(value),
        "content-encoding" => metadata.content_encoding = Some(value),
        "content-disposition" => metadata.content_disposition = Some(value),
        "content-language" => metadata.content_language = Some(value),
        "cache-control" => metadata.cache_control = Some(value),
        "expires" => metadata.expires = Some(value),
        user => drop(metadata.user.insert(user.to_owned(), value)),
    }
}

fn reduce(metadata: &mut Metadata, target: &Facts, dropped: &mut Vec<String>) {
    if !target.keeps_metadata {
        let mtime = metadata.user.remove(MTIME);
        let lost = metadata.differences(&Metadata::default());
        dropped.extend(lost.into_iter().map(str::to_owned));
        if !metadata.tags.is_empty() {
            dropped.push("tags".into());
        }
        *metadata = Metadata { user: mtime.map(|value| (MTIME.to_owned(), value)).into_iter().collect(), ..Metadata::default() };
        return;
    }
    if metadata.tags.len() > target.tags_max {
        metadata.tags.clear();
        dropped.push("tags".into());
    }
    if metadata.expires.is_some() && !target.keeps_expires {
        metadata.expires = None;
        dropped.push("expires".into());
    }
    if metadata.user_bytes() > target.metadata_bytes_max {
        metadata.user.clear();
        dropped.push("user metadata".into());
    }
}

/// The original modification time, unless it already travels from an earlier copy.
fn add_mtime(metadata: &mut Metadata, modified: Option<Timestamp>, target: &Facts) {
    let original = metadata.user.remove(MTIME).and_then(|text| parse_mtime(&text)).or(modified);
    let Some(original) = original else { return };
    let text = match target.mtime {
        MtimeStyle::Rfc3339 => original.to_string(),
        MtimeStyle::UnixSeconds | MtimeStyle::File => {
            let (seconds, nanoseconds) = (original.as_second(), original.subsec_nanosecond());
            if nanoseconds == 0 { seconds.to_string() } else { format!("{seconds}.{nanoseconds:09}") }
        }
    };
    let fits = metadata.user_bytes() + MTIME.len() + text.len() <= target.metadata_bytes_max;
    if fits || target.mtime == MtimeStyle::File {
        metadata.user.insert(MTIME.to_owned(), text);
    }
}

/// Either style: seconds since 1970 with a fraction, or RFC 3339.
fn parse_mtime(text: &str) -> Option<Timestamp> {
    if let Ok(timestamp) = text.parse() {
        return Some(timestamp);
    }
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let padded = format!("{fraction:0<9}");
    let nanoseconds: i32 = padded.get(..9)?.parse().ok()?;
    Timestamp::new(seconds.parse().ok()?, nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mtimes_of_both_styles_are_one_time() {
        let one = parse_mtime("1700000000.5").expect("a time");
        assert_eq!(Some(one), parse_mtime("2023-11-14T22:13:20.5Z"));
        assert_eq!(parse_mtime("yesterday"), None);
        assert_eq!(parse_mtime("1700000000").map(|time| time.as_second()), Some(1_700_000_000));
    }

    #[test]
    fn headers_are_set_by_name_and_the_rest_is_user_metadata() {
        let mut metadata = Metadata::default();
        set(&mut metadata, "Content-Type", "text/plain");
        set(&mut metadata, "Team", "a");
        assert_eq!(metadata.content_type.as_deref(), Some("text/plain"));
        assert_eq!(metadata.user.get("team").map(String::as_str), Some("a"));
    }
}
