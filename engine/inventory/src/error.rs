//! Why entries from elsewhere cannot be had.

use std::io;

use brigade_core::ErrorKind;
use brigade_manifest::ManifestError;
use brigade_store::StoreError;

/// Shorthand.
pub type Result<T, E = InventoryError> = std::result::Result<T, E>;

/// What is wrong with a file that was to take the place of a listing.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The store did not give a file.
    #[error("cannot read {file}: {}", .source.message)]
    Store {
        /// The file's key.
        file: String,
        /// Why.
        source: StoreError,
    },
    /// The disk did not take or give a file of ours.
    #[error("cannot sort it on disk: {0}")]
    Disk(#[from] io::Error),
    /// A file is not what it should be.
    #[error("{file} is damaged: {what}")]
    Damaged {
        /// The file's key.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// A key stands in it twice, so nobody can say which row is true.
    #[error("the key `{0}` stands in it twice")]
    Twice(brigade_core::Key),
    /// It is sound, and cannot be used for this job.
    #[error("{what}")]
    Unfit {
        /// Why not.
        what: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// A manifest of this engine cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl InventoryError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store { source, .. } => source.kind.hint(),
            Self::Disk(_) => ErrorKind::Disk.hint(),
            Self::Damaged { .. } | Self::Twice(_) => "take another inventory, or leave the option out: the source is then listed",
            Self::Unfit { hint, .. } => hint,
            Self::Manifest(_) => "name a manifest as a clean run wrote it",
        }
    }

    pub(crate) fn damaged(file: &str, what: impl Into<String>) -> Self {
        Self::Damaged { file: file.to_owned(), what: what.into() }
    }
}

/// As a listing that fails: what stood in the file cannot be told any more.
impl From<InventoryError> for StoreError {
    fn from(error: InventoryError) -> Self {
        let kind = match &error {
            InventoryError::Store { source, .. } => source.kind,
            InventoryError::Disk(_) => ErrorKind::Disk,
            _ => ErrorKind::Protocol,
        };
        Self::new(kind, error.to_string())
    }
}
