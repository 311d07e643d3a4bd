//! What can be wrong with a manifest.

use std::path::{Path, PathBuf};

/// Why a manifest cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file system refused.
    #[error("the manifest {} cannot be used", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what was written.
    #[error("the manifest {} is damaged: {what}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file is whole, but no manifest of a version that is known here.
    #[error("{} is no manifest of schema {}: {what}", .path.display(), crate::SCHEMA)]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// Rows came out of order: the caller broke the contract of [`crate::write`].
    #[error("the row of key {key} does not follow the row before it")]
    Order {
        /// The key that is not greater than the one before it.
        key: brigade_core::Key,
    },
    /// The Parquet crate could not encode.
    #[error("the manifest {} cannot be encoded", .path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// Its own words.
        #[source]
        source: parquet::errors::ParquetError,
    },
}

impl ManifestError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }

    pub(crate) fn foreign(path: &Path, what: impl Into<String>) -> Self {
        Self::Foreign { path: path.to_owned(), what: what.into() }
    }

    /// Keeps an error of the disk one, so that a full disk reads as such.
    pub(crate) fn encode(path: &Path, source: parquet::errors::ParquetError) -> Self {
        match source {
            parquet::errors::ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
                Ok(io) => Self::io(path, *io),
                Err(other) => Self::Encode { path: path.to_owned(), source: parquet::errors::ParquetError::External(other) },
            },
            source => Self::Encode { path: path.to_owned(), source },
        }
    }
}

/// Why [`crate::write`] ended: by its own error, or by one that came with the rows.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E: std::error::Error + 'static> {
    /// The rows ended in an error; no file was made.
    #[error(transparent)]
    Rows(E),
    /// The manifest could not be written; no file was made.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}
