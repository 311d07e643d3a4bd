//! What unfinished uploads have left directly below this location: open multipart uploads and staging objects.
//!
//! Everything here is this engine's own by its name: only names of the exact staging form are looked at. The uploads of
//! deeper locations are found by asking for those.

use std::collections::BTreeMap;

use brigade_core::Key;
use brigade_store::{PendingUpload, Result};
use jiff::Timestamp;

use crate::names::{STAGING, Staged, parse_staged, staging_dir_of};
use crate::store::GcsStore;
use crate::upload::{Open, joined_upload, open_uploads, stray_upload, xml_upload};

/// What lies in one staging directory.
#[derive(Debug, Default)]
struct Found {
    marker: Option<Key>,
    object: Option<Key>,
    /// Any object, to have a name where nothing tells the key.
    any: Option<Key>,
    started: Option<Timestamp>,
}

pub(crate) async fn pending(store: &GcsStore) -> Result<Vec<PendingUpload>> {
    let prefix = store.names().prefix();
    let staging = format!("{prefix}{STAGING}");
    let mut pending: Vec<PendingUpload> = open_uploads(store, &staging).await?.iter().filter_map(|open| of_open(prefix, open)).collect();
    let mut dirs: BTreeMap<String, Found> = BTreeMap::new();
    for (name, stored) in store.all_below(&staging).await? {
        let key = &name.as_bytes()[prefix.len()..];
        if let Some(dir) = staging_dir_of(key) {
            dirs.entry(dir.to_owned()).or_default().add(dir, key, stored.head.modified);
        }
    }
    pending.extend(dirs.into_iter().map(|(dir, found)| found.into_pending(&dir)));
    Ok(pending)
}

fn of_open(prefix: &str, open: &Open) -> Option<PendingUpload> {
    let staged = open.name.as_bytes().strip_prefix(prefix.as_bytes())?;
    let dir = staging_dir_of(staged)?;
    let key = match parse_staged(&staged[dir.len()..]) {
        Some((_, Some(key))) => key,
        _ => Key::new(staged),
    };
    Some(PendingUpload { upload: xml_upload(key, &open.id, dir), started: open.started })
}

impl Found {
    fn add(&mut self, dir: &str, key: &[u8], modified: Option<Timestamp>) {
        let own = || Key::new(key);
        match parse_staged(&key[dir.len()..]) {
            Some((Staged::Marker, told)) => self.marker = Some(told.unwrap_or_else(own)),
            Some((Staged::Object, told)) => self.object = Some(told.unwrap_or_else(own)),
            None => {}
        }
        self.any.get_or_insert_with(own);
        self.started = match (self.started, modified) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    fn into_pending(self, dir: &str) -> PendingUpload {
        let upload = match (self.marker, self.object.or(self.any)) {
            (Some(key), _) => joined_upload(key, dir),
            (None, key) => stray_upload(key.unwrap_or_else(|| Key::from(dir)), dir),
        };
        PendingUpload { upload, started: self.started }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{new_staging_dir, staged_part};

    #[test]
    fn a_directory_tells_its_upload_whatever_is_left_of_it() {
        let dir = new_staging_dir();
        let mut found = Found::default();
        found.add(&dir, staged_part(&dir, 1).as_bytes(), Timestamp::from_second(9).ok());
        let part_only = Found { any: found.any.clone(), ..Found::default() }.into_pending(&dir);
        assert_eq!(part_only.upload.key, Key::from(staged_part(&dir, 1).as_str()));
        found.add(&dir, format!("{dir}upload/a//b").as_bytes(), Timestamp::from_second(3).ok());
        let pending = found.into_pending(&dir);
        assert_eq!((pending.upload, pending.started), (joined_upload(Key::from("a//b"), &dir), Timestamp::from_second(3).ok()));
        let open = Open { name: format!("p/{dir}object/k"), id: "i".into(), started: None };
        assert_eq!(of_open("p/", &open).expect("ours").upload, xml_upload(Key::from("k"), "i", &dir));
        assert!(of_open("p/", &Open { name: "p/.brigade-staging/x".into(), ..open }).is_none());
    }
}
