//! What a run writes down, and what the next one reads.

mod disk;
pub mod error;
pub mod history;
pub mod job;
pub mod journal;
pub mod ledger;
pub mod service;
pub mod sqlite;

pub use error::StateError;
pub use job::survey;
pub use job::{JobPlaces, JobState, Past, RunEnd, WrittenManifest, open_manifest};
pub use journal::{Baseline, Journal, KnownPages, Note, OpenUpload, SentPart, Table, Waiting};
pub use sqlite::{Left, RunStart, SqliteJournal};
