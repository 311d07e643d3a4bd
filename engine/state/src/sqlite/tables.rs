//! The tables of `brigade.journal/2`, and the settings of the connections that use them.
//!
//! Tables that get a row per object are appended to by row number: that costs a microsecond where a table keyed by object name
//! costs fifteen. Keyed tables are those that stay small (quarantine, cursors) or get a row per part.
//! The statements below are compared with those that a file holds, byte for byte: a change of one is another schema.

use rusqlite::{Connection, OpenFlags, Result};

use crate::sqlite::limits::{BUSY_MS_MAX, CACHE_KIB, PAGE_BYTES, SORT_CACHE_KIB, WAL_BYTES_KEPT, WAL_PAGES_MAX};

/// Name and version of the file's shape.
pub(crate) const SCHEMA: &str = "brigade.journal/2";

/// Every table by its name, with the statement that makes it.
pub(crate) const TABLES: [(&str, &str); 11] = [
    ("meta", "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID"),
    (
        "runs",
        "CREATE TABLE runs (row INTEGER PRIMARY KEY, run TEXT NOT NULL, command TEXT NOT NULL, source TEXT NOT NULL, \
         target TEXT NOT NULL, started TEXT NOT NULL, finished TEXT, outcome TEXT, checksum INTEGER NOT NULL) STRICT",
    ),
    (
        "changes",
        "CREATE TABLE changes (row INTEGER PRIMARY KEY, kind TEXT NOT NULL, key BLOB NOT NULL, size INTEGER, source TEXT, \
         target TEXT, crc32c INTEGER, crc64nvme INTEGER, md5 BLOB, proof TEXT, source_modified TEXT, known_at TEXT, run TEXT, \
         original TEXT, checksum INTEGER NOT NULL) STRICT",
    ),
    (
        "batches",
        "CREATE TABLE batches (row INTEGER PRIMARY KEY, count INTEGER NOT NULL, first BLOB NOT NULL, known_at TEXT NOT NULL, \
         run TEXT NOT NULL, records BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT",
    ),
    (
        "originals",
        "CREATE TABLE originals (row INTEGER PRIMARY KEY, key BLOB NOT NULL, size INTEGER NOT NULL, identity TEXT NOT NULL, \
         checksum INTEGER NOT NULL) STRICT",
    ),
    (
        "extras",
        "CREATE TABLE extras (row INTEGER PRIMARY KEY, key BLOB NOT NULL, size INTEGER NOT NULL, identity TEXT NOT NULL, \
         checksum INTEGER NOT NULL) STRICT",
    ),
    (
        "failures",
        "CREATE TABLE failures (row INTEGER PRIMARY KEY, key TEXT NOT NULL, status TEXT NOT NULL, kind TEXT NOT NULL, \
         message TEXT NOT NULL, hint TEXT NOT NULL) STRICT",
    ),
    ("quarantine", "CREATE TABLE quarantine (key BLOB PRIMARY KEY, kind TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID"),
    (
        "uploads",
        "CREATE TABLE uploads (number INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL, id TEXT NOT NULL, staging TEXT, \
         source TEXT NOT NULL, size INTEGER NOT NULL, part_bytes INTEGER NOT NULL, spec TEXT NOT NULL, \
         checksum INTEGER NOT NULL) STRICT",
    ),
    (
        "parts",
        "CREATE TABLE parts (upload INTEGER NOT NULL, number INTEGER NOT NULL, offset INTEGER NOT NULL, size INTEGER NOT NULL, \
         tag TEXT NOT NULL, stored_crc32c INTEGER, stored_crc64nvme INTEGER, stored_md5 BLOB, sum_size INTEGER NOT NULL, \
         sum_crc32c INTEGER NOT NULL, sum_crc64nvme INTEGER, proven TEXT, checksum INTEGER NOT NULL, \
         PRIMARY KEY (upload, number)) STRICT, WITHOUT ROWID",
    ),
    (
        "cursors",
        "CREATE TABLE cursors (shard INTEGER PRIMARY KEY, range_after BLOB, range_through BLOB, through BLOB NOT NULL, \
         totals TEXT NOT NULL) STRICT",
    ),
];

/// SQLite's own table, which comes with `AUTOINCREMENT`.
pub(crate) const SEQUENCE_TABLE: &str = "sqlite_sequence";

/// How long a file lives, which decides what it costs to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// For the runs to come: every commit is on the disk when it is said to be.
    Job,
    /// For one run: it goes with its process, and its lock tells whether that lives.
    Run,
}

/// Settings of the writer's connection.
pub(crate) fn configure(connection: &Connection, keep: Keep) -> Result<()> {
    let durability = match keep {
        Keep::Job => "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
        Keep::Run => "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = OFF;",
    };
    connection.execute_batch(&format!(
        "PRAGMA page_size = {PAGE_BYTES}; {durability} PRAGMA wal_autocheckpoint = {WAL_PAGES_MAX}; PRAGMA cache_size = -{CACHE_KIB}; PRAGMA journal_size_limit = {WAL_BYTES_KEPT}; PRAGMA trusted_schema = OFF;"
    ))
}

/// Makes every table in an empty file, and moves them out of the WAL: from then on an empty schema means damage or a kill in here.
pub(crate) fn create(connection: &Connection) -> Result<()> {
    let statements: String = TABLES.iter().map(|(_, statement)| format!("{statement};\n")).collect();
    connection.execute_batch(&format!("BEGIN IMMEDIATE;\n{statements}INSERT INTO meta VALUES ('schema', '{SCHEMA}');\nCOMMIT"))?;
    checkpoint(connection)
}

/// Moves what the WAL holds into the file and empties it, as far as readers allow.
pub(crate) fn checkpoint(connection: &Connection) -> Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// A connection that cannot write, for whoever reads beside the writer.
pub(crate) fn open_reader(path: &std::path::Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS_MAX))?;
    connection.execute_batch(&format!("PRAGMA cache_size = -{SORT_CACHE_KIB}; PRAGMA trusted_schema = OFF;"))?;
    Ok(connection)
}
