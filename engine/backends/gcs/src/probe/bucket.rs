//! What the bucket's own settings say of deletes. Reading them takes `storage.buckets.get`, which object rights do not include:
//! without it nothing is known, and nothing fails.

use brigade_store::{Honoured, patiently};
use http::Method;
use serde::Deserialize;

use crate::client::{Call, target};
use crate::errors::About;
use crate::store::GcsStore;

/// The settings, of the bucket resource.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    versioning: Versioning,
    soft_delete_policy: SoftDelete,
    retention_policy: Option<Retention>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Versioning {
    enabled: bool,
}

/// Numbers of 64 bits are text in JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SoftDelete {
    retention_duration_seconds: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Retention {
    retention_period: String,
}

/// Whether the bucket keeps what is deleted, and lines for `doctor`.
pub(super) async fn settings(store: &GcsStore) -> (Honoured, Vec<String>) {
    let path = target(&store.names().bucket_path(), &[("fields", "versioning,softDeletePolicy,retentionPolicy")]);
    let call = &Call::new(Method::GET, path, About::Bucket);
    match patiently(|| store.client().fetch(call)).await {
        Ok((_, body)) => read(&body),
        Err(error) => (Honoured::Unknown, vec![format!("versioning: not known, the bucket's settings cannot be read ({})", error.kind)]),
    }
}

fn read(body: &[u8]) -> (Honoured, Vec<String>) {
    let Ok(settings) = serde_json::from_slice::<Settings>(body) else { return (Honoured::Unknown, Vec::new()) };
    let (versioned, line) = if settings.versioning.enabled {
        (Honoured::Yes, "versioning: enabled; deleted objects stay as older versions")
    } else {
        (Honoured::No, "versioning: off")
    };
    let mut notes = vec![line.to_owned()];
    let kept = settings.soft_delete_policy.retention_duration_seconds;
    if !kept.is_empty() && kept != "0" {
        notes.push(format!("soft delete: deleted objects can be restored for {kept} s, and are billed so long"));
    }
    if let Some(Retention { retention_period }) = settings.retention_policy {
        notes.push(format!("retention policy: objects younger than {retention_period} s can be neither deleted nor overwritten"));
    }
    (versioned, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_what_is_absent_is_off() {
        assert_eq!(read(b"{}"), (Honoured::No, vec!["versioning: off".to_owned()]));
        assert_eq!(read(b"<html>"), (Honoured::Unknown, Vec::new()));
        let all = br#"{"versioning":{"enabled":true},"softDeletePolicy":{"retentionDurationSeconds":"604800"},
            "retentionPolicy":{"retentionPeriod":"86400","isLocked":true}}"#;
        let (versioned, notes) = read(all);
        assert_eq!((versioned, notes.len()), (Honoured::Yes, 3));
        assert!(notes[1].contains("604800 s") && notes[2].contains("86400 s"), "{notes:?}");
        let off = read(br#"{"versioning":{"enabled":false},"softDeletePolicy":{"retentionDurationSeconds":"0"}}"#);
        assert_eq!(off, (Honoured::No, vec!["versioning: off".to_owned()]));
    }
}
