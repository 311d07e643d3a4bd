//! Folding: a baseline and the changes of a run become the next baseline, as a file. Blocking; constant memory.

use std::fs;
use std::path::Path;

use brigade_core::Change;
use brigade_core::known::{Ending, fold};
use brigade_manifest::{Manifest, Meta, WriteError};
use jiff::Timestamp;

use super::JobPlaces;
use super::paths::{Kind, Paths};
use super::trust::ProgressNote;
use crate::StateError;
use crate::disk;
use crate::history::NamedManifest;

/// Who folds, and how the run ended whose changes are folded.
pub(super) struct Fold<'a> {
    pub(super) places: &'a JobPlaces,
    pub(super) run: &'a str,
    pub(super) base: Option<&'a Manifest>,
    pub(super) created: Timestamp,
    pub(super) ending: Ending,
}

impl Fold<'_> {
    /// Writes the folded records to `path`. `name` is the name that the file will have.
    pub(super) fn write<C>(&self, changes: C, path: &Path, name: String) -> Result<NamedManifest, StateError>
    where
        C: Iterator<Item = Result<Change, StateError>>,
    {
        let base = self.base.map(|manifest| manifest.read(None)).into_iter().flatten();
        let base = base.map(|record| record.map_err(StateError::from));
        let meta = Meta {
            source: self.places.source.clone(),
            target: self.places.target.clone(),
            run: self.run.to_owned(),
            created: self.created,
        };
        let written = brigade_manifest::write(path, &meta, fold(base, changes, self.ending)).map_err(|error| match error {
            WriteError::Rows(error) => error,
            WriteError::Manifest(error) => error.into(),
        })?;
        Ok(NamedManifest { file: name, rows: written.rows, blake3: written.blake3 })
    }

    /// Makes the folded records the progress that counts from now on, durably. `after` is the hash of the last clean record.
    ///
    /// The file has a name of its own and counts only once the note names it, so a crash leaves the old progress or the new.
    pub(super) fn make_progress<C>(&self, changes: C, paths: &Paths, after: &str) -> Result<NamedManifest, StateError>
    where
        C: Iterator<Item = Result<Change, StateError>>,
    {
        let name = Kind::Progress.name(self.run);
        let file = self.write(changes, &paths.file(&name), name)?;
        let note = ProgressNote { file: file.clone(), after: after.to_owned() };
        disk::replace(&paths.progress_note(), &serde_json::to_vec(&note).expect("a note has no keys but strings"))?;
        Ok(file)
    }
}

/// Removes progress that does not count any more: all of it, but the one of the note where that is kept.
pub(super) fn sweep_progress(paths: &Paths, kept: Option<&str>) -> Result<(), StateError> {
    if kept.is_none() {
        disk::remove(&paths.progress_note())?;
    }
    for name in paths.names(Kind::Progress).iter().filter(|name| kept != Some(name)) {
        disk::remove(&paths.file(name))?;
    }
    Ok(())
}

/// Removes manifests but those of these names.
pub(super) fn sweep_manifests(paths: &Paths, kept: &[&str]) -> Result<(), StateError> {
    for name in paths.names(Kind::Manifest).iter().filter(|name| !kept.contains(&name.as_str())) {
        disk::remove(&paths.file(name))?;
    }
    Ok(())
}

/// Puts a file aside under a name that nothing reads, so that a person can look at it.
pub(super) fn set_aside(paths: &Paths, name: &str, run: &str) -> Result<String, StateError> {
    let aside = format!("aside-{run}-{name}");
    match fs::metadata(paths.file(name)) {
        Ok(_) => disk::rename(&paths.file(name), &paths.file(&aside)).map(|()| aside),
        Err(_) => Ok(aside),
    }
}
