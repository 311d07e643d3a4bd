//! Reading changes takes constant memory, whatever their number (p08). A file of its own, because it weighs its whole process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use brigade_core::{Change, Key};
use brigade_state::{Journal, Note, RunStart, SqliteJournal};

/// Changes that are noted and read.
const CHANGES: usize = 100_000;

/// Bytes of each key, the most that a bucket takes: all of them together would be 100 MB.
const KEY_BYTES: usize = 1_024;

/// What reading may add to the process: the sort cache (8 MiB), SQLite's merge buffers and the batches on their way.
const GROWTH_BYTES_MAX: u64 = 32 << 20;

/// Resident memory of this process, from the kernel.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

/// Keys in an order that is not theirs.
fn key(number: usize) -> Key {
    Key::new(format!("{:07}/{:x<width$}", number * 7_919 % CHANGES, "", width = KEY_BYTES - 8))
}

#[tokio::test]
async fn p08_changes_are_sorted_and_read_in_constant_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let run = RunStart { run: "a".into(), command: "sync".into(), started: String::new(), source: String::new(), target: String::new() };
    let (journal, _) = SqliteJournal::open(&path, &run).unwrap();
    for number in 0..CHANGES {
        journal.note(Note::Change(Change::Gone(key(number)))).await.unwrap();
    }
    journal.flush().await.unwrap();
    let before = resident_bytes();
    let (mut count, mut most, mut last) = (0, before, None);
    for change in SqliteJournal::changes(&path).unwrap() {
        let key = change.unwrap().key().clone();
        assert!(last.as_ref() < Some(&key), "{key} comes after {last:?}");
        last = Some(key);
        count += 1;
        if count % 1_000 == 0 {
            most = most.max(resident_bytes());
        }
    }
    assert_eq!(count, CHANGES);
    assert!(most - before < GROWTH_BYTES_MAX, "reading took {} bytes", most - before);
    println!("reading {CHANGES} changes of {KEY_BYTES} bytes added {} bytes to {before}", most - before);
    journal.close().await;
}
