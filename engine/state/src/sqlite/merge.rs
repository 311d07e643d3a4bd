//! Changes that stand alone and those that stand in batches, as one sequence in the order of keys.
//!
//! A run's batches lie side by side in the keyspace, so one of them is open at a time; where batches overlap, all that do are.

use brigade_core::known::{Malformed, Records};
use brigade_core::{Change, Key, Known};
use rusqlite::{Rows, Statement};

use crate::sqlite::cell::Fault;
use crate::sqlite::rows::{change, known_batch};

/// A change with its number.
pub(crate) type Numbered = (i64, Change);

/// All changes, sorted by key, and those of one key by number.
pub(crate) struct Merged<'s> {
    pub(crate) singles: Singles<'s>,
    pub(crate) batches: Batches<'s>,
}

impl Merged<'_> {
    pub(crate) fn next(&mut self) -> Result<Option<Numbered>, Fault> {
        let single = self.singles.head.as_ref().map(|(number, change)| (change.key(), *number));
        match self.batches.least_before(single)? {
            Some(at) => self.batches.take(at).map(Some),
            None => self.singles.take(),
        }
    }
}

/// Changes with a row each, as SQLite sorts them.
pub(crate) struct Singles<'s> {
    rows: Rows<'s>,
    head: Option<Numbered>,
}

impl<'s> Singles<'s> {
    pub(crate) fn new(rows: Rows<'s>) -> Result<Self, Fault> {
        let mut singles = Self { rows, head: None };
        singles.take()?;
        Ok(singles)
    }

    fn take(&mut self) -> Result<Option<Numbered>, Fault> {
        let next = self.rows.next()?.map(change).transpose()?;
        Ok(std::mem::replace(&mut self.head, next))
    }
}

/// Changes that stand in batches.
pub(crate) struct Batches<'s> {
    order: Rows<'s>,
    load: Statement<'s>,
    /// The batch that is opened next: its row and first key.
    next: Option<(i64, Key)>,
    open: Vec<Open>,
}

/// A batch that is being read.
struct Open {
    number: i64,
    head: Known,
    rest: Records,
}

impl<'s> Batches<'s> {
    pub(crate) fn new(order: Rows<'s>, load: Statement<'s>) -> Result<Self, Fault> {
        let mut batches = Self { order, load, next: None, open: Vec::new() };
        batches.advance()?;
        Ok(batches)
    }

    fn advance(&mut self) -> Result<(), Fault> {
        self.next = match self.order.next()? {
            Some(row) => Some((row.get(0)?, Key::new(row.get_ref(1)?.as_bytes().map_err(rusqlite::Error::from)?))),
            None => None,
        };
        Ok(())
    }

    /// The open batch whose head comes first, where it comes before `single`.
    fn least_before(&mut self, single: Option<(&Key, i64)>) -> Result<Option<usize>, Fault> {
        loop {
            let heads = self.open.iter().enumerate().map(|(at, open)| ((&open.head.key, open.number), at));
            let least = heads.min();
            let bound = least.map(|(head, _)| head).into_iter().chain(single).min();
            match &self.next {
                Some((row, first)) if bound.is_none_or(|bound| (first, *row) < bound) => {
                    let opened = self.load(*row)?;
                    self.open.push(opened);
                    self.advance()?;
                }
                _ => return Ok(least.filter(|(head, _)| single.is_none_or(|single| *head < single)).map(|(_, at)| at)),
            }
        }
    }

    fn load(&mut self, row: i64) -> Result<Open, Fault> {
        let mut rows = self.load.query([row])?;
        let missing = || Fault::Damaged(format!("the batch {row} is not there"));
        let mut rest = known_batch(rows.next()?.ok_or_else(missing)?)?.into_iter();
        let head = rest.next().ok_or_else(missing)?.map_err(damaged)?;
        Ok(Open { number: row, head, rest })
    }

    fn take(&mut self, at: usize) -> Result<Numbered, Fault> {
        let open = &mut self.open[at];
        let number = open.number;
        let head = match open.rest.next() {
            Some(next) => {
                open.number += 1;
                std::mem::replace(&mut open.head, next.map_err(damaged)?)
            }
            None => self.open.swap_remove(at).head,
        };
        Ok((number, Change::Set(head)))
    }
}

fn damaged(error: Malformed) -> Fault {
    Fault::Damaged(error.to_string())
}
