//! The journal as a SQLite file: append-only tables, one writer thread, group commit.
//!
//! One file per job in WAL mode, so that a plain `sqlite3` shell can read it while a run goes on. Its shape is described in
//! `docs/formats/journal.md`, its settings are argued in `docs/decisions/0008-journal-settings.md`. It must never give back
//! anything that was not noted: rows carry checksums, and a file in which anything is wrong is set aside as a whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;

use async_trait::async_trait;
use brigade_core::report::FailureRecord;
use brigade_core::{Change, Key};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::journal::{Journal, Note, OpenUpload, SentPart, Table, Waiting};
use crate::sqlite::cell::{Cell, Fault};
use crate::sqlite::limits::{QUEUE_BATCHES_MAX, QUEUE_NOTES_CALL, QUEUE_NOTES_MAX, RUNS_KEPT};
use crate::sqlite::tables::Keep;
use crate::sqlite::writer::{Command, LastError};
use crate::{StateError, disk};

mod cell;
mod changes;
mod file;
mod limits;
mod merge;
mod notes;
mod rows;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

/// What a run is called in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStart {
    /// The run's ULID.
    pub run: String,
    /// The command's name.
    pub command: String,
    /// RFC 3339.
    pub started: String,
    /// As people write it.
    pub source: String,
    /// As people write it.
    pub target: String,
}

/// What an opened journal held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// The last run, where it did not come to its end.
    pub unfinished: Option<String>,
    /// The file was damaged and has been set aside under this name; the journal is a fresh one.
    pub set_aside: Option<PathBuf>,
}

/// A journal in a file. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqliteJournal {
    commands: mpsc::Sender<Command>,
    /// Places for batches that wait.
    batches: Arc<Semaphore>,
    writer: Thread,
    last_error: LastError,
    path: Arc<Path>,
    /// Uploads below this number are those of earlier runs.
    first_upload: u64,
    next_upload: Arc<AtomicU64>,
    /// This run's row in `runs`.
    run_row: i64,
}

/// The file whose presence says that a run deletes originals, or was cut short while it did. It stands beside the journal, not in it:
/// whatever happens to the journal, an original that is gone must not be taken for one that is missing.
pub(crate) fn deleting_mark(journal: &Path) -> PathBuf {
    journal.with_extension("deleting")
}

/// The words for a run that did not come to its end; one that was killed has none.
const UNFINISHED: [&str; 2] = ["interrupted", "failed"];

impl SqliteJournal {
    /// Opens the journal of a job for a new run, or makes it. Changes, uploads and the quarantine of earlier runs stay; their
    /// failures and waiting deletes go. A damaged file is set aside and a fresh one made. The caller holds the job's lock.
    pub fn open(path: &Path, run: &RunStart) -> Result<(Self, Left), StateError> {
        match Self::open_sound(path, run) {
            Err(StateError::Damaged { what, .. }) => {
                tracing::warn!(path = %path.display(), what, "the journal is damaged and is set aside");
                let set_aside = Some(file::set_aside(path, &run.run)?);
                let (journal, left) = Self::open_sound(path, run)?;
                Ok((journal, Left { set_aside, ..left }))
            }
            opened => opened,
        }
    }

    fn open_sound(path: &Path, run: &RunStart) -> Result<(Self, Left), StateError> {
        let connection = file::open_checked(path)?;
        let (run_row, unfinished) = begin(&connection, run).map_err(|fault| file::state_error(path, fault))?;
        file::shrink(&connection);
        Ok((Self::start(connection, path, run_row, Keep::Job)?, Left { unfinished, set_aside: None }))
    }

    /// A journal for a command that keeps nothing (`plan`, `check`): a file that goes with the last clone. Dead ones are swept.
    pub fn scratch(directory: &Path, run: &str) -> Result<Self, StateError> {
        let io = |source| StateError::io(directory, source);
        std::fs::create_dir_all(directory).map_err(io)?;
        file::sweep(directory).map_err(io)?;
        let path = directory.join(format!("run-{run}.sqlite"));
        let sqlite = |source| StateError::sqlite(&path, source);
        let connection = Connection::open(&path).map_err(sqlite)?;
        tables::configure(&connection, Keep::Run).and_then(|()| tables::create(&connection)).map_err(sqlite)?;
        let start =
            RunStart { run: run.to_owned(), command: String::new(), started: String::new(), source: String::new(), target: String::new() };
        let (run_row, _) = begin(&connection, &start).map_err(|fault| file::state_error(&path, fault))?;
        Self::start(connection, &path, run_row, Keep::Run)
    }

    /// The changes that the file holds, sorted by key, those of one key in the order in which they were noted. Reads through a
    /// connection of its own, in constant memory; every row's checksum is compared. No file means no changes.
    pub fn changes(path: &Path) -> Result<Box<dyn Iterator<Item = Result<Change, StateError>> + Send>, StateError> {
        match std::fs::metadata(path) {
            Ok(_) => Ok(Box::new(changes::Changes::open(path)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Box::new(std::iter::empty())),
            Err(error) => Err(StateError::io(path, error)),
        }
    }

    /// Sets a journal aside in which [`SqliteJournal::changes`] found damage; returns its new name. An earlier one that was set
    /// aside is removed. Nobody may have the journal open.
    pub fn set_aside(path: &Path, run: &str) -> Result<PathBuf, StateError> {
        file::set_aside(path, run)
    }

    /// Whether there are changes to fold. Everything noted before is counted.
    pub async fn has_changes(&self) -> Result<bool, StateError> {
        self.ask(|connection| Ok(rows::last_change(connection)? > 0)).await
    }

    /// Forgets the changes after they were folded elsewhere, durably.
    pub async fn forget_changes(&self) -> Result<(), StateError> {
        self.ask(|connection| {
            connection.execute_batch("BEGIN; DELETE FROM changes; DELETE FROM batches; COMMIT")?;
            file::shrink(connection);
            Ok(())
        })
        .await
    }

    /// Writes down how the run ended (`done`, `partial`, ...), durably.
    pub async fn end(&self, outcome: &str, finished: &str) -> Result<(), StateError> {
        let (row, outcome, finished) = (self.run_row, outcome.to_owned(), finished.to_owned());
        self.ask(move |connection| {
            let run = connection.query_row("SELECT run, command, source, target, started FROM runs WHERE row = ?1", [row], |row| {
                Ok(RunStart { run: row.get(0)?, command: row.get(1)?, source: row.get(2)?, target: row.get(3)?, started: row.get(4)? })
            })?;
            write_run(connection, row, &run, Some((&finished, &outcome)))
        })
        .await
    }

    /// Ends the writer thread; the file is closed, or gone where it was a scratch, when this returns.
    pub async fn close(self) {
        let (reply, closed) = oneshot::channel();
        if self.commands.send(Command::Close(reply)).await.is_ok() {
            self.writer.unpark();
            // A writer that has ended by itself has closed its file.
            let _ = closed.await;
        }
    }

    fn start(connection: Connection, path: &Path, run_row: i64, keep: Keep) -> Result<Self, StateError> {
        let last_upload = file::last_upload(&connection).map_err(|error| file::state_error(path, error.into()))?;
        let first_upload = last_upload.cast_unsigned() + 1;
        let (commands, receiver) = mpsc::channel(QUEUE_NOTES_MAX);
        let last_error = LastError::default();
        let (scratch, errors) = ((keep == Keep::Run).then(|| path.to_owned()), last_error.clone());
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || {
                let closed = writer::serve(&connection, receiver, &errors);
                drop(connection);
                if let Some(path) = scratch {
                    file::remove(&path);
                }
                if let Some(reply) = closed {
                    // Whoever closed it may have stopped waiting.
                    let _ = reply.send(());
                }
            })
            .map_err(|source| StateError::io(path, source))?;
        Ok(Self {
            commands,
            batches: Arc::new(Semaphore::new(QUEUE_BATCHES_MAX)),
            writer: thread.thread().clone(),
            last_error,
            path: path.into(),
            first_upload,
            next_upload: Arc::new(AtomicU64::new(first_upload)),
            run_row,
        })
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StateError> {
        let (reply, answer) = oneshot::channel();
        let ask = move |connection: &Connection| {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(question(connection));
        };
        self.send_now(Command::Ask(Box::new(ask))).await?;
        let answer = answer.await.map_err(|_| self.closed())?;
        answer.map_err(|fault| file::state_error(&self.path, fault))
    }

    async fn send_now(&self, command: Command) -> Result<(), StateError> {
        self.commands.send(command).await.map_err(|_| self.closed())?;
        self.writer.unpark();
        Ok(())
    }

    /// Why nothing can be written any more.
    fn closed(&self) -> StateError {
        self.last_error.get().map_or(StateError::Closed, |error| StateError::sqlite(&self.path, error))
    }
}

/// Makes room for a new run and writes down that it began. Returns its row and the run before it, where that did not end clean.
fn begin(connection: &Connection, run: &RunStart) -> Result<(i64, Option<String>), Fault> {
    let transaction = connection.unchecked_transaction()?;
    let last: Option<(i64, String, Option<String>)> = transaction
        .query_row("SELECT row, run, outcome FROM runs ORDER BY row DESC LIMIT 1", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    transaction.execute_batch(
        "DELETE FROM originals; DELETE FROM extras; DELETE FROM failures; DELETE FROM cursors;
         DELETE FROM parts WHERE upload NOT IN (SELECT number FROM uploads);",
    )?;
    let row = last.as_ref().map_or(0, |(row, ..)| *row) + 1;
    transaction.execute("DELETE FROM runs WHERE row <= ?1", params![row - RUNS_KEPT])?;
    write_run(&transaction, row, run, None)?;
    transaction.commit()?;
    let unfinished = |outcome: &Option<String>| outcome.as_deref().is_none_or(|outcome| UNFINISHED.contains(&outcome));
    Ok((row, last.and_then(|(_, run, outcome)| unfinished(&outcome).then_some(run))))
}

fn write_run(connection: &Connection, row: i64, run: &RunStart, end: Option<(&str, &str)>) -> Result<(), Fault> {
    let mut insert = connection.prepare("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    let cells = [
        Cell::Number(row),
        Cell::Text(&run.run),
        Cell::Text(&run.command),
        Cell::Text(&run.source),
        Cell::Text(&run.target),
        Cell::Text(&run.started),
        Cell::or_null(end.map(|(finished, _)| finished)),
        Cell::or_null(end.map(|(_, outcome)| outcome)),
    ];
    Ok(cell::write(&mut insert, "runs", &cells, &mut Vec::new())?)
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn note(&self, note: Note) -> Result<(), StateError> {
        let place = match &note {
            Note::Batch(_) => Some(self.batches.clone().acquire_owned().await.map_err(|_| self.closed())?),
            _ => None,
        };
        let is_large = place.is_some();
        self.commands.send(Command::Note(Box::new(note), place)).await.map_err(|_| self.closed())?;
        if is_large || self.commands.capacity() < QUEUE_NOTES_MAX - QUEUE_NOTES_CALL {
            self.writer.unpark();
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), StateError> {
        let (reply, flushed) = oneshot::channel();
        self.send_now(Command::Flush(reply)).await?;
        flushed.await.map_err(|_| self.closed())
    }

    async fn deleting(&self) -> Result<(), StateError> {
        let mark = deleting_mark(&self.path);
        let marked = tokio::task::spawn_blocking(move || disk::replace(&mark, b"")).await;
        marked.map_err(|_| StateError::Closed)?
    }

    fn next_upload(&self) -> u64 {
        self.next_upload.fetch_add(1, Ordering::Relaxed)
    }

    async fn waiting(&self, table: Table) -> Result<u64, StateError> {
        self.ask(move |connection| rows::count(connection, table.name())).await
    }

    async fn batch(&self, table: Table, after: i64, limit: usize) -> Result<Vec<Waiting>, StateError> {
        self.ask(move |connection| rows::batch(connection, table, after, limit)).await
    }

    async fn find(&self, table: Table, keys: &[Key]) -> Result<Vec<Option<Waiting>>, StateError> {
        let keys = keys.to_vec();
        self.ask(move |connection| rows::find(connection, table, &keys)).await
    }

    async fn failures(&self, after: i64, limit: usize) -> Result<Vec<(i64, FailureRecord)>, StateError> {
        self.ask(move |connection| rows::failures(connection, after, limit)).await
    }

    async fn uploads(&self, limit: usize) -> Result<Vec<OpenUpload>, StateError> {
        let before = self.first_upload.cast_signed();
        self.ask(move |connection| rows::uploads(connection, before, limit)).await
    }

    async fn parts(&self, upload: u64) -> Result<Vec<SentPart>, StateError> {
        self.ask(move |connection| rows::parts(connection, upload)).await
    }

    async fn quarantined(&self, limit: usize) -> Result<(Vec<Key>, u64), StateError> {
        self.ask(move |connection| rows::quarantined(connection, limit)).await
    }
}
