//! What a journal holds: the notes so far, applied one after the other.

use std::collections::BTreeMap;

use brigade_core::report::FailureRecord;
use brigade_core::{Change, Key};
use brigade_state::journal::{Table, Waiting};
use brigade_state::{Note, OpenUpload, SentPart};

/// A note with the opening that took it, or the beginning of a run.
#[derive(Clone, Debug)]
pub(super) enum Logged {
    Began,
    Noted(u64, Box<Note>),
}

/// Everything that was noted, as far as it still counts.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Changes that are not in the baseline yet, in the order in which they were made.
    pub changes: Vec<Change>,
    /// Keys that failed and are not proven since, with the kind of their error.
    pub quarantine: BTreeMap<Key, &'static str>,
    /// Uploads that were begun and not ended, by number, each with its parts.
    pub uploads: BTreeMap<u64, NotedUpload>,
    pub(super) originals: Vec<Waiting>,
    pub(super) extras: Vec<Waiting>,
    pub(super) failures: Vec<(i64, FailureRecord)>,
    pub(super) upload_last: u64,
    row_last: i64,
}

/// An upload and what was noted of it.
#[derive(Clone, Debug)]
pub struct NotedUpload {
    /// As it was begun.
    pub upload: OpenUpload,
    /// Its parts by number.
    pub parts: BTreeMap<u32, SentPart>,
    /// The opening of the directory during which it was begun.
    pub opened: u64,
}

impl Progress {
    pub(super) fn table(&self, table: Table) -> &[Waiting] {
        match table {
            Table::Originals => &self.originals,
            Table::Extras => &self.extras,
        }
    }

    pub(super) fn apply(&mut self, logged: Logged) {
        let (opened, note) = match logged {
            Logged::Noted(opened, note) => (opened, *note),
            Logged::Began => {
                self.originals.clear();
                self.extras.clear();
                self.failures.clear();
                return;
            }
        };
        self.row_last += 1;
        let row = self.row_last;
        match note {
            Note::Change(change) => self.changes.push(change),
            Note::Batch(batch) => {
                let known = batch.into_iter().map(|known| known.expect("a batch in memory is whole"));
                self.changes.extend(known.map(Change::Set));
            }
            Note::Wait { table, key, size, identity } => {
                let waiting = Waiting { row, key, size, identity };
                match table {
                    Table::Originals => self.originals.push(waiting),
                    Table::Extras => self.extras.push(waiting),
                }
            }
            Note::Failure(failure) => self.failures.push((row, failure)),
            Note::Quarantine { key, kind } => drop(self.quarantine.insert(key, kind)),
            Note::Release(key) => drop(self.quarantine.remove(&key)),
            Note::UploadBegun(upload) => {
                self.upload_last = self.upload_last.max(upload.number);
                self.uploads.insert(upload.number, NotedUpload { upload, parts: BTreeMap::new(), opened });
            }
            Note::PartSent { upload, part } => {
                if let Some(noted) = self.uploads.get_mut(&upload) {
                    noted.parts.insert(part.part.number, part);
                }
            }
            Note::UploadEnded(number) => drop(self.uploads.remove(&number)),
            Note::Cursor { .. } => {}
        }
    }
}
