//! The reports of the latest runs of a job, kept in its directory for `brigade report`.
//!
//! A report that cannot be kept costs nobody but the reader: it is told, and the run is what it was.

use std::path::Path;

use brigade_core::report::ReportHead;
use brigade_pipeline::report::Extras;
use brigade_state::Journal;
use brigade_state::survey::report_path;

use crate::report_file::ReportFile;

/// Reports of one job that are kept: a month of a daily one.
const REPORTS_MAX: usize = 31;

/// Keeps the report of a run, and lets go of the oldest.
pub async fn keep(directory: &Path, head: &ReportHead, extras: &Extras, journal: &dyn Journal) {
    let path = report_path(directory, &head.run);
    let Some(parent) = path.parent() else { return };
    if let Err(error) = std::fs::create_dir_all(parent) {
        tracing::warn!("the report cannot be kept in {}: {error}", parent.display());
        return;
    }
    let written = match ReportFile::create(&path) {
        Ok(file) => file.finish(head, extras, journal).await,
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        tracing::warn!("the report cannot be kept: {}", error.sentence());
    }
    forget(parent);
}

/// A run's name begins with its time, so the order of names is that of runs.
fn forget(reports: &Path) {
    let entries = std::fs::read_dir(reports).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
    names.sort();
    let superfluous = names.len().saturating_sub(REPORTS_MAX);
    for path in names.drain(..superfluous) {
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!("an old report cannot be removed: {}: {error}", path.display());
        }
    }
}
