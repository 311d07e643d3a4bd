//! A manifest of this engine in place of a listing of its source.
//!
//! It holds what a clean run saw: each key with the version of its original and the digests that were compared. What was
//! written since is not in it.

use std::path::Path;

use brigade_core::known::Original;
use brigade_core::{Entry, KeyRange, Known};
use brigade_manifest::{Manifest, Vouched};
use brigade_store::{Pages, StoreError};
use jiff::Timestamp;

use crate::paged::Paged;
use crate::{Entries, InventoryError};

/// The originals of a manifest.
pub struct Originals {
    manifest: Manifest,
}

impl Originals {
    /// Opens and verifies the manifest at `path`, if it is one of the source `source` (in the spelling of jobs).
    ///
    /// # Errors
    /// It is damaged, or it is the manifest of another source.
    pub fn open(path: &Path, source: &str) -> Result<Self, InventoryError> {
        let manifest = Manifest::open(path, Vouched::Seal)?;
        let named = &manifest.meta().source;
        if named != source {
            let what = format!("it is the manifest of another source: it names {named}, and SOURCE is {source}");
            return Err(InventoryError::Unfit { what, hint: "name a manifest that a clean run from this very SOURCE left" });
        }
        Ok(Self { manifest })
    }

    /// When it was written.
    pub fn created(&self) -> Timestamp {
        self.manifest.meta().created
    }
}

impl Entries for Originals {
    fn list(&self, range: &KeyRange) -> Box<dyn Pages> {
        let rows = self.manifest.read(range.after.as_ref()).filter_map(|known| match known {
            // This engine deleted it itself.
            Ok(Known { original: Original::Deleted, .. }) => None,
            Ok(known) => Some(Ok(entry(known))),
            Err(error) => Some(Err(StoreError::from(InventoryError::from(error)))),
        });
        Box::new(Paged::new(rows, range.through.clone()))
    }
}

fn entry(known: Known) -> Entry {
    Entry { modified: known.source_modified, digests: known.digests, ..Entry::new(known.key, known.size, known.source) }
}
