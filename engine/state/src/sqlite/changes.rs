//! Reading the changes that a file holds, in key order, beside whoever writes it.
//!
//! SQLite lends rows only while their statement lives, so a thread of its own walks the statement and hands copies over in
//! batches; one transaction is one snapshot. Memory is that of the sort cache and a few batches, whatever the number of rows.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use brigade_core::Change;

use crate::StateError;
use crate::sqlite::cell::Fault;
use crate::sqlite::file::state_error;
use crate::sqlite::limits::{CHANGES_BATCH, CHANGES_BATCHES_WAITING};
use crate::sqlite::merge::{Batches, Merged, Singles};
use crate::sqlite::rows::{BATCH, BATCHES_IN_ORDER, CHANGES_IN_ORDER};
use crate::sqlite::tables::open_reader;

/// What the thread hands over.
type Batch = Result<Vec<Change>, StateError>;

/// Changes that are being read. The connection is closed when this is dropped.
pub(crate) struct Changes {
    batch: std::vec::IntoIter<Change>,
    /// `None` after the end, so that nothing follows an error.
    reader: Option<(Receiver<Batch>, JoinHandle<()>)>,
}

impl Changes {
    pub(crate) fn open(path: &Path) -> Result<Self, StateError> {
        let (sender, receiver) = sync_channel(CHANGES_BATCHES_WAITING);
        let file = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("journal-changes".into())
            .spawn(move || {
                if let Err(fault) = read(&file, &sender) {
                    // Nobody waits any more where this fails.
                    let _ = sender.send(Err(state_error(&file, fault)));
                }
            })
            .map_err(|source| StateError::io(path, source))?;
        Ok(Self { batch: Vec::new().into_iter(), reader: Some((receiver, thread)) })
    }

    fn end(&mut self) {
        if let Some((receiver, thread)) = self.reader.take() {
            // Without its receiver the thread ends at its next batch.
            drop(receiver);
            if thread.join().is_err() {
                tracing::error!("the reader of changes panicked");
            }
        }
    }
}

impl Iterator for Changes {
    type Item = Result<Change, StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(change) = self.batch.next() {
                return Some(Ok(change));
            }
            match self.reader.as_ref()?.0.recv() {
                Ok(Ok(batch)) => self.batch = batch.into_iter(),
                Ok(Err(error)) => {
                    self.end();
                    return Some(Err(error));
                }
                Err(_) => {
                    self.end();
                    return None;
                }
            }
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends every change, then checks that none was missing: they are numbered without gaps.
fn read(path: &Path, sender: &SyncSender<Batch>) -> Result<(), Fault> {
    let connection = open_reader(path)?;
    // One snapshot for both tables.
    let snapshot = connection.unchecked_transaction()?;
    let (mut singles, mut batches) = (snapshot.prepare(CHANGES_IN_ORDER)?, snapshot.prepare(BATCHES_IN_ORDER)?);
    let mut changes =
        Merged { singles: Singles::new(singles.query([])?)?, batches: Batches::new(batches.query([])?, snapshot.prepare(BATCH)?)? };
    let mut batch = Vec::with_capacity(CHANGES_BATCH);
    let mut numbers: Option<(i64, i64)> = None;
    let mut count = 0_i64;
    while let Some((number, change)) = changes.next()? {
        let (first, last) = numbers.get_or_insert((number, number));
        (*first, *last) = ((*first).min(number), (*last).max(number));
        count += 1;
        batch.push(change);
        if batch.len() == CHANGES_BATCH && sender.send(Ok(std::mem::replace(&mut batch, Vec::with_capacity(CHANGES_BATCH)))).is_err() {
            return Ok(());
        }
    }
    if let Some((first, last)) = numbers
        && last.checked_sub(first).and_then(|span| span.checked_add(1)) != Some(count)
    {
        return Err(Fault::Damaged(format!("of the changes {first} to {last} only {count} are there")));
    }
    // Nobody waits any more where this fails.
    let _ = sender.send(Ok(batch));
    Ok(())
}
