//! The simulated disk keeps its own promises: a crash keeps a prefix, a fold survives a crash between any two of its steps.

use super::*;
use brigade_core::Identity;
use brigade_core::known::Original;
use brigade_state::journal::Table;
use brigade_state::{Journal as _, Note};
use jiff::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};

/// Refuses from the n-th point on.
struct FullFrom(AtomicU64);

#[async_trait]
impl DiskWatch for FullFrom {
    async fn at(&self, _: DiskPoint) -> Result<(), StateError> {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 { Err(StateError::io("disk".as_ref(), std::io::ErrorKind::StorageFull.into())) } else { Ok(()) }
    }
}

fn known(number: u64) -> Known {
    Known {
        key: key(number),
        size: number,
        source: Identity::Generation(number),
        target: Identity::Generation(number),
        digests: Default::default(),
        proof: None,
        source_modified: None,
        known_at: Timestamp::UNIX_EPOCH,
        run: "r".into(),
        original: Original::Present,
    }
}

fn key(number: u64) -> Key {
    Key::from(format!("k{number:03}").as_str())
}

fn wait(number: u64) -> Note {
    Note::Wait { table: Table::Originals, key: key(number), size: number, identity: Identity::Generation(number) }
}

#[tokio::test(start_paused = true)]
async fn a_crash_keeps_a_prefix_of_what_was_noted_and_all_that_was_flushed() {
    for seed in 0..50 {
        let state = SimState::new(seed);
        let opened = state.open(Arc::new(Undisturbed), Past::Use).await.expect("undisturbed");
        for number in 0..40 {
            opened.journal.note(Note::Change(Change::Set(known(number)))).await.expect("undisturbed");
            if number == 10 {
                opened.journal.flush().await.expect("undisturbed");
            }
        }
        state.crash();
        let kept: Vec<Key> = state.durable().changes.iter().map(|change| change.key().clone()).collect();
        assert!(kept.len() >= 11, "seed {seed}: what was flushed is there");
        assert_eq!(kept, (0..40).take(kept.len()).map(key).collect::<Vec<_>>(), "seed {seed}");
        assert!(opened.journal.note(wait(1)).await.is_err(), "a dead run notes nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fold_that_stops_at_any_step_loses_nothing_and_ends_at_the_next_opening() {
    for stop in 0..20 {
        let state = SimState::new(1);
        let opened = state.open(Arc::new(Undisturbed), Past::Use).await.expect("undisturbed");
        for number in 0..8 {
            opened.journal.note(Note::Change(Change::Set(known(number)))).await.expect("undisturbed");
        }
        opened.journal.flush().await.expect("undisturbed");
        state.crash();
        let stopped = state.open(Arc::new(FullFrom(AtomicU64::new(stop))), Past::Use).await.is_err();
        state.crash();
        state.open(Arc::new(Undisturbed), Past::Use).await.expect("undisturbed");
        assert_eq!(state.baseline(), (0..8).map(known).collect::<Vec<_>>(), "stopped at step {stop}: {stopped}");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_deletes_end_with_their_run_and_gone_keys_are_forgotten_after_a_clean_one_only() {
    let state = SimState::new(3);
    for (ending, left) in [(Ending::Unclean, 1), (Ending::Clean, 0)] {
        let opened = state.open(Arc::new(Undisturbed), Past::Use).await.expect("undisturbed");
        assert_eq!(opened.journal.waiting(Table::Originals).await.expect("open"), 0);
        if ending == Ending::Unclean {
            opened.journal.note(Note::Change(Change::Set(known(1)))).await.expect("undisturbed");
            opened.journal.note(wait(1)).await.expect("undisturbed");
        }
        opened.journal.note(Note::Change(Change::Gone(key(1)))).await.expect("undisturbed");
        state.finish(&opened.journal, ending).await.expect("undisturbed");
        if ending == Ending::Unclean {
            state.open(Arc::new(Undisturbed), Past::Use).await.expect("undisturbed");
        }
        assert_eq!(state.baseline().len(), left);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_closes_the_journal() {
    let state = SimState::new(4);
    let opened = state.open(Arc::new(FullFrom(AtomicU64::new(20))), Past::Use).await.expect("there is room at first");
    let mut refused = 0;
    for number in 0..40 {
        refused += u64::from(opened.journal.note(wait(number)).await.is_err());
    }
    assert!(refused > 0);
    assert!(matches!(opened.journal.flush().await, Err(StateError::Closed)));
}
