//! A kill at any instant: what was flushed is there, and what is there is the beginning of what was noted.
//!
//! The files are copied while the journal is being written, which is what a killed process leaves behind. A copy counts only if
//! the WAL was not begun anew meanwhile (its header holds the same salts before and after): then whatever the database file took
//! from the WAL in between is still in the copied WAL.

use std::io::Read;
use std::process::Command;
use std::sync::atomic::AtomicU64;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;

use super::*;

/// Bytes of a WAL header (SQLite, "WAL-mode File Format").
const WAL_HEADER_BYTES: u64 = 32;

fn wal_header(wal: &Path) -> Vec<u8> {
    let mut header = Vec::new();
    std::fs::File::open(wal).unwrap().take(WAL_HEADER_BYTES).read_to_end(&mut header).unwrap();
    header
}

/// Copies a live journal into the directory `to`, as a kill would leave it; returns the copy's path. Another process copies: a
/// database that is opened and closed as a plain file loses the locks that SQLite holds in this one.
fn copy_live(path: &Path, to: &Path) -> PathBuf {
    std::fs::create_dir(to).unwrap();
    let wal = PathBuf::from(format!("{}-wal", path.display()));
    let begun = Instant::now();
    loop {
        let before = wal_header(&wal);
        for file in [path, &wal] {
            assert!(Command::new("cp").arg(file).arg(to).status().unwrap().success());
        }
        if wal_header(&wal) == before {
            return to.join(path.file_name().unwrap());
        }
        assert!(begun.elapsed() < PATIENCE, "no copy between two beginnings of the WAL");
    }
}

/// Keys are numbered in the order of their notes, so the sorted changes are the noted ones; returns how many there are.
fn check_beginning(path: &Path) -> u64 {
    let mut count = 0;
    for change in SqliteJournal::changes(path).unwrap() {
        assert_eq!(Note::Change(change.unwrap()), set(count));
        count += 1;
    }
    count
}

/// Notes, and now and then flushes, as far as `allowed` goes at the moment, until the journal is closed.
async fn write_on(journal: SqliteJournal, mut allowed: watch::Receiver<u64>, noted: Arc<AtomicU64>, flushed: Arc<AtomicU64>) {
    let mut random = StdRng::seed_from_u64(3);
    for number in 0.. {
        if allowed.wait_for(|allowed| *allowed > number).await.is_err() {
            return;
        }
        noted.store(number + 1, Ordering::SeqCst);
        if journal.note(set(number)).await.is_err() {
            return;
        }
        if random.random_bool(0.002) {
            if journal.flush().await.is_err() {
                return;
            }
            flushed.store(number + 1, Ordering::SeqCst);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_instant_leaves_a_beginning_with_everything_flushed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let journal = open(&path, "a");
    let (noted, flushed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (allow, allowed) = watch::channel(0);
    let writing = tokio::spawn(write_on(journal.clone(), allowed, noted.clone(), flushed.clone()));
    let mut random = StdRng::seed_from_u64(5);
    let mut lengths = std::collections::BTreeSet::new();
    for kill in 0..25 {
        let until = *allow.borrow() + random.random_range(0..1_000);
        // Less than the WAL holds between two of its beginnings, so that a copy can be made before the next one.
        allow.send(until + 2_000).unwrap();
        let begun = Instant::now();
        while noted.load(Ordering::SeqCst) < until {
            assert!(begun.elapsed() < PATIENCE, "the journal stands still");
            tokio::task::yield_now().await;
        }
        let at_least = flushed.load(Ordering::SeqCst);
        let copy = tokio::task::block_in_place(|| copy_live(&path, &directory.path().join(kill.to_string())));
        let at_most = noted.load(Ordering::SeqCst);
        let (recovered, left) = SqliteJournal::open(&copy, &run("b")).unwrap();
        assert_eq!(left, Left { unfinished: Some("a".into()), set_aside: None });
        recovered.close().await;
        let count = check_beginning(&copy);
        assert!((at_least..=at_most).contains(&count), "{count} changes, {at_least} were flushed and {at_most} noted");
        lengths.insert(count);
    }
    assert!(lengths.len() > 5, "the copies do not differ: {lengths:?}");
    drop(allow);
    writing.await.unwrap();
    journal.close().await;
}

#[tokio::test]
async fn a_note_is_durable_without_a_flush() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let journal = open(&path, "a");
    journal.note(set(0)).await.unwrap();
    let begun = Instant::now();
    for attempt in 0.. {
        let copy = copy_live(&path, &directory.path().join(attempt.to_string()));
        if check_beginning(&copy) == 1 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the window does not end");
    }
    journal.close().await;
}
