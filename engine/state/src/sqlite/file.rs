//! The journal's file: made, checked before anything in it is believed, set aside where it is damaged, and kept small.
//!
//! Damage is never an error here: the journal is a cache of progress, and a fresh one costs time only. An error of the disk or of
//! permissions is not damage: a file that cannot be read today may be readable tomorrow, so it is left where it is.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, ffi};

use crate::StateError;
use crate::sqlite::cell::Fault;
use crate::sqlite::limits::{BUSY_MS_MAX, ROW_MAX, SHRINK_BYTES_MIN};
use crate::sqlite::rows;
use crate::sqlite::tables::{Keep, SCHEMA, SEQUENCE_TABLE, TABLES, checkpoint, configure, create};

/// Files that SQLite keeps beside a database, and the database itself.
const SUFFIXES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Opens the journal at `path`, or makes it. [`StateError::Damaged`] where anything in it is wrong.
pub(crate) fn open_checked(path: &Path) -> Result<Connection, StateError> {
    if length(path) == 0 && length(&beside(path, "-wal")) > 0 {
        // SQLite would drop the WAL without a word.
        return Err(StateError::damaged(path, "its main file is missing"));
    }
    let connection = open_file(path)?;
    match check(&connection) {
        Ok(()) => Ok(connection),
        Err(fault) => Err(state_error(path, fault)),
    }
}

fn open_file(path: &Path) -> Result<Connection, StateError> {
    let sqlite = |source| StateError::sqlite(path, source);
    let connection = Connection::open(path).map_err(sqlite)?;
    // Where the right to write is missing SQLite opens for reading: that is no damage.
    if connection.is_readonly(rusqlite::MAIN_DB).map_err(sqlite)? {
        return Err(StateError::io(path, std::io::ErrorKind::PermissionDenied.into()));
    }
    connection.busy_timeout(Duration::from_millis(BUSY_MS_MAX)).map_err(sqlite)?;
    Ok(connection)
}

fn check(connection: &Connection) -> Result<(), Fault> {
    let found = schema(connection)?;
    if found.is_empty() {
        configure(connection, Keep::Job)?;
        return Ok(create(connection)?);
    }
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Fault::Damaged(verdict));
    }
    if found != expected_schema() {
        return Err(Fault::Damaged(format!("its tables are not those of {SCHEMA}")));
    }
    let version: String = connection.query_row("SELECT value FROM meta WHERE name = 'schema'", [], |row| row.get(0))?;
    if version != SCHEMA {
        return Err(Fault::Damaged(format!("it says that it is {version:?}, not {SCHEMA}")));
    }
    let last = last_upload(connection)?;
    let last_change = rows::last_change(connection)?;
    if !(0..ROW_MAX).contains(&last) || !(0..ROW_MAX).contains(&last_change) {
        return Err(Fault::Damaged(format!("it cannot have counted {last} uploads and {last_change} changes")));
    }
    rows::verify(connection)?;
    Ok(configure(connection, Keep::Job)?)
}

fn schema(connection: &Connection) -> Result<BTreeMap<String, String>, Fault> {
    let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn expected_schema() -> BTreeMap<String, String> {
    let own = TABLES.iter().map(|(name, sql)| ((*name).to_owned(), (*sql).to_owned()));
    own.chain([(SEQUENCE_TABLE.to_owned(), format!("CREATE TABLE {SEQUENCE_TABLE}(name,seq)"))]).collect()
}

/// The greatest number that an upload or a part of one ever had.
pub(crate) fn last_upload(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT max((SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'uploads'), \
               (SELECT coalesce(max(number), 0) FROM uploads), (SELECT coalesce(max(upload), 0) FROM parts))";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Tells damage from trouble with the disk.
pub(crate) fn state_error(path: &Path, fault: Fault) -> StateError {
    match fault {
        Fault::Damaged(what) => StateError::damaged(path, what),
        Fault::Sqlite(error) if is_damage(&error) => StateError::damaged(path, error.to_string()),
        Fault::Sqlite(error) => StateError::sqlite(path, error),
    }
}

/// An error that the contents of the file explain. `SQLITE_READONLY` without a further reason is a header with an unknown write
/// version, and `SQLITE_ERROR` a table or column that is not there: the statements of this crate are right.
fn is_damage(error: &rusqlite::Error) -> bool {
    let rusqlite::Error::SqliteFailure(error, _) = error else { return true };
    match error.code {
        ErrorCode::DatabaseCorrupt
        | ErrorCode::NotADatabase
        | ErrorCode::TooBig
        | ErrorCode::TypeMismatch
        | ErrorCode::ConstraintViolation
        | ErrorCode::Unknown => true,
        ErrorCode::ReadOnly => error.extended_code == ffi::SQLITE_READONLY,
        ErrorCode::SystemIoFailure => error.extended_code == ffi::SQLITE_IOERR_SHORT_READ,
        _ => false,
    }
}

/// Renames a damaged journal to `STEM.damaged-RUN.EXTENSION`, in place of any that was set aside before.
pub(crate) fn set_aside(path: &Path, run: &str) -> Result<PathBuf, StateError> {
    let stem = path.file_stem().unwrap_or_default();
    let mut marked = stem.to_owned();
    marked.push(".damaged-");
    let mut name = marked.clone();
    name.push(run);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |source| StateError::io(directory, source);
    for entry in std::fs::read_dir(directory).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.file_name().as_encoded_bytes().starts_with(marked.as_encoded_bytes()) {
            std::fs::remove_file(entry.path()).map_err(|source| StateError::io(&entry.path(), source))?;
        }
    }
    let aside = path.with_file_name(name);
    for suffix in SUFFIXES {
        let from = beside(path, suffix);
        match std::fs::rename(&from, beside(&aside, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(StateError::io(&from, error)),
            _ => {}
        }
    }
    Ok(aside)
}

/// Gives free pages back to the disk where they are many and more than those in use, so that a rewrite costs less than was freed.
/// It is no error where that does not work: free pages are used again.
pub(crate) fn shrink(connection: &Connection) {
    let shrunk = (|| {
        let number = |pragma| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
        let page = number("PRAGMA page_size")?;
        let (pages, free) = (number("PRAGMA page_count")?, number("PRAGMA freelist_count")?);
        let free_bytes = u64::try_from(free.saturating_mul(page)).unwrap_or(0);
        if free_bytes < SHRINK_BYTES_MIN || free < pages / 2 {
            return Ok(());
        }
        connection.execute_batch("VACUUM")?;
        checkpoint(connection)
    })();
    if let Err::<(), rusqlite::Error>(error) = shrunk {
        tracing::warn!(%error, "the journal's free space stays in its file");
    }
}

/// Removes journals of single runs whose process is dead: their exclusive lock can be taken.
pub(crate) fn sweep(directory: &Path) -> std::io::Result<()> {
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

/// Removes a journal and what SQLite keeps beside it.
pub(crate) fn remove(path: &Path) {
    for suffix in SUFFIXES {
        // A file that is gone already is what was wanted; one that cannot be removed is swept by a later run.
        let _ = std::fs::remove_file(beside(path, suffix));
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Zero where there is no such file.
fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
