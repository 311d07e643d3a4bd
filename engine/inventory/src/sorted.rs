//! An external merge sort of entries: any number of them in constant memory, in key order at the end.
//!
//! What is pushed gathers in memory, is sorted there, and goes to disk as a run; runs are merged into one file, which can be
//! read from any key by many readers at once. The files have no name: whatever ends the process, they are gone with it.
//!
//! A key may stand there once. Of two entries nobody could say which is true, so the second is an error, never a choice.

mod merge;
mod row;
mod run;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use brigade_core::{Entry, KeyRange};
use brigade_store::{Pages, StoreError};

use crate::limits::{ENTRY_BYTES_MAX, SORT_BYTES};
use crate::paged::Paged;
use crate::{Entries, Result};
use run::{Run, RunWriter};

/// Takes entries in any order.
pub(crate) struct Sorter {
    directory: PathBuf,
    arena: Vec<u8>,
    /// Where each entry begins in the arena.
    starts: Vec<u32>,
    runs: Vec<Run>,
    limit_bytes: usize,
}

/// Entries in key order, on disk. Cheap to clone.
#[derive(Clone)]
pub struct Sorted {
    run: Arc<Run>,
}

impl Sorter {
    /// Sorts in `directory`, which is there and has room for the entries: some 100 bytes each, and twice that for a moment.
    pub(crate) fn new(directory: &Path) -> Self {
        Self::within(directory, SORT_BYTES)
    }

    /// The same with another bound on memory.
    pub(crate) fn within(directory: &Path, limit_bytes: usize) -> Self {
        // What is never written costs no memory; growing by doubling would hold the entries twice for a moment.
        let arena = Vec::with_capacity(limit_bytes + ENTRY_BYTES_MAX);
        Self { directory: directory.to_owned(), arena, starts: Vec::new(), runs: Vec::new(), limit_bytes }
    }

    /// Takes one entry.
    ///
    /// # Errors
    /// The disk is full, or an entry with the same key was found.
    pub(crate) fn push(&mut self, entry: &Entry) -> Result<()> {
        let start = u32::try_from(self.arena.len()).expect("the arena is far smaller than 4 GiB");
        row::write(entry, &mut self.arena);
        self.starts.push(start);
        if self.arena.len() >= self.limit_bytes {
            self.spill()?;
        }
        Ok(())
    }

    /// Sorts what is in memory into a run.
    fn spill(&mut self) -> Result<()> {
        let arena = &self.arena;
        let at = |start: u32| &arena[usize::try_from(start).expect("an offset in memory")..];
        self.starts.sort_unstable_by(|one, other| row::key(at(*one)).cmp(row::key(at(*other))));
        let mut run = RunWriter::new(&self.directory)?;
        for start in &self.starts {
            run.push(row::first(at(*start)))?;
        }
        self.runs.push(run.finish()?);
        self.starts.clear();
        self.arena.clear();
        Ok(())
    }

    /// Everything that was pushed, in key order.
    ///
    /// # Errors
    /// The disk is full, or a key was pushed twice.
    pub(crate) fn finish(mut self) -> Result<Sorted> {
        if !self.starts.is_empty() || self.runs.is_empty() {
            self.spill()?;
        }
        let Self { directory, arena, starts, runs, .. } = self;
        // Merging has buffers of its own.
        drop((arena, starts));
        let run = merge::all(runs, &directory)?;
        Ok(Sorted { run: Arc::new(run) })
    }
}

impl Sorted {
    /// How many entries there are.
    pub fn rows(&self) -> u64 {
        self.run.rows()
    }
}

impl Entries for Sorted {
    fn list(&self, range: &KeyRange) -> Box<dyn Pages> {
        let after = range.after.clone();
        let rows = run::Reader::new(self.run.clone(), after.as_ref()).filter_map(move |row| {
            let entry = row.and_then(|row| row::read(&row)).map_err(StoreError::from);
            // A block begins before the key that was asked for.
            let passed = entry.as_ref().is_ok_and(|entry| after.as_ref().is_some_and(|after| entry.key <= *after));
            (!passed).then_some(entry)
        });
        Box::new(Paged::new(rows, range.through.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use brigade_core::digest::md5_from_etag;
    use brigade_core::{Algorithm, Availability, Digests, Identity, Key};
    use jiff::Timestamp;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn entry(key: &[u8], number: u64) -> Entry {
        let etag = format!("{number:032x}");
        Entry {
            modified: Timestamp::from_millisecond(i64::try_from(number).unwrap()).ok(),
            digests: Digests { md5: md5_from_etag(&etag), ..Digests::default() },
            checksum_kept: (number % 3 == 1).then_some(Algorithm::Crc32c),
            storage_class: (number % 2 == 1).then(|| "GLACIER".into()),
            availability: if number % 2 == 1 { Availability::Archived } else { Availability::Ready },
            ..Entry::new(Key::new(key), number, Identity::etag(&etag))
        }
    }

    fn listed(sorted: &Sorted, range: &KeyRange) -> Result<Vec<Entry>, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut pages = sorted.list(range);
        let mut entries = Vec::new();
        while let Some(page) = runtime.block_on(pages.next())? {
            assert!(!page.is_empty());
            entries.extend(page);
        }
        Ok(entries)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_comes_out_is_what_went_in_in_key_order_whatever_fits_in_memory(
            entries in proptest::collection::btree_map(proptest::collection::vec(any::<u8>(), 0..6), 0_u64..1_000, 0..300),
            limit_bytes in 1_usize..9_000,
            seed in any::<u64>(),
            borders in any::<(u8, u8)>(),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let mut sorter = Sorter::within(directory.path(), limit_bytes);
            let mut shuffled: Vec<_> = entries.iter().collect();
            shuffled.sort_by_key(|(key, number)| (*number ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(key.first().copied().unwrap_or(0)));
            for (key, number) in shuffled {
                sorter.push(&entry(key, *number)).unwrap();
            }
            let sorted = sorter.finish().unwrap();
            let all: Vec<Entry> = entries.iter().map(|(key, number)| entry(key, *number)).collect();
            prop_assert_eq!(sorted.rows(), u64::try_from(all.len()).unwrap());
            prop_assert_eq!(listed(&sorted, &KeyRange::all()).unwrap(), all.clone());
            let (low, high) = (borders.0.min(borders.1), borders.0.max(borders.1));
            let range = KeyRange { after: Some(Key::new([low])), through: Some(Key::new([high])) };
            let inside: Vec<Entry> = all.into_iter().filter(|entry| range.contains(&entry.key)).collect();
            prop_assert_eq!(listed(&sorted, &range).unwrap(), inside);
        }

        #[test]
        fn a_key_that_comes_twice_is_refused_wherever_the_two_stand(
            keys in proptest::collection::btree_set("[a-f]{1,4}", 1..60),
            twice in any::<prop::sample::Index>(),
            limit_bytes in 1_usize..3_000,
        ) {
            let directory = tempfile::tempdir().unwrap();
            let mut sorter = Sorter::within(directory.path(), limit_bytes);
            let keys: Vec<&String> = keys.iter().collect();
            let again = keys[twice.index(keys.len())];
            let pushed = keys.iter().copied().chain([again]).try_for_each(|key| sorter.push(&entry(key.as_bytes(), 1)));
            let refused = pushed.and_then(|()| sorter.finish()).map(|_| ()).unwrap_err();
            prop_assert!(refused.to_string().contains(again.as_str()), "{}", refused);
        }
    }

    #[test]
    fn p08_many_runs_and_many_marks_stay_in_order_and_can_be_read_from_every_key() {
        let directory = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::within(directory.path(), 4 << 10);
        let name = |number: u64| format!("k{number:07}").into_bytes();
        let all: BTreeMap<Vec<u8>, u64> = (0..20_000).map(|number| (name(number), number)).collect();
        for number in 0..20_000_u64 {
            let number = number * 7_919 % 20_000;
            sorter.push(&entry(&name(number), number)).unwrap();
        }
        assert!(sorter.runs.len() > 2 * crate::limits::MERGE_RUNS_MAX, "two rounds of merging");
        let sorted = sorter.finish().unwrap();
        for number in (0..20_000).step_by(997) {
            let range = KeyRange { after: Some(Key::new(name(number))), through: Some(Key::new(name(number + 3))) };
            let keys: Vec<Vec<u8>> = listed(&sorted, &range).unwrap().iter().map(|entry| entry.key.as_bytes().to_vec()).collect();
            let expected: Vec<Vec<u8>> = all.range(name(number + 1)..=name(number + 3)).map(|(key, _)| key.clone()).collect();
            assert_eq!(keys, expected);
        }
    }
}
