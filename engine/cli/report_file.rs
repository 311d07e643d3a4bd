//! `--report FILE`: made before the first request, so that a run of many hours does not end without a place for its report.
//!
//! The report is written beside its name and renamed when it is whole: a reader sees the old one or the new one. What is no
//! regular file (a pipe, `/dev/stdout`) is written to directly and never replaced.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use brigade_core::report::ReportHead;
use brigade_pipeline::report::{Extras, write};
use brigade_state::Journal;

use crate::error::CliError;

/// A report that waits to be written.
pub struct ReportFile {
    path: PathBuf,
    /// Where it is written first; none where it is written directly.
    partial: Option<PathBuf>,
    file: Option<File>,
}

impl ReportFile {
    /// Makes the file, empty, beside its name.
    pub fn create(path: &Path) -> Result<Self, CliError> {
        let regular = fs::metadata(path).map_or(true, |found| found.is_file());
        let mut name = OsString::from(path);
        name.push(".partial");
        let partial = regular.then(|| PathBuf::from(name));
        let opened = match &partial {
            Some(partial) => File::create(partial),
            None => File::options().write(true).open(path),
        };
        let file = opened.map_err(|error| cannot_write(path, &error).hint("name a file that can be written with --report"))?;
        Ok(Self { path: path.to_owned(), partial, file: Some(file) })
    }

    /// Writes the report and puts it in its place.
    pub async fn finish(mut self, head: &ReportHead, extras: &Extras, journal: &dyn Journal) -> Result<(), CliError> {
        let mut output = BufWriter::new(self.file.take().expect("only `finish` takes the file, and it takes the report with it"));
        write(&mut output, head, extras, journal).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            cannot_write(&self.path, &format!("{error}{cause}"))
        })?;
        match &self.partial {
            Some(partial) => fs::rename(partial, &self.path).map_err(|error| cannot_write(&self.path, &error)),
            None => Ok(()),
        }
    }
}

impl Drop for ReportFile {
    /// What no report came into is taken away again; after `finish` it is there no more.
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            let _ = fs::remove_file(partial);
        }
    }
}

fn cannot_write(path: &Path, cause: &dyn std::fmt::Display) -> CliError {
    CliError::new(format!("cannot write the report {}", path.display()), cause)
}
