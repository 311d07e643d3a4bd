//! The one thread that touches a ledger's file.
//!
//! Rows that arrive together are committed together; a question commits what came before it, so its answer includes it.

use brigade_core::Key;
use brigade_core::report::{FailureRecord, FailureStatus};
use rusqlite::{Connection, Result, params};
use tokio::sync::{mpsc, oneshot};

use crate::ledger::Table;

/// Rows of one transaction.
const COMMIT_ROWS_MAX: usize = 1_000;

/// What the thread can be asked.
#[derive(Debug)]
pub(crate) enum Command {
    Wait { table: Table, key: Key, size: u64, identity: String },
    Fail(FailureRecord),
    Count { table: Table, reply: oneshot::Sender<Result<u64>> },
    Batch { table: Table, after: i64, limit: usize, reply: oneshot::Sender<Result<Vec<Row>>> },
    Failures { after: i64, limit: usize, reply: oneshot::Sender<Result<Vec<(i64, FailureRecord)>>> },
    Close { reply: Closed },
}

/// Who asked for the end.
pub(crate) type Closed = oneshot::Sender<Result<()>>;

/// A delete that waits, as stored.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) row: i64,
    pub(crate) key: Key,
    pub(crate) size: u64,
    pub(crate) identity: String,
}

/// Makes the tables and takes the lock that tells a live run from a dead one. Losing the file in a crash loses nothing: the run
/// has to start over anyway, so nothing waits for the disk.
pub(crate) fn prepare(connection: &Connection) -> Result<()> {
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA journal_mode = TRUNCATE;
         PRAGMA synchronous = OFF;
         PRAGMA cache_size = -2048;
         CREATE TABLE originals (row INTEGER PRIMARY KEY, key BLOB NOT NULL, size INTEGER NOT NULL, identity TEXT NOT NULL);
         CREATE TABLE extras (row INTEGER PRIMARY KEY, key BLOB NOT NULL, size INTEGER NOT NULL, identity TEXT NOT NULL);
         CREATE TABLE failures (row INTEGER PRIMARY KEY, key TEXT NOT NULL, status TEXT NOT NULL, kind TEXT NOT NULL,
                                message TEXT NOT NULL, hint TEXT NOT NULL);",
    )
}

/// Serves commands until it is closed or every sender is gone. After an error of the disk it stops: senders then see a closed
/// ledger. Returns who asked for the end, to be answered when the file is gone.
pub(crate) fn write(mut connection: Connection, mut commands: mpsc::Receiver<Command>) -> Option<Closed> {
    let mut batch = Vec::with_capacity(COMMIT_ROWS_MAX);
    while let Some(first) = commands.blocking_recv() {
        if let Command::Close { reply } = first {
            return Some(reply);
        }
        batch.push(first);
        while batch.len() < COMMIT_ROWS_MAX {
            match commands.try_recv() {
                Ok(Command::Close { reply }) => return Some(reply),
                Ok(command) => batch.push(command),
                Err(_) => break,
            }
        }
        if let Err(error) = commit(&mut connection, &mut batch) {
            tracing::error!(%error, "the ledger cannot be written");
            return None;
        }
    }
    None
}

fn commit(connection: &mut Connection, batch: &mut Vec<Command>) -> Result<()> {
    let transaction = connection.transaction()?;
    for command in batch.drain(..) {
        serve(&transaction, command)?;
    }
    transaction.commit()
}

/// A question that nobody waits for any more is no error.
fn serve(connection: &Connection, command: Command) -> Result<()> {
    match command {
        Command::Wait { table, key, size, identity } => {
            let mut insert = connection.prepare_cached(match table {
                Table::Originals => "INSERT INTO originals (key, size, identity) VALUES (?1, ?2, ?3)",
                Table::Extras => "INSERT INTO extras (key, size, identity) VALUES (?1, ?2, ?3)",
            })?;
            insert.execute(params![key.as_bytes(), i64::try_from(size).unwrap_or(i64::MAX), identity])?;
        }
        Command::Fail(failure) => {
            let mut insert =
                connection.prepare_cached("INSERT INTO failures (key, status, kind, message, hint) VALUES (?1, ?2, ?3, ?4, ?5)")?;
            insert.execute(params![failure.key, status_name(failure.status), failure.kind, failure.message, failure.hint])?;
        }
        Command::Count { table, reply } => drop(reply.send(count(connection, table))),
        Command::Batch { table, after, limit, reply } => drop(reply.send(rows(connection, table, after, limit))),
        Command::Failures { after, limit, reply } => drop(reply.send(failures(connection, after, limit))),
        Command::Close { reply } => drop(reply.send(Ok(()))),
    }
    Ok(())
}

fn count(connection: &Connection, table: Table) -> Result<u64> {
    let sql = match table {
        Table::Originals => "SELECT count(*) FROM originals",
        Table::Extras => "SELECT count(*) FROM extras",
    };
    connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(|count| u64::try_from(count).unwrap_or(0))
}

fn rows(connection: &Connection, table: Table, after: i64, limit: usize) -> Result<Vec<Row>> {
    let mut select = connection.prepare_cached(match table {
        Table::Originals => "SELECT row, key, size, identity FROM originals WHERE row > ?1 ORDER BY row LIMIT ?2",
        Table::Extras => "SELECT row, key, size, identity FROM extras WHERE row > ?1 ORDER BY row LIMIT ?2",
    })?;
    let rows = select.query_map(params![after, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        let key: Vec<u8> = row.get(1)?;
        let size: i64 = row.get(2)?;
        Ok(Row { row: row.get(0)?, key: Key::new(key), size: u64::try_from(size).unwrap_or(0), identity: row.get(3)? })
    })?;
    rows.collect()
}

fn failures(connection: &Connection, after: i64, limit: usize) -> Result<Vec<(i64, FailureRecord)>> {
    let mut select =
        connection.prepare_cached("SELECT row, key, status, kind, message, hint FROM failures WHERE row > ?1 ORDER BY row LIMIT ?2")?;
    let rows = select.query_map(params![after, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        let status: String = row.get(2)?;
        let record =
            FailureRecord { key: row.get(1)?, status: status_from(&status), kind: row.get(3)?, message: row.get(4)?, hint: row.get(5)? };
        Ok((row.get(0)?, record))
    })?;
    rows.collect()
}

fn status_name(status: FailureStatus) -> &'static str {
    match status {
        FailureStatus::Failed => "failed",
        FailureStatus::Skipped => "skipped",
        FailureStatus::Differs => "differs",
    }
}

fn status_from(name: &str) -> FailureStatus {
    match name {
        "skipped" => FailureStatus::Skipped,
        "differs" => FailureStatus::Differs,
        _ => FailureStatus::Failed,
    }
}
