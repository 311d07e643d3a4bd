//! The error of everything that is kept on disk.

use std::path::{Path, PathBuf};

/// What could not be read or written, and why.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// SQLite could not read or write.
    #[error("the journal in {} cannot be used", .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// SQLite's own words.
        #[source]
        source: rusqlite::Error,
    },
    /// A file or directory cannot be used.
    #[error("{} cannot be used", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What stands there was not written by this engine, or was changed afterwards.
    #[error("{} is damaged: {what}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A manifest cannot be read or written.
    #[error(transparent)]
    Manifest(#[from] brigade_manifest::ManifestError),
    /// Another process works on the same job.
    #[error("another run of this job is under way ({holder})")]
    Busy {
        /// Who holds it, as far as that is known: process, run and start.
        holder: String,
    },
    /// Another `serve` has the same state directory.
    #[error("another `brigade serve` has this state directory ({holder})")]
    Served {
        /// Who holds it, as far as that is known: process and start.
        holder: String,
    },
    /// The journal has ended after an earlier error.
    #[error("the journal was closed by an earlier error")]
    Closed,
}

impl StateError {
    /// From an error of the file system.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// From an error of SQLite.
    pub fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        Self::Sqlite { path: path.to_owned(), source }
    }

    /// For a file that says something impossible.
    pub fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}
