//! Columns of a row, and the checksum that binds them.
//!
//! SQLite checks the shape of its pages and not what stands in them. A flipped byte must never turn into another key, identity
//! or proof, so a row carries a CRC-64/NVME over its table, its row number and every column; what does not match is damage.

use crc_fast::CrcAlgorithm;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row, Statement, ToSql};

/// Why an answer cannot be given.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SQLite could not read or write.
    Sqlite(rusqlite::Error),
    /// A row is not what was written.
    Damaged(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// One column, as it is bound, stored and summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    /// Nothing.
    Null,
    /// A number. Unsigned ones of 64 bits keep their bits: from 2^63 on they show as negative.
    Number(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl<'a> Cell<'a> {
    pub(crate) fn unsigned(value: u64) -> Self {
        Self::Number(value.cast_signed())
    }

    pub(crate) fn or_null(value: Option<impl Into<Self>>) -> Self {
        value.map_or(Self::Null, Into::into)
    }

    pub(crate) fn number(self) -> Result<i64, Fault> {
        match self {
            Self::Number(value) => Ok(value),
            other => Err(unlike("a number", other)),
        }
    }

    pub(crate) fn text(self) -> Result<&'a str, Fault> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(unlike("text", other)),
        }
    }

    pub(crate) fn bytes(self) -> Result<&'a [u8], Fault> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            other => Err(unlike("bytes", other)),
        }
    }

    /// The column's value, where it has one.
    pub(crate) fn optional(self) -> Option<Self> {
        (self != Self::Null).then_some(self)
    }

    fn sum_into(self, buffer: &mut Vec<u8>) {
        let (kind, number, bytes): (u8, i64, &[u8]) = match self {
            Self::Null => (0, 0, &[]),
            Self::Number(value) => (1, value, &[]),
            Self::Text(text) => (2, length(text.len()), text.as_bytes()),
            Self::Bytes(bytes) => (3, length(bytes.len()), bytes),
        };
        buffer.push(kind);
        buffer.extend_from_slice(&number.to_le_bytes());
        buffer.extend_from_slice(bytes);
    }
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).expect("a slice is shorter than 2^63 bytes")
}

fn unlike(wanted: &str, found: Cell<'_>) -> Fault {
    Fault::Damaged(format!("a column should hold {wanted} and holds {found:?}"))
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Cell<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<u32> for Cell<'_> {
    fn from(value: u32) -> Self {
        Self::Number(value.into())
    }
}

impl From<u64> for Cell<'_> {
    fn from(value: u64) -> Self {
        Self::unsigned(value)
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Null => ValueRef::Null,
            Self::Number(value) => ValueRef::Integer(value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Binds the columns and, last, their checksum, and runs the statement. `buffer` is scratch space.
pub(crate) fn write(statement: &mut Statement<'_>, table: &str, cells: &[Cell<'_>], buffer: &mut Vec<u8>) -> rusqlite::Result<()> {
    let checksum = sum(table, cells, buffer);
    for (index, cell) in cells.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, cell)?;
    }
    statement.raw_bind_parameter(cells.len() + 1, checksum)?;
    statement.raw_execute().map(drop)
}

/// The first `N` columns of a row, of which the next is the checksum that they must have.
pub(crate) fn read<'r, const N: usize>(row: &'r Row<'_>, table: &str) -> Result<[Cell<'r>; N], Fault> {
    let mut cells = [Cell::Null; N];
    for (index, cell) in cells.iter_mut().enumerate() {
        *cell = match row.get_ref(index)? {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(value) => Cell::Number(value),
            ValueRef::Text(text) => {
                Cell::Text(str::from_utf8(text).map_err(|_| Fault::Damaged(format!("a row of {table} holds text that is no UTF-8")))?)
            }
            ValueRef::Blob(bytes) => Cell::Bytes(bytes),
            ValueRef::Real(_) => return Err(Fault::Damaged(format!("a row of {table} holds a fraction"))),
        };
    }
    if row.get_ref(N)? == ValueRef::Integer(sum(table, &cells, &mut Vec::new())) {
        return Ok(cells);
    }
    Err(Fault::Damaged(format!("a row of {table} does not match its checksum")))
}

fn sum(table: &str, cells: &[Cell<'_>], buffer: &mut Vec<u8>) -> i64 {
    buffer.clear();
    Cell::Text(table).sum_into(buffer);
    cells.iter().for_each(|cell| cell.sum_into(buffer));
    crc_fast::checksum(CrcAlgorithm::Crc64Nvme, buffer).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum_of(table: &str, cells: &[Cell<'_>]) -> i64 {
        sum(table, cells, &mut Vec::new())
    }

    #[test]
    fn a_checksum_tells_tables_types_and_borders_apart() {
        let cells = [Cell::Number(1), Cell::Text("ab"), Cell::Text("c")];
        let base = sum_of("originals", &cells);
        assert_eq!(base, sum_of("originals", &cells));
        for (table, other) in [
            ("extras", cells),
            ("originals", [Cell::Number(2), Cell::Text("ab"), Cell::Text("c")]),
            ("originals", [Cell::Number(1), Cell::Text("a"), Cell::Text("bc")]),
            ("originals", [Cell::Number(1), Cell::Bytes(b"ab"), Cell::Text("c")]),
            ("originals", [Cell::Null, Cell::Text("ab"), Cell::Text("c")]),
        ] {
            assert_ne!(base, sum_of(table, &other), "{table} {other:?}");
        }
    }
}
