//! The ledger of one run: a SQLite file with append-only tables, one writer thread and group commit.
//!
//! Rows are appended in the order in which they are decided and read back in that order. The file belongs to one run and goes
//! with it: what is needed afterwards stands in the report. A file that a killed process left behind is recognised by its
//! lock, which dies with its holder, and is removed by the next run.

use std::path::{Path, PathBuf};

use brigade_core::report::FailureRecord;
use brigade_core::{Identity, Key};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::writer::{self, Command};

/// Rows that wait for the writer; one more waits with its sender.
const QUEUE_ROWS_MAX: usize = 4_096;

/// An error of the disk or of SQLite.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite could not read or write.
    #[error("the ledger in {} cannot be used", .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// SQLite's own words.
        #[source]
        source: rusqlite::Error,
    },
    /// The state directory cannot be used.
    #[error("the state directory {} cannot be used", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A row cannot be understood: the file was changed by somebody else.
    #[error("the ledger holds a row that cannot be read")]
    Row(#[source] serde_json::Error),
    /// The writer has ended after an earlier error.
    #[error("the ledger was closed by an earlier error")]
    Closed,
}

/// Deletes that wait for a clean run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Originals, copied and proven.
    Originals,
    /// Objects that only the target has.
    Extras,
}

/// One delete that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its place in the ledger.
    pub row: i64,
    /// The key.
    pub key: Key,
    /// Its size in bytes.
    pub size: u64,
    /// The only version that may be deleted.
    pub identity: Identity,
}

/// The ledger. Cheap to clone; the file is removed with the last clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    commands: mpsc::Sender<Command>,
    path: PathBuf,
}

impl Ledger {
    /// Opens the ledger of a new run in `directory`, which is made if need be, and sweeps what dead runs left there.
    pub fn create(directory: &Path, run: &str) -> Result<Self, LedgerError> {
        let at = |source| LedgerError::Directory { path: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(at)?;
        sweep(directory).map_err(at)?;
        let path = directory.join(format!("run-{run}.sqlite"));
        let sqlite = |source| LedgerError::Sqlite { path: path.clone(), source };
        let connection = Connection::open(&path).map_err(sqlite)?;
        writer::prepare(&connection).map_err(sqlite)?;
        let (commands, receiver) = mpsc::channel(QUEUE_ROWS_MAX);
        let file = path.clone();
        std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || {
                let closed = writer::write(connection, receiver);
                remove(&file);
                if let Some(reply) = closed {
                    // Whoever closed it may have stopped waiting.
                    let _ = reply.send(Ok(()));
                }
            })
            .map_err(at)?;
        Ok(Self { commands, path })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a delete that waits.
    pub async fn wait(&self, table: Table, key: &Key, size: u64, identity: &Identity) -> Result<(), LedgerError> {
        let identity = serde_json::to_string(identity).map_err(LedgerError::Row)?;
        self.send(Command::Wait { table, key: key.clone(), size, identity }).await
    }

    /// Appends a failure.
    pub async fn fail(&self, failure: FailureRecord) -> Result<(), LedgerError> {
        self.send(Command::Fail(failure)).await
    }

    /// How many deletes wait. Everything appended before is counted.
    pub async fn waiting(&self, table: Table) -> Result<u64, LedgerError> {
        self.ask(|reply| Command::Count { table, reply }).await
    }

    /// The next deletes after row `after`, at most `limit`, in the order of their appending.
    pub async fn batch(&self, table: Table, after: i64, limit: usize) -> Result<Vec<Waiting>, LedgerError> {
        let rows = self.ask(|reply| Command::Batch { table, after, limit, reply }).await?;
        rows.into_iter()
            .map(|row| {
                let identity = serde_json::from_str(&row.identity).map_err(LedgerError::Row)?;
                Ok(Waiting { row: row.row, key: row.key, size: row.size, identity })
            })
            .collect()
    }

    /// The next failures after row `after`, each with its row, at most `limit`, in the order of their appending.
    pub async fn failures(&self, after: i64, limit: usize) -> Result<Vec<(i64, FailureRecord)>, LedgerError> {
        self.ask(|reply| Command::Failures { after, limit, reply }).await
    }

    /// Ends the ledger: what was appended is dropped, and the file is gone when this returns. Other clones then see it closed.
    pub async fn close(self) {
        // A writer that has ended already has removed its file.
        let _ = self.ask(|reply| Command::Close { reply }).await;
    }

    async fn send(&self, command: Command) -> Result<(), LedgerError> {
        self.commands.send(command).await.map_err(|_| LedgerError::Closed)
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<Result<T, rusqlite::Error>>) -> Command) -> Result<T, LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await?;
        let answer = answer.await.map_err(|_| LedgerError::Closed)?;
        answer.map_err(|source| LedgerError::Sqlite { path: self.path.clone(), source })
    }
}

/// Removes ledgers whose run is dead: their exclusive lock can be taken.
fn sweep(directory: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("run-") && name.ends_with(".sqlite") && is_dead(&path) {
            remove(&path);
        }
    }
    Ok(())
}

fn is_dead(path: &Path) -> bool {
    Connection::open(path)
        .and_then(|connection| {
            connection.execute_batch("PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")
        })
        .is_ok()
}

fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        // A file that is gone already is what was wanted; one that cannot be removed is swept by a later run.
        let _ = std::fs::remove_file(PathBuf::from(name));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use brigade_core::report::FailureStatus;

    #[tokio::test]
    async fn rows_come_back_in_order_and_in_batches() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::create(directory.path(), "a").unwrap();
        for number in 0..2_500_u64 {
            ledger.wait(Table::Originals, &Key::from(format!("k{number}").as_str()), number, &Identity::Generation(number)).await.unwrap();
        }
        ledger.wait(Table::Extras, &Key::new(b"\xff\n"), 1, &Identity::etag("e")).await.unwrap();
        assert_eq!(ledger.waiting(Table::Originals).await.unwrap(), 2_500);
        let (mut after, mut seen) = (0, 0);
        loop {
            let batch = ledger.batch(Table::Originals, after, 1_000).await.unwrap();
            let Some(last) = batch.last() else { break };
            after = last.row;
            for waiting in batch {
                assert_eq!(waiting.identity, Identity::Generation(seen));
                seen += 1;
            }
        }
        assert_eq!(seen, 2_500);
        let extras = ledger.batch(Table::Extras, 0, 10).await.unwrap();
        assert_eq!((extras.len(), extras[0].key.as_bytes()), (1, &b"\xff\n"[..]));
    }

    #[tokio::test]
    async fn failures_survive_until_the_report() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::create(directory.path(), "a").unwrap();
        let failure =
            FailureRecord { key: "k".into(), status: FailureStatus::Skipped, kind: "unfit".into(), message: "m".into(), hint: "h".into() };
        ledger.fail(failure.clone()).await.unwrap();
        assert_eq!(ledger.failures(0, 10).await.unwrap(), [(1, failure)]);
    }

    #[tokio::test]
    async fn a_live_ledger_is_left_alone_and_a_dead_one_is_swept() {
        let directory = tempfile::tempdir().unwrap();
        let dead = directory.path().join("run-dead.sqlite");
        Connection::open(&dead).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        let live = Ledger::create(directory.path(), "live").unwrap();
        assert!(!dead.exists());
        live.wait(Table::Extras, &Key::from("k"), 1, &Identity::Generation(1)).await.unwrap();
        let second = Ledger::create(directory.path(), "second").unwrap();
        assert_eq!(live.waiting(Table::Extras).await.unwrap(), 1);
        assert!(live.path().exists() && second.path().exists());
    }
}
