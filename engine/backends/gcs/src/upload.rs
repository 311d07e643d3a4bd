//! Large objects: parts in parallel, the whole compared where nobody sees it, then published under its condition.
//!
//! Two ways lead to a staged object: a multipart upload of the XML API (`xml`), or parts as objects joined by compose
//! (`joined`), where an endpoint has no XML multipart upload. From there on they are one (`publish`). An upload says in its id
//! which way it goes, so that another process, and a later one, goes on in the same way.

mod joined;
mod publish;
mod xml;

use brigade_core::digest::{Sum, crc32c_to_base64};
use brigade_core::parts::Part;
use brigade_core::{ErrorKind, Key};
use brigade_store::{Complete, Honoured, PartReceipt, Result, Rope, StoreError, Upload, WriteSpec, Written};

use crate::errors::protocol;
use crate::names::{Staged, new_staging_dir};
use crate::objects::Stored;
use crate::store::GcsStore;

pub(crate) use xml::{Open, abort as give_up, initiate, open_uploads};

const XML: &str = "xml:";
const JOINED: &str = "joined:";
const STRAY: &str = "stray:";

/// What an upload id says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way<'a> {
    /// A multipart upload of the XML API, with its id there.
    Xml(&'a str),
    /// Parts are objects below the staging directory.
    Joined,
    /// Objects in a staging directory whose upload is gone: there is nothing to do but to remove them.
    Stray,
}

/// An upload with its id taken apart.
#[derive(Clone, Copy, Debug)]
struct Target<'a> {
    key: &'a Key,
    way: Way<'a>,
    /// The staging directory, relative to the location.
    dir: &'a str,
}

impl<'a> Target<'a> {
    fn of(upload: &'a Upload) -> Result<Self> {
        let foreign = || StoreError::new(ErrorKind::UploadGone, "the upload is none of this store");
        let way = match (upload.id.strip_prefix(XML), upload.id.starts_with(JOINED), upload.id.starts_with(STRAY)) {
            (Some(id), ..) => Way::Xml(id),
            (_, true, _) => Way::Joined,
            (_, _, true) => Way::Stray,
            _ => return Err(foreign()),
        };
        // The directory is where things are deleted later: it must be a staging directory and nothing else.
        let dir = upload.staging.as_deref().ok_or_else(foreign)?;
        if crate::names::staging_dir_of(dir.as_bytes()) != Some(dir) {
            return Err(foreign());
        }
        Ok(Self { key: &upload.key, way, dir })
    }

    /// The full name under which the whole gathers.
    fn staged_name(&self, store: &GcsStore) -> Vec<u8> {
        store.names().staged(Staged::Object, self.dir, self.key)
    }
}

/// The upload of an XML multipart upload id.
pub(crate) fn xml_upload(key: Key, id: &str, dir: &str) -> Upload {
    Upload { key, id: format!("{XML}{id}"), staging: Some(dir.to_owned()) }
}

/// The upload of a directory whose parts are objects.
pub(crate) fn joined_upload(key: Key, dir: &str) -> Upload {
    Upload { key, id: format!("{JOINED}{dir}"), staging: Some(dir.to_owned()) }
}

/// What is left in a directory whose upload is gone.
pub(crate) fn stray_upload(key: Key, dir: &str) -> Upload {
    Upload { key, id: format!("{STRAY}{dir}"), staging: Some(dir.to_owned()) }
}

pub(crate) async fn create(store: &GcsStore, key: &Key, spec: &WriteSpec) -> Result<Upload> {
    store.names().writable(key)?;
    let dir = new_staging_dir();
    if store.learned().xml_uploads != Honoured::No {
        match xml::initiate(store, &store.names().staged(Staged::Object, &dir, key), spec).await? {
            Some(id) => return Ok(xml_upload(key.clone(), &id, &dir)),
            None => store.learn(|learned| learned.xml_uploads = Honoured::No),
        }
    }
    joined::begin(store, key, &dir).await?;
    Ok(joined_upload(key.clone(), &dir))
}

pub(crate) async fn part(store: &GcsStore, upload: &Upload, part: Part, bytes: &Rope, sum: &Sum) -> Result<PartReceipt> {
    let target = Target::of(upload)?;
    match target.way {
        Way::Xml(id) => xml::part(store, &target.staged_name(store), id, part, bytes, sum).await,
        Way::Joined => joined::part(store, &target, part, bytes, sum).await,
        Way::Stray => Err(gone()),
    }
}

pub(crate) async fn parts(store: &GcsStore, upload: &Upload) -> Result<Vec<PartReceipt>> {
    let target = Target::of(upload)?;
    match target.way {
        Way::Xml(id) => xml::parts(store, &target.staged_name(store), id).await,
        Way::Joined => joined::parts(store, &target).await,
        Way::Stray => Err(gone()),
    }
}

pub(crate) async fn complete(store: &GcsStore, upload: &Upload, complete: &Complete<'_>) -> Result<Written> {
    let target = Target::of(upload)?;
    let name = target.staged_name(store);
    let staged = match target.way {
        Way::Xml(id) => xml::complete(store, &name, id, complete).await,
        Way::Joined => joined::complete(store, &target, &name, complete).await,
        Way::Stray => Err(gone()),
    };
    let staged = match staged {
        // Gone may mean done: the acknowledgement of an earlier attempt can have been lost on the way.
        Err(error) if error.kind == ErrorKind::UploadGone => match publish::left(store, &target, &name, complete).await? {
            publish::Left::Published(written) => return Ok(written),
            publish::Left::Staged(staged) => staged,
            publish::Left::Nothing => return Err(error),
        },
        other => other?,
    };
    proven(&staged, &complete.sum)?;
    let written = publish::publish(store, target.key, &name, &staged, complete.spec).await?;
    if target.way == Way::Joined {
        sweep_quietly(store, target.dir).await;
    }
    Ok(written)
}

pub(crate) async fn abort(store: &GcsStore, upload: &Upload) -> Result<()> {
    let target = Target::of(upload)?;
    if let Way::Xml(id) = target.way {
        xml::abort(store, &target.staged_name(store), id).await?;
    }
    sweep(store, target.dir).await
}

/// The staged object is what was read: same size, same CRC-32C, as the store itself computed it. It stays where it is when it
/// is not, so that every further attempt finds the same; aborting removes it.
fn proven(staged: &Stored, sum: &Sum) -> Result<()> {
    let corrupt = |message: String| Err(StoreError::new(ErrorKind::Corrupt, message));
    if staged.head.size != sum.size {
        return corrupt(format!("the store holds {} bytes, and {} were sent", staged.head.size, sum.size));
    }
    match staged.head.digests.crc32c {
        Some(stored) if stored == sum.crc32c => Ok(()),
        Some(stored) => {
            let (stored, sent) = (crc32c_to_base64(stored), crc32c_to_base64(sum.crc32c));
            corrupt(format!("the store computed CRC-32C {stored} of what it holds, and {sent} was sent"))
        }
        None => Err(protocol("the endpoint names no CRC-32C of the joined object")),
    }
}

fn gone() -> StoreError {
    StoreError::new(ErrorKind::UploadGone, "the upload is gone")
}

/// Removes everything in a staging directory. What vanishes meanwhile was somebody else's doing and is no error.
async fn sweep(store: &GcsStore, dir: &str) -> Result<()> {
    let found = store.all_below(&format!("{}{dir}", store.names().prefix())).await?;
    let calls: Vec<(Vec<u8>, Option<u64>)> = found.into_iter().map(|(name, stored)| (name.into_bytes(), Some(stored.generation))).collect();
    for result in crate::delete::delete_names(store, &calls).await? {
        match result {
            Err(error) if error.kind != ErrorKind::NotFound => return Err(error.context("staging objects could not be removed")),
            _ => {}
        }
    }
    Ok(())
}

/// The same after the object was published: nothing that happens here can undo that, and `pending` finds what is left.
async fn sweep_quietly(store: &GcsStore, dir: &str) {
    if let Err(error) = sweep(store, dir).await {
        tracing::debug!(dir, kind = %error.kind, error = %error.message, "staging objects remain");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_staging_directory_is_ever_swept() {
        let dir = new_staging_dir();
        let good = joined_upload(Key::from("a"), &dir);
        assert_eq!(Target::of(&good).expect("ours").way, Way::Joined);
        for staging in [None, Some(""), Some("data/"), Some(".brigade-staging/"), Some(&*format!("{dir}object"))] {
            let bad = Upload { staging: staging.map(str::to_owned), ..good.clone() };
            assert_eq!(Target::of(&bad).expect_err("not ours").kind, ErrorKind::UploadGone, "{staging:?}");
        }
        assert!(Target::of(&Upload { id: "2~abc".into(), ..good }).is_err());
    }

    #[test]
    fn an_xml_id_survives_being_written_down() {
        let dir = new_staging_dir();
        let upload = xml_upload(Key::from("a"), "AB:xml:/+=", &dir);
        assert_eq!(Target::of(&upload).expect("ours").way, Way::Xml("AB:xml:/+="));
    }
}
