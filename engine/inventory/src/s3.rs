//! S3 Inventory in place of a listing: what AWS wrote down of a bucket, once a day or once a week.
//!
//! The `manifest.json` names the data files with their MD5. Each is fetched whole and compared with it before anything of it is
//! parsed; the rows of the current versions below a prefix are sorted on disk, for the files are not sorted as a whole.
//!
//! An inventory is old when it is read. What was written since is not in it, so it never says that a key is missing; what was
//! overwritten since has another ETag than the inventory names, which every read notices.
//! ("Cataloging and analyzing your data with S3 Inventory", Amazon S3 user guide.)

mod csv;
mod document;
mod fetch;
mod fields;
mod parquet;

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brigade_core::{Entry, Key};
use brigade_store::Source;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio::task::spawn_blocking;
use tokio_util::task::AbortOnDropHandle;

use crate::limits::FILES_AHEAD;
use crate::sorted::{Sorted, Sorter};
use crate::{InventoryError, Result};
pub use document::{Columns, DataFile, Document, Format};
pub use fields::Wanted;

/// Where the files of an inventory are.
pub struct Files {
    /// The store that holds them: the bucket that the inventory is written to, or a directory that it was copied to.
    pub store: Arc<dyn Source>,
    /// The key of the `manifest.json` in it.
    pub manifest: Key,
    /// How many leading segments of the files' keys, as the manifest names them, are not part of their keys here.
    pub segments_left_out: usize,
    /// A directory with room for the entries and for two of the files.
    pub directory: PathBuf,
}

/// An inventory that was read.
pub struct Inventory {
    /// The current versions below the prefix, in key order.
    pub entries: Sorted,
    /// When the inventory was begun: what is in it is as old, or somewhat newer.
    pub created: Timestamp,
}

impl Files {
    /// Reads the `manifest.json`, and checks that it speaks of `bucket`.
    ///
    /// # Errors
    /// It cannot be read, is damaged, is of another bucket, or lacks what entries need.
    pub async fn document(&self, bucket: &str) -> Result<Document> {
        let text = fetch::document(&*self.store, &self.manifest).await?;
        let document = Document::parse(&text)?;
        if document.bucket != bucket {
            let what = format!("it is the inventory of the bucket `{}`, and SOURCE is in `{bucket}`", document.bucket);
            return Err(InventoryError::Unfit { what, hint: "name an inventory of the bucket that SOURCE is in" });
        }
        Ok(document)
    }

    /// Reads the data files of `document` and sorts the rows that are `wanted`.
    ///
    /// # Errors
    /// A file is missing or not the one that the manifest names, a row cannot be understood, a key stands in it twice, or the
    /// disk is full.
    pub async fn read(&self, document: &Document, wanted: &Wanted) -> Result<Inventory> {
        let fetches = document.files.clone().into_iter().map(|file| {
            let (store, directory, left_out) = (self.store.clone(), self.directory.clone(), self.segments_left_out);
            AbortOnDropHandle::new(tokio::spawn(async move { fetch::file(&*store, &file, left_out, &directory).await }))
        });
        let mut fetched = stream::iter(fetches).buffered(FILES_AHEAD + 1);
        let mut sorter = Sorter::new(&self.directory);
        while let Some(file) = fetched.next().await {
            let file = file.map_err(crashed)??;
            let (columns, wanted) = (document.columns.clone(), wanted.clone());
            sorter = spawn_blocking(move || gather(file, &columns, &wanted, sorter)).await.map_err(crashed)??;
        }
        let entries = spawn_blocking(move || sorter.finish()).await.map_err(crashed)??;
        Ok(Inventory { entries, created: document.created })
    }
}

/// A task of ours that panicked ends the reading, not the process.
fn crashed(error: tokio::task::JoinError) -> InventoryError {
    InventoryError::damaged("a file of the inventory", format!("reading it crashed: {error}"))
}

/// Takes the wanted rows of one file.
fn gather(file: fetch::Fetched, columns: &Columns, wanted: &Wanted, mut sorter: Sorter) -> Result<Sorter> {
    let fetch::Fetched { name, file } = file;
    match columns {
        Columns::Csv(columns) => {
            read_csv(std::io::BufReader::new(file), &name, columns, wanted, &mut |entry| sorter.push(&entry))?;
        }
        Columns::Parquet => {
            let damaged = |what: String| InventoryError::damaged(&name, what);
            parquet::rows(file, &damaged, &mut taking(wanted, &damaged, &mut |entry| sorter.push(&entry)))?;
        }
    }
    Ok(sorter)
}

/// Gives the wanted entries of a data file with these columns, called `name`, to `take`. The text may be compressed with gzip.
///
/// # Errors
/// The text is no such file, a row cannot be understood or is of another bucket, or `take` ended it.
pub fn read_csv<R: BufRead>(
    text: R,
    name: &str,
    columns: &[String],
    wanted: &Wanted,
    take: &mut dyn FnMut(Entry) -> Result<()>,
) -> Result<()> {
    let damaged = |what: String| InventoryError::damaged(name, what);
    csv::rows(text, columns, &damaged, &mut taking(wanted, &damaged, take))
}

/// Takes the rows that are wanted, as entries.
fn taking<'a>(
    wanted: &'a Wanted,
    damaged: &'a dyn Fn(String) -> InventoryError,
    take: &'a mut dyn FnMut(Entry) -> Result<()>,
) -> impl FnMut(&fields::Fields<'_>) -> Result<()> + 'a {
    move |fields| match fields::entry(fields, wanted) {
        Ok(Some(entry)) => take(entry),
        Ok(None) => Ok(()),
        Err(what) => Err(damaged(what)),
    }
}

/// The keys below a directory under which the files of a `manifest.json` were copied: how many leading segments of `key` were
/// left out, and what is the root, where `exists` says which files are there. The manifest itself may lie anywhere below the
/// same root.
pub fn locate(manifest: &Path, key: &str, exists: impl Fn(&Path) -> bool) -> Option<(PathBuf, usize)> {
    let segments = key.split('/').count();
    let fits = |root: &Path| (0..segments).find(|left_out| shortened(key, *left_out).is_some_and(|below| exists(&root.join(below))));
    manifest.ancestors().skip(1).find_map(|root| fits(root).map(|left_out| (root.to_owned(), left_out)))
}

/// A key without its first segments. A segment that would lead out of a directory has no place in the key of a data file.
fn shortened(key: &str, left_out: usize) -> Option<String> {
    let segments: Vec<&str> = key.split('/').skip(left_out).collect();
    let plain = segments.iter().all(|segment| !matches!(*segment, "" | "." | ".."));
    (plain && !segments.is_empty()).then(|| segments.join("/"))
}
