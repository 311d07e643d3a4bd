//! How rows become again what was noted. A row that does not match its checksum, or says something impossible, is a fault:
//! nothing is guessed, defaulted or left out.

use std::sync::Arc;

use brigade_core::digest::Sum;
use brigade_core::known::{Batch, Original};
use brigade_core::parts::Part;
use brigade_core::report::FailureRecord;
use brigade_core::{Algorithm, Change, Digests, Identity, Key, Known, Proof};
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use crate::journal::{OpenUpload, SentPart, Table, Waiting};
use crate::sqlite::cell::{Cell, Fault, read};
use crate::sqlite::notes::STATUSES;

/// Changes sorted by key, and those of one key by row. SQLite sorts what does not fit its cache in a temporary file.
pub(crate) const CHANGES_IN_ORDER: &str = "SELECT row, kind, key, size, source, target, crc32c, crc64nvme, md5, proof, source_modified, \
     known_at, run, original, checksum FROM changes ORDER BY key, row";

/// Batches by their first key, and those of one first key by row.
pub(crate) const BATCHES_IN_ORDER: &str = "SELECT row, first FROM batches ORDER BY first, row";

/// One batch by its row.
pub(crate) const BATCH: &str = "SELECT row, count, first, known_at, run, records, checksum FROM batches WHERE row = ?1";

/// The last number that a change has, alone or in a batch; 0 where there is none.
pub(crate) fn last_change(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT max((SELECT coalesce(max(row), 0) FROM changes), (SELECT coalesce(max(row + count - 1), 0) FROM batches))";
    connection.query_row(sql, [], |row| row.get(0))
}

pub(crate) fn count(connection: &Connection, table: &str) -> Result<u64, Fault> {
    let rows: i64 = connection.prepare_cached(&format!("SELECT count(*) FROM {table}"))?.query_row([], |row| row.get(0))?;
    u64::try_from(rows).map_err(|_| Fault::Damaged(format!("{table} holds {rows} rows")))
}

pub(crate) fn batch(connection: &Connection, table: Table, after: i64, limit: usize) -> Result<Vec<Waiting>, Fault> {
    let name = table.name();
    let sql = format!("SELECT row, key, size, identity, checksum FROM {name} WHERE row > ?1 ORDER BY row LIMIT ?2");
    collect(connection, &sql, params![after, bound(limit)], |row| waiting(row, name))
}

/// What waits for these keys. Rows are appended without an index; a temporary one is made when it is first asked for, so nothing
/// may be appended afterwards.
pub(crate) fn find(connection: &Connection, table: Table, keys: &[Key]) -> Result<Vec<Option<Waiting>>, Fault> {
    let name = table.name();
    let index = format!("{name}_by_key");
    let is_there = connection.prepare_cached("SELECT 1 FROM sqlite_temp_schema WHERE name = ?1")?.exists([&index])?;
    if !is_there {
        connection.execute_batch(&format!(
            "CREATE TEMP TABLE {index} (key BLOB PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID;
             INSERT OR REPLACE INTO {index} SELECT key, row FROM {name} ORDER BY key, row"
        ))?;
    }
    let sql = format!("SELECT row, key, size, identity, checksum FROM {name} WHERE row = (SELECT row FROM {index} WHERE key = ?1)");
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let waiting = collect(connection, &sql, params![key.as_bytes()], |row| waiting(row, name))?.pop();
        // The row's checksum vouches for its key; the temporary index vouches for nothing.
        found.push(waiting.filter(|waiting| waiting.key == *key));
    }
    Ok(found)
}

fn waiting(row: &Row<'_>, table: &str) -> Result<Waiting, Fault> {
    let [number, key, size, identity] = read(row, table)?;
    Ok(Waiting { row: number.number()?, key: Key::new(key.bytes()?), size: unsigned(size)?, identity: identity_of(identity)? })
}

pub(crate) fn failures(connection: &Connection, after: i64, limit: usize) -> Result<Vec<(i64, FailureRecord)>, Fault> {
    let sql = "SELECT row, key, status, kind, message, hint FROM failures WHERE row > ?1 ORDER BY row LIMIT ?2";
    collect(connection, sql, params![after, bound(limit)], |row| {
        let name: String = row.get(2)?;
        let known = STATUSES.into_iter().find(|(_, known)| *known == name);
        let (status, _) = known.ok_or_else(|| Fault::Damaged(format!("no failure has the status {name:?}")))?;
        let record = FailureRecord { key: row.get(1)?, status, kind: row.get(3)?, message: row.get(4)?, hint: row.get(5)? };
        Ok((row.get(0)?, record))
    })
}

/// Open uploads with a number below `before`.
pub(crate) fn uploads(connection: &Connection, before: i64, limit: usize) -> Result<Vec<OpenUpload>, Fault> {
    let sql =
        "SELECT number, key, id, staging, source, size, part_bytes, spec, checksum FROM uploads WHERE number < ?1 ORDER BY number LIMIT ?2";
    collect(connection, sql, params![before, bound(limit)], |row| {
        let [number, key, id, staging, source, size, part_bytes, spec] = read(row, "uploads")?;
        Ok(OpenUpload {
            number: unsigned(number)?,
            key: Key::new(key.bytes()?),
            id: id.text()?.to_owned(),
            staging: staging.optional().map(|staging| staging.text().map(str::to_owned)).transpose()?,
            source: identity_of(source)?,
            size: unsigned(size)?,
            part_bytes: unsigned(part_bytes)?,
            spec: spec.text()?.to_owned(),
        })
    })
}

const PART_COLUMNS: &str = "upload, number, offset, size, tag, stored_crc32c, stored_crc64nvme, stored_md5, sum_size, sum_crc32c, sum_crc64nvme, \
     proven, checksum";

pub(crate) fn parts(connection: &Connection, upload: u64) -> Result<Vec<SentPart>, Fault> {
    let sql = format!("SELECT {PART_COLUMNS} FROM parts WHERE upload = ?1 ORDER BY number");
    collect(connection, &sql, params![upload.cast_signed()], part)
}

fn part(row: &Row<'_>) -> Result<SentPart, Fault> {
    let [_, number, offset, size, tag, crc32c, crc64nvme, md5, sum_size, sum_crc32c, sum_crc64nvme, proven] = read(row, "parts")?;
    Ok(SentPart {
        part: Part { number: small(number)?, offset: unsigned(offset)?, size: unsigned(size)? },
        tag: tag.text()?.to_owned(),
        stored: digests(crc32c, crc64nvme, md5)?,
        sum: Sum { size: unsigned(sum_size)?, crc32c: small(sum_crc32c)?, crc64nvme: sum_crc64nvme.optional().map(unsigned).transpose()? },
        proven: proven.optional().map(algorithm).transpose()?,
    })
}

pub(crate) fn quarantined(connection: &Connection, limit: usize) -> Result<(Vec<Key>, u64), Fault> {
    let sql = "SELECT key, kind, checksum FROM quarantine ORDER BY key LIMIT ?1";
    let keys = collect(connection, sql, params![bound(limit)], |row| {
        let [key, _] = read(row, "quarantine")?;
        Ok(Key::new(key.bytes()?))
    })?;
    Ok((keys, count(connection, "quarantine")?))
}

/// One row of [`CHANGES_IN_ORDER`], with its number.
pub(crate) fn change(row: &Row<'_>) -> Result<(i64, Change), Fault> {
    let cells: [Cell<'_>; 14] = read(row, "changes")?;
    let [number, kind, key, size, source, target, crc32c, crc64nvme, md5, proof, modified, known_at, run, original] = cells;
    let key = Key::new(key.bytes()?);
    let change = match kind.text()? {
        "gone" => Change::Gone(key),
        "original_deleted" => Change::OriginalDeleted(key),
        "set" => Change::Set(Known {
            key,
            size: unsigned(size)?,
            source: identity_of(source)?,
            target: identity_of(target)?,
            digests: digests(crc32c, crc64nvme, md5)?,
            proof: proof.optional().map(proof_of).transpose()?,
            source_modified: modified.optional().map(time).transpose()?,
            known_at: time(known_at)?,
            run: Arc::from(run.text()?),
            original: original_of(original)?,
        }),
        other => return Err(Fault::Damaged(format!("no change is called {other:?}"))),
    };
    Ok((number.number()?, change))
}

/// The row of [`BATCH`].
pub(crate) fn known_batch(row: &Row<'_>) -> Result<Batch, Fault> {
    let [_, count, first, known_at, run, records] = read(row, "batches")?;
    Ok(Batch::written(Arc::from(run.text()?), time(known_at)?, Key::new(first.bytes()?), small(count)?, records.bytes()?.to_vec()))
}

/// Reads every row that carries a checksum and that the next run reads without asking twice.
pub(crate) fn verify(connection: &Connection) -> Result<(), Fault> {
    each(connection, "SELECT row, run, command, source, target, started, finished, outcome, checksum FROM runs", |row| {
        read::<8>(row, "runs").map(drop)
    })?;
    uploads(connection, i64::MAX, usize::MAX)?;
    each(connection, &format!("SELECT {PART_COLUMNS} FROM parts"), |row| part(row).map(drop))?;
    each(connection, "SELECT key, kind, checksum FROM quarantine", |row| read::<2>(row, "quarantine").map(drop))
}

fn each(connection: &Connection, sql: &str, mut check: impl FnMut(&Row<'_>) -> Result<(), Fault>) -> Result<(), Fault> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        check(row)?;
    }
    Ok(())
}

fn collect<T>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    take: impl Fn(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(take(row)?);
    }
    Ok(found)
}

/// A limit beyond what SQLite can count is none.
fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn unsigned(cell: Cell<'_>) -> Result<u64, Fault> {
    cell.number().map(i64::cast_unsigned)
}

fn small(cell: Cell<'_>) -> Result<u32, Fault> {
    let number = cell.number()?;
    u32::try_from(number).map_err(|_| Fault::Damaged(format!("{number} is no number of 32 bits")))
}

fn digests(crc32c: Cell<'_>, crc64nvme: Cell<'_>, md5: Cell<'_>) -> Result<Digests, Fault> {
    let of_md5 = |cell: Cell<'_>| {
        let bytes = cell.bytes()?;
        <[u8; 16]>::try_from(bytes).map_err(|_| Fault::Damaged(format!("{} bytes are no md5", bytes.len())))
    };
    Ok(Digests {
        crc32c: crc32c.optional().map(small).transpose()?,
        crc64nvme: crc64nvme.optional().map(unsigned).transpose()?,
        md5: md5.optional().map(of_md5).transpose()?,
    })
}

fn parsed<T>(cell: Cell<'_>, what: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Fault> {
    let text = cell.text()?;
    parse(text).ok_or_else(|| Fault::Damaged(format!("{text:?} is no {what}")))
}

fn identity_of(cell: Cell<'_>) -> Result<Identity, Fault> {
    parsed(cell, "identity", Identity::from_text)
}

fn proof_of(cell: Cell<'_>) -> Result<Proof, Fault> {
    parsed(cell, "proof", Proof::from_text)
}

fn algorithm(cell: Cell<'_>) -> Result<Algorithm, Fault> {
    parsed(cell, "digest algorithm", Algorithm::from_name)
}

fn original_of(cell: Cell<'_>) -> Result<Original, Fault> {
    parsed(cell, "state of an original", Original::from_name)
}

fn time(cell: Cell<'_>) -> Result<Timestamp, Fault> {
    parsed(cell, "time", |text| text.parse().ok())
}
