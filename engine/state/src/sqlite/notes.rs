//! How each kind of note becomes rows.
//!
//! The statements are prepared once and belong to the writer's thread. Row numbers are counted here and not by SQLite, so that
//! they can be part of a row's checksum: what was noted first is known to have been first.

use std::fmt::Write as _;

use brigade_core::known::Batch;
use brigade_core::report::{FailureRecord, FailureStatus, Totals};
use brigade_core::{Change, Identity, Key, Known, Shard};
use jiff::Timestamp;
use rusqlite::{Connection, Result, Statement};

use crate::journal::{Note, OpenUpload, SentPart, Table};
use crate::sqlite::cell::{Cell, write};
use crate::sqlite::rows;

/// The writer's statements.
pub(crate) struct Notes<'c> {
    changes: Appended<'c>,
    batches: Statement<'c>,
    originals: Appended<'c>,
    extras: Appended<'c>,
    failures: Appended<'c>,
    quarantine: Statement<'c>,
    release: Statement<'c>,
    upload: Statement<'c>,
    part: Statement<'c>,
    end_upload: Statement<'c>,
    end_parts: Statement<'c>,
    cursor: Statement<'c>,
    texts: Texts,
    buffer: Vec<u8>,
}

/// Texts of one change, kept for the next: there is one for every object.
#[derive(Default)]
struct Texts {
    source: String,
    target: String,
    proof: String,
    modified: String,
    known_at: String,
}

/// A table that is appended to.
struct Appended<'c> {
    insert: Statement<'c>,
    next: i64,
}

impl<'c> Appended<'c> {
    fn prepare(connection: &'c Connection, table: &str, columns: usize) -> Result<Self> {
        let last: i64 = connection.query_row(&format!("SELECT coalesce(max(row), 0) FROM {table}"), [], |row| row.get(0))?;
        Ok(Self { insert: insert_into(connection, table, columns)?, next: last + 1 })
    }

    fn take(&mut self) -> Cell<'static> {
        let row = self.next;
        self.next += 1;
        Cell::Number(row)
    }
}

fn insert_into<'c>(connection: &'c Connection, table: &str, columns: usize) -> Result<Statement<'c>> {
    let places = vec!["?"; columns].join(", ");
    connection.prepare(&format!("INSERT OR REPLACE INTO {table} VALUES ({places})"))
}

impl<'c> Notes<'c> {
    pub(crate) fn prepare(connection: &'c Connection) -> Result<Self> {
        Ok(Self {
            changes: Appended { insert: insert_into(connection, "changes", 15)?, next: rows::last_change(connection)? + 1 },
            batches: insert_into(connection, "batches", 7)?,
            originals: Appended::prepare(connection, "originals", 5)?,
            extras: Appended::prepare(connection, "extras", 5)?,
            failures: Appended::prepare(connection, "failures", 6)?,
            quarantine: insert_into(connection, "quarantine", 3)?,
            release: connection.prepare("DELETE FROM quarantine WHERE key = ?")?,
            upload: insert_into(connection, "uploads", 9)?,
            part: insert_into(connection, "parts", 13)?,
            end_upload: connection.prepare("DELETE FROM uploads WHERE number = ?")?,
            end_parts: connection.prepare("DELETE FROM parts WHERE upload = ?")?,
            cursor: insert_into(connection, "cursors", 5)?,
            texts: Texts::default(),
            buffer: Vec::new(),
        })
    }

    /// Adds a note to the open transaction.
    pub(crate) fn add(&mut self, note: &Note) -> Result<()> {
        match note {
            Note::Change(change) => self.change(change),
            Note::Batch(batch) => self.batch(batch),
            Note::Wait { table, key, size, identity } => self.wait(*table, key, *size, identity),
            Note::Failure(failure) => self.failure(failure),
            Note::Quarantine { key, kind } => {
                write(&mut self.quarantine, "quarantine", &[key.as_bytes().into(), Cell::Text(kind)], &mut self.buffer)
            }
            Note::Release(key) => self.release.execute([key.as_bytes()]).map(drop),
            Note::UploadBegun(upload) => self.upload(upload),
            Note::PartSent { upload, part } => self.part(*upload, part),
            Note::UploadEnded(number) => {
                self.end_upload.execute([number.cast_signed()])?;
                self.end_parts.execute([number.cast_signed()]).map(drop)
            }
            Note::Cursor { shard, through, totals } => self.cursor(shard, through, totals),
        }
    }

    fn change(&mut self, change: &Change) -> Result<()> {
        let row = self.changes.take();
        match change {
            Change::Set(known) => self.known(row, known),
            Change::Gone(key) => self.bare_change(row, "gone", key),
            Change::OriginalDeleted(key) => self.bare_change(row, "original_deleted", key),
        }
    }

    fn known(&mut self, row: Cell<'_>, known: &Known) -> Result<()> {
        let texts = &mut self.texts;
        [&mut texts.source, &mut texts.target, &mut texts.proof, &mut texts.modified, &mut texts.known_at]
            .into_iter()
            .for_each(String::clear);
        known.source.write_text(&mut texts.source);
        known.target.write_text(&mut texts.target);
        if let Some(proof) = known.proof {
            proof.write_text(&mut texts.proof);
        }
        if let Some(time) = known.source_modified {
            write_time(&mut texts.modified, time);
        }
        write_time(&mut texts.known_at, known.known_at);
        let cells = [
            row,
            Cell::Text("set"),
            known.key.as_bytes().into(),
            known.size.into(),
            Cell::Text(&texts.source),
            Cell::Text(&texts.target),
            Cell::or_null(known.digests.crc32c),
            Cell::or_null(known.digests.crc64nvme),
            Cell::or_null(known.digests.md5.as_ref().map(|md5| md5.as_slice())),
            Cell::or_null(known.proof.map(|_| texts.proof.as_str())),
            Cell::or_null(known.source_modified.map(|_| texts.modified.as_str())),
            Cell::Text(&texts.known_at),
            Cell::Text(&known.run),
            Cell::Text(known.original.name()),
        ];
        write(&mut self.changes.insert, "changes", &cells, &mut self.buffer)
    }

    /// A batch takes as many row numbers as it has records: each of them is a change.
    fn batch(&mut self, batch: &Batch) -> Result<()> {
        let Some(first) = batch.first() else { return Ok(()) };
        let row = self.changes.next;
        self.changes.next += i64::from(batch.len());
        self.texts.known_at.clear();
        write_time(&mut self.texts.known_at, batch.known_at());
        let cells = [
            Cell::Number(row),
            batch.len().into(),
            first.as_bytes().into(),
            Cell::Text(&self.texts.known_at),
            Cell::Text(batch.run()),
            batch.bytes().into(),
        ];
        write(&mut self.batches, "batches", &cells, &mut self.buffer)
    }

    fn bare_change(&mut self, row: Cell<'_>, kind: &str, key: &Key) -> Result<()> {
        let mut cells = [Cell::Null; 14];
        cells[..3].copy_from_slice(&[row, Cell::Text(kind), key.as_bytes().into()]);
        write(&mut self.changes.insert, "changes", &cells, &mut self.buffer)
    }

    fn wait(&mut self, table: Table, key: &Key, size: u64, identity: &Identity) -> Result<()> {
        let rows = match table {
            Table::Originals => &mut self.originals,
            Table::Extras => &mut self.extras,
        };
        let (row, identity) = (rows.take(), identity.to_text());
        write(&mut rows.insert, table.name(), &[row, key.as_bytes().into(), size.into(), Cell::Text(&identity)], &mut self.buffer)
    }

    fn failure(&mut self, failure: &FailureRecord) -> Result<()> {
        let FailureRecord { key, status, kind, message, hint } = failure;
        let row = self.failures.take();
        let cells = [row, Cell::Text(key), Cell::Text(status_name(*status)), Cell::Text(kind), Cell::Text(message), Cell::Text(hint)];
        self.failures.insert.execute(cells).map(drop)
    }

    fn upload(&mut self, upload: &OpenUpload) -> Result<()> {
        let source = upload.source.to_text();
        let cells = [
            upload.number.into(),
            upload.key.as_bytes().into(),
            Cell::Text(&upload.id),
            Cell::or_null(upload.staging.as_deref()),
            Cell::Text(&source),
            upload.size.into(),
            upload.part_bytes.into(),
            Cell::Text(&upload.spec),
        ];
        write(&mut self.upload, "uploads", &cells, &mut self.buffer)
    }

    fn part(&mut self, upload: u64, sent: &SentPart) -> Result<()> {
        let cells = [
            upload.into(),
            sent.part.number.into(),
            sent.part.offset.into(),
            sent.part.size.into(),
            Cell::Text(&sent.tag),
            Cell::or_null(sent.stored.crc32c),
            Cell::or_null(sent.stored.crc64nvme),
            Cell::or_null(sent.stored.md5.as_ref().map(|md5| md5.as_slice())),
            sent.sum.size.into(),
            sent.sum.crc32c.into(),
            Cell::or_null(sent.sum.crc64nvme),
            Cell::or_null(sent.proven.map(|algorithm| algorithm.name())),
        ];
        write(&mut self.part, "parts", &cells, &mut self.buffer)
    }

    fn cursor(&mut self, shard: &Shard, through: &Key, totals: &Totals) -> Result<()> {
        let totals = serde_json::to_string(totals).expect("sums are plain numbers");
        let border = |key: &'_ Option<Key>| key.as_ref().map(|key| key.as_bytes().to_vec());
        let (after, last) = (border(&shard.range.after), border(&shard.range.through));
        self.cursor.execute(rusqlite::params![shard.id, after, last, through.as_bytes(), totals]).map(drop)
    }
}

fn write_time(text: &mut String, time: Timestamp) {
    write!(text, "{time}").expect("a string takes every text");
}

impl Table {
    /// The table's name in the file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Originals => "originals",
            Self::Extras => "extras",
        }
    }
}

/// Every status of a failure, with its name in the file.
pub(crate) const STATUSES: [(FailureStatus, &str); 3] =
    [(FailureStatus::Failed, "failed"), (FailureStatus::Skipped, "skipped"), (FailureStatus::Differs, "differs")];

fn status_name(status: FailureStatus) -> &'static str {
    STATUSES.into_iter().find(|(known, _)| *known == status).map_or("failed", |(_, name)| name)
}
