//! Where the entries of a run come from, where it is not from listing both ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use brigade_core::Key;
use brigade_core::event::Side;
use brigade_core::filter::Filter;
use brigade_core::job::Job;
use brigade_core::location::{BucketPath, Location};
use brigade_inventory::s3::{Document, Files, Wanted, locate};
use brigade_inventory::{InventoryError, Named, Originals, Way, way};
use brigade_pipeline::report::SourceEntries;
use brigade_store::Listing;
use jiff::Timestamp;

use crate::args::{EntryArgs, TransferArgs};
use crate::commands;
use crate::config::StoreKind;
use crate::error::CliError;
use crate::open::{Opened, Opener, Reach};
use crate::state;

/// Both ends, listed as a run needs it.
pub struct Listed {
    /// The source.
    pub source: Opened,
    /// The target.
    pub target: Opened,
    /// What took the place of listing the source.
    pub from: Option<SourceEntries>,
}

/// Refuses what would delete by an old list, before the first request.
pub fn refuse_deletes(args: &EntryArgs, job: &Job) -> Result<(), CliError> {
    let option = match (&args.source_inventory, &args.source_manifest) {
        (Some(_), _) => "--source-inventory",
        (None, Some(_)) => "--source-manifest",
        (None, None) => return Ok(()),
    };
    if !job.delete_extra {
        return Ok(());
    }
    Err(CliError::new(
        format!("`sync --delete` cannot go by {option}"),
        "what was written to SOURCE since is not in it, and would be deleted from TARGET",
    )
    .hint(format!("leave --delete out, or leave {option} out, so that SOURCE is listed")))
}

/// Both ends as the job needs them listed.
pub async fn of_job(args: &TransferArgs, job: &Job, (source, target): (Opened, Opened), opener: &mut Opener) -> Result<Listed, CliError> {
    let (source, from) = match (&args.entries.source_inventory, &args.entries.source_manifest) {
        (Some(location), _) => inventory(location, args, source, opener).await.map(|(source, from)| (source, Some(from)))?,
        (None, Some(path)) => manifest(path, source).map(|(source, from)| (source, Some(from)))?,
        (None, None) => (of_filter(&job.filter, source, Side::Source).await, None),
    };
    // What the filters hide of the target is deleted as well, so all of it has to be seen.
    let target = if job.delete_excluded { target } else { of_filter(&job.filter, target, Side::Target).await };
    Ok(Listed { source, target, from })
}

/// The location as the filter needs it listed: where `--files-from` names few of its keys, each of them is looked up.
pub async fn of_filter(filter: &Filter, opened: Opened, side: Side) -> Opened {
    let Some(files) = filter.files() else { return opened };
    let names: Vec<Key> = files.map(Key::from).collect();
    match way(&*opened.store, &names).await {
        Way::List => {
            tracing::debug!(%side, names = names.len(), "the keys of --files-from are picked from a listing");
            opened
        }
        Way::Look => {
            tracing::debug!(%side, names = names.len(), "the keys of --files-from are looked up one by one");
            let entries = Named::new(opened.store.clone(), &names, &opened.prefix);
            opened.listed_by(Arc::new(entries))
        }
    }
}

fn manifest(path: &Path, source: Opened) -> Result<(Opened, SourceEntries), CliError> {
    let shown = path.display().to_string();
    let entries = Originals::open(path, &state::spelt(&source.place)).map_err(|error| unusable("the manifest", &shown, &error))?;
    let from = told("manifest", shown, entries.created());
    Ok((source.listed_by(Arc::new(entries)), from))
}

async fn inventory(location: &str, args: &TransferArgs, source: Opened, opener: &mut Opener) -> Result<(Opened, SourceEntries), CliError> {
    let refused = |why: &str, todo: &str| CliError::new(format!("the inventory {location} cannot be used"), why).hint(todo);
    let kind = opener.kind(&commands::location(&args.source)?)?;
    if kind != StoreKind::S3 {
        return Err(refused(
            "SOURCE is no S3 bucket, so its objects have no ETags",
            "leave --source-inventory out: the source is then listed",
        ));
    }
    if source.store.facts().listing == Listing::Serial {
        return Err(refused("SOURCE is one object", "leave --source-inventory out: one object needs no list"));
    }
    let failed = |error| unusable("the inventory", location, &error);
    let directory = state::state_dir(args.output.state_dir.as_deref())?;
    std::fs::create_dir_all(&directory).map_err(|error| failed(error.into()))?;
    let files = files(location, args, directory, opener).await?;
    let document = files.document(&source.place.bucket).await.map_err(failed)?;
    let wanted = Wanted { bucket: source.place.bucket.clone(), prefix: source.prefix.clone() };
    let inventory = files.read(&document, &wanted).await.map_err(failed)?;
    tracing::debug!(files = document.files.len(), objects = inventory.entries.rows(), created = %inventory.created, "the inventory was read");
    let from = told("inventory", location.to_owned(), inventory.created);
    Ok((source.listed_by(Arc::new(inventory.entries)), from))
}

/// Where the files of an inventory are, by the location of its `manifest.json`.
async fn files(shown: &str, args: &TransferArgs, directory: PathBuf, opener: &mut Opener) -> Result<Files, CliError> {
    let whole = |path: &BucketPath| BucketPath { prefix: String::new(), ..path.clone() };
    let (root, key, segments_left_out) = match commands::location(shown)? {
        Location::S3(path) => (Location::S3(whole(&path)), path.prefix, 0),
        Location::Gcs(path) => (Location::Gcs(whole(&path)), path.prefix, 0),
        Location::Named { store, path } => (Location::Named { store, path: whole(&path) }, path.prefix, 0),
        Location::Local(path) => local_files(&path)?,
    };
    // A directory has no endpoint, and what is said of the source's does not concern it.
    let reach = if matches!(root, Location::Local(_)) { Reach::default() } else { Reach::source(&args.sides) };
    let store = opener.open(&root, &reach, Side::Source).await?.reading;
    Ok(Files { store, manifest: Key::from(key.as_str()), segments_left_out, directory })
}

/// The directory below which an inventory was copied, the key of its `manifest.json` in it, and how many leading segments of
/// the data files' keys were left out.
fn local_files(path: &str) -> Result<(Location, String, usize), CliError> {
    let failed = |cause: &dyn std::fmt::Display, todo: &str| CliError::new(format!("cannot read the inventory {path}"), cause).hint(todo);
    let full = std::path::absolute(path).and_then(|full| std::fs::read(&full).map(|text| (full, text)));
    let (full, text) = full.map_err(|error| failed(&error, "name the manifest.json of an inventory"))?;
    let document = Document::parse(&text).map_err(|error| unusable("the inventory", path, &error))?;
    let parent = full.parent().unwrap_or(Path::new("/")).to_owned();
    let (root, left_out) = match document.files.first() {
        None => (parent, 0),
        Some(file) => locate(&full, &file.key, |path| path.is_file()).ok_or_else(|| {
            let cause = format!("its file {} is not below the directory of the manifest.json, nor below one above it", file.key);
            failed(&cause, "copy the data files with the folders that their keys name")
        })?,
    };
    let below = full.strip_prefix(&root).unwrap_or(&full);
    match (root.to_str(), below.to_str()) {
        (Some(root), Some(below)) => Ok((Location::Local(root.to_owned()), below.to_owned(), left_out)),
        _ => Err(failed(&"its path is no text", "copy it to another directory")),
    }
}

fn unusable(what: &str, shown: &str, error: &InventoryError) -> CliError {
    CliError::new(format!("{what} {shown} cannot be used"), error).hint(error.hint())
}

fn told(from: &'static str, file: String, created: Timestamp) -> SourceEntries {
    let created = created.round(jiff::Unit::Second).unwrap_or(created);
    SourceEntries { from, file, created: created.to_string() }
}
