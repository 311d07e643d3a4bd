//! Merging runs into one: the least key of all readers is always the next one.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::path::Path;
use std::sync::Arc;

use super::row;
use super::run::{Reader, Run, RunWriter};
use crate::Result;
use crate::limits::MERGE_RUNS_MAX;

/// Merges all runs, of which there is at least one, some at once.
pub(super) fn all(mut runs: Vec<Run>, directory: &Path) -> Result<Run> {
    while runs.len() > 1 {
        let mut merged = Vec::new();
        let mut rest = runs.into_iter();
        loop {
            let some: Vec<Run> = rest.by_ref().take(MERGE_RUNS_MAX).collect();
            match some.len() {
                0 => break,
                1 => merged.extend(some),
                _ => merged.push(one(some, directory)?),
            }
        }
        runs = merged;
    }
    Ok(runs.pop().expect("there was at least one run, and merging leaves one"))
}

/// Merges these into one; their files go with them.
fn one(runs: Vec<Run>, directory: &Path) -> Result<Run> {
    let mut heap = BinaryHeap::with_capacity(runs.len());
    for run in runs {
        let mut reader = Reader::new(Arc::new(run), None);
        if reader.fill()? {
            heap.push(Least(reader));
        }
    }
    let mut merged = RunWriter::new(directory)?;
    while let Some(mut least) = heap.peek_mut() {
        merged.push(least.0.row())?;
        least.0.pass();
        if !least.0.fill()? {
            std::collections::binary_heap::PeekMut::pop(least);
        }
    }
    merged.finish()
}

/// A reader with an entry ready; the greatest in the heap is the one with the least key.
struct Least(Reader);

impl Ord for Least {
    fn cmp(&self, other: &Self) -> Ordering {
        row::key(other.0.row()).cmp(row::key(self.0.row()))
    }
}

impl PartialOrd for Least {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Least {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Least {}
