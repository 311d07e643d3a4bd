//! Claims about the journal in a file: what is noted comes back, in order, once it is durable, and goes when its time is over.

#![allow(clippy::unwrap_used)]

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use brigade_core::digest::Sum;
use brigade_core::known::Original;
use brigade_core::parts::Part;
use brigade_core::report::{FailureStatus, Totals};
use brigade_core::{Algorithm, Digests, Identity, KeyRange, Known, Proof, Shard};
use rusqlite::OpenFlags;

use super::*;

mod crash;
mod damage;
mod disk;
mod round_trip;

/// Longest wait for something that happens within a commit window on an idle machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn run(name: &str) -> RunStart {
    RunStart {
        run: name.into(),
        command: "sync".into(),
        started: "2026-11-25T10:00:00Z".into(),
        source: "s3://a/".into(),
        target: "gs://b/".into(),
    }
}

fn open(path: &Path, name: &str) -> SqliteJournal {
    SqliteJournal::open(path, &run(name)).unwrap().0
}

fn known(key: &[u8], version: u64) -> Known {
    Known {
        key: Key::new(key),
        size: version,
        source: Identity::etag(&format!("\"{version:032x}\"")),
        target: Identity::Generation(version),
        digests: Digests { crc32c: Some(7), crc64nvme: Some(u64::MAX - version), md5: Some([9; 16]) },
        proof: Some(Proof::Stored(Algorithm::Crc32c)),
        source_modified: Some("2026-01-02T03:04:05.678Z".parse().unwrap()),
        known_at: "2026-11-25T10:00:01.000000001Z".parse().unwrap(),
        run: "01RUN".into(),
        original: Original::Present,
    }
}

fn set(number: u64) -> Note {
    Note::Change(Change::Set(known(format!("key/{number:08}").as_bytes(), number)))
}

fn wait(table: Table, number: u64) -> Note {
    Note::Wait { table, key: Key::new(format!("k{number}")), size: number, identity: Identity::Generation(number) }
}

fn upload(number: u64) -> OpenUpload {
    OpenUpload {
        number,
        key: Key::new(b"large/\xff"),
        id: format!("id-{number}"),
        staging: number.is_multiple_of(2).then(|| format!(".staging/{number}")),
        source: Identity::Generation(number),
        size: 20 << 20,
        part_bytes: 8 << 20,
        spec: "{\"class\":\"STANDARD\"}".into(),
    }
}

fn part(number: u32, tag: &str) -> SentPart {
    SentPart {
        part: Part { number, offset: u64::from(number - 1) << 23, size: 8 << 20 },
        tag: tag.into(),
        stored: Digests::of_crc32c(number),
        sum: Sum { crc32c: number, crc64nvme: None, size: 8 << 20 },
        proven: Some(Algorithm::Crc32c),
    }
}

fn all_changes(path: &Path) -> Result<Vec<Change>, StateError> {
    SqliteJournal::changes(path)?.collect()
}

#[tokio::test]
async fn deletes_that_wait_come_back_in_order_and_in_batches() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(&directory.path().join("journal.sqlite"), "a");
    for number in 0..2_500 {
        journal.note(wait(Table::Originals, number)).await.unwrap();
    }
    let odd = Waiting { row: 1, key: Key::new(b"\xff\n"), size: u64::MAX, identity: Identity::etag("e") };
    let note = Note::Wait { table: Table::Extras, key: odd.key.clone(), size: odd.size, identity: odd.identity.clone() };
    journal.note(note).await.unwrap();
    assert_eq!(journal.waiting(Table::Originals).await.unwrap(), 2_500);
    let (mut after, mut seen) = (0, 0);
    loop {
        let batch = journal.batch(Table::Originals, after, 1_000).await.unwrap();
        let Some(last) = batch.last() else { break };
        after = last.row;
        for waiting in batch {
            assert_eq!((waiting.size, waiting.identity), (seen, Identity::Generation(seen)));
            seen += 1;
        }
    }
    assert_eq!(seen, 2_500);
    assert_eq!(journal.batch(Table::Extras, 0, 10).await.unwrap(), [odd]);
}

#[tokio::test]
async fn failures_come_back_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(&directory.path().join("journal.sqlite"), "a");
    let of_status = |status| FailureRecord { key: "k".into(), status, kind: "unfit".into(), message: "m".into(), hint: "h".into() };
    let all = [FailureStatus::Failed, FailureStatus::Skipped, FailureStatus::Differs].map(of_status);
    for failure in &all {
        journal.note(Note::Failure(failure.clone())).await.unwrap();
    }
    let [first, second, third] = all;
    assert_eq!(journal.failures(0, 2).await.unwrap(), [(1, first), (2, second)]);
    assert_eq!(journal.failures(2, 2).await.unwrap(), [(3, third)]);
}

#[tokio::test]
async fn the_next_run_finds_what_outlives_a_run_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let journal = open(&path, "a");
    assert!(!journal.has_changes().await.unwrap());
    let number = journal.next_upload();
    let failure =
        FailureRecord { key: "k".into(), status: FailureStatus::Failed, kind: "denied".into(), message: "m".into(), hint: String::new() };
    let cursor = Note::Cursor {
        shard: Shard { id: 0, range: KeyRange { after: Some(Key::new(b"\xfe")), through: None } },
        through: Key::from("k"),
        totals: Box::new(Totals::default()),
    };
    for note in [
        set(1),
        wait(Table::Originals, 1),
        wait(Table::Extras, 1),
        Note::Failure(failure),
        Note::Quarantine { key: Key::from("k"), kind: "denied" },
        Note::UploadBegun(upload(number)),
        Note::PartSent { upload: number, part: part(1, "t") },
        Note::PartSent { upload: 99, part: part(1, "of an upload that nobody began") },
        cursor,
    ] {
        journal.note(note).await.unwrap();
    }
    assert!(journal.has_changes().await.unwrap());
    assert_eq!(journal.uploads(10).await.unwrap(), [], "an upload of this run is not one that an earlier run left");
    journal.close().await;

    let journal = open(&path, "b");
    assert_eq!(all_changes(&path).unwrap(), [Change::Set(known(b"key/00000001", 1))]);
    assert_eq!(journal.uploads(10).await.unwrap(), [upload(number)]);
    assert_eq!(journal.parts(number).await.unwrap(), [part(1, "t")]);
    assert_eq!(journal.parts(99).await.unwrap(), []);
    assert_eq!(journal.quarantined(10).await.unwrap(), (vec![Key::from("k")], 1));
    assert_eq!(journal.waiting(Table::Originals).await.unwrap() + journal.waiting(Table::Extras).await.unwrap(), 0);
    assert_eq!(journal.failures(0, 10).await.unwrap(), []);
    let reader = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    assert_eq!(rows::count(&reader, "cursors").unwrap(), 0);
}

#[tokio::test]
async fn a_run_is_unfinished_where_it_did_not_come_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    for (name, outcome, unfinished) in [
        ("a", None, None),
        ("b", Some("partial"), Some("a")),
        ("c", Some("done"), None),
        ("d", Some("failed"), None),
        ("e", Some("interrupted"), Some("d")),
        ("f", Some("refused"), Some("e")),
        ("g", None, None),
    ] {
        let (journal, left) = SqliteJournal::open(&path, &run(name)).unwrap();
        assert_eq!(left, Left { unfinished: unfinished.map(str::to_owned), set_aside: None }, "{name}");
        if let Some(outcome) = outcome {
            journal.end(outcome, "2026-11-25T11:00:00Z").await.unwrap();
        }
        journal.close().await;
    }
}

#[tokio::test]
async fn the_last_note_of_a_part_counts_and_an_ended_upload_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let journal = open(&path, "a");
    let (kept, ended) = (journal.next_upload(), journal.next_upload());
    for number in [kept, ended] {
        journal.note(Note::UploadBegun(upload(number))).await.unwrap();
        for (part_number, tag) in [(3, "c"), (1, "a"), (2, "old"), (2, "new")] {
            journal.note(Note::PartSent { upload: number, part: part(part_number, tag) }).await.unwrap();
        }
    }
    journal.note(Note::UploadEnded(ended)).await.unwrap();
    assert_eq!(journal.parts(kept).await.unwrap(), [part(1, "a"), part(2, "new"), part(3, "c")]);
    assert_eq!(journal.parts(ended).await.unwrap(), []);
    journal.close().await;
    let journal = open(&path, "b");
    assert_eq!(journal.uploads(10).await.unwrap(), [upload(kept)]);
    assert_eq!(journal.parts(kept).await.unwrap().len(), 3);
}

#[tokio::test]
async fn no_upload_number_is_given_twice() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let mut last = 0;
    for name in ["a", "b", "c"] {
        let journal = open(&path, name);
        for _ in 0..3 {
            let number = journal.next_upload();
            assert!(number > last, "{number} after {last}");
            last = number;
            journal.note(Note::UploadBegun(upload(number))).await.unwrap();
            journal.note(Note::UploadEnded(number)).await.unwrap();
        }
        journal.close().await;
    }
}

#[tokio::test]
async fn a_key_is_in_quarantine_until_it_is_released() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(&directory.path().join("journal.sqlite"), "a");
    for key in ["c", "a", "b", "a"] {
        journal.note(Note::Quarantine { key: Key::from(key), kind: "mismatch" }).await.unwrap();
    }
    journal.note(Note::Release(Key::from("b"))).await.unwrap();
    journal.note(Note::Release(Key::from("never there"))).await.unwrap();
    assert_eq!(journal.quarantined(10).await.unwrap(), (vec![Key::from("a"), Key::from("c")], 2));
    assert_eq!(journal.quarantined(1).await.unwrap(), (vec![Key::from("a")], 2));
}

#[tokio::test]
async fn changes_can_be_forgotten_and_noted_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let journal = open(&path, "a");
    for round in 0..3 {
        journal.note(set(round)).await.unwrap();
        journal.note(set(round + 10)).await.unwrap();
        assert!(journal.has_changes().await.unwrap());
        assert_eq!(all_changes(&path).unwrap().len(), 2);
        journal.forget_changes().await.unwrap();
        assert!(!journal.has_changes().await.unwrap());
        assert_eq!(all_changes(&path).unwrap(), []);
    }
}

#[test]
fn no_file_means_no_changes() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(all_changes(&directory.path().join("journal.sqlite")).unwrap(), []);
}

#[tokio::test]
async fn a_stranger_reads_while_a_run_writes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let journal = open(&path, "a");
    let reader = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let count = || rows::count(&reader, "changes").unwrap();
    for number in 0..20_000 {
        journal.note(set(number)).await.unwrap();
        if number % 2_000 == 1_999 {
            journal.flush().await.unwrap();
            assert_eq!(count(), number + 1);
        }
    }
    // A reader that stays in its snapshot does not stop the writer.
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(count(), 20_000);
    journal.note(set(20_000)).await.unwrap();
    journal.flush().await.unwrap();
    assert_eq!(count(), 20_000);
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(count(), 20_001);
}

#[tokio::test]
async fn a_note_waits_while_the_queue_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(&directory.path().join("journal.sqlite"), "a");
    let (go_on, held) = std::sync::mpsc::sync_channel::<()>(0);
    let (started, holding) = oneshot::channel();
    let asked = journal.clone();
    let hold = tokio::spawn(async move {
        asked
            .ask(move |_| {
                started.send(()).unwrap();
                held.recv_timeout(PATIENCE).unwrap();
                Ok(())
            })
            .await
    });
    holding.await.unwrap();
    for number in 0..u64::try_from(QUEUE_NOTES_MAX).unwrap() {
        journal.note(set(number)).await.unwrap();
    }
    {
        let mut one_more = pin!(tokio::task::unconstrained(journal.note(set(99_999))));
        let poll = one_more.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll.is_pending(), "the queue has no end");
        go_on.send(()).unwrap();
        one_more.await.unwrap();
    }
    hold.await.unwrap().unwrap();
    let count = journal.ask(|connection| rows::count(connection, "changes")).await.unwrap();
    assert_eq!(count, u64::try_from(QUEUE_NOTES_MAX).unwrap() + 1);
}

#[tokio::test]
async fn flushes_that_wait_together_are_all_answered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let journal = open(&path, "a");
    let flushed: Vec<_> = (0..200)
        .map(|number| {
            let journal = journal.clone();
            tokio::spawn(async move {
                journal.note(set(number)).await?;
                journal.flush().await
            })
        })
        .collect();
    for task in flushed {
        tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap().unwrap();
    }
    assert_eq!(all_changes(&path).unwrap().len(), 200);
}

#[tokio::test]
async fn a_closed_journal_says_so_to_its_other_clones() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let journal = open(&path, "a");
    let other = journal.clone();
    journal.note(set(1)).await.unwrap();
    journal.close().await;
    assert!(matches!(other.note(set(2)).await, Err(StateError::Closed)));
    assert!(matches!(other.flush().await, Err(StateError::Closed)));
    assert!(matches!(other.waiting(Table::Extras).await, Err(StateError::Closed)));
    assert_eq!(all_changes(&path).unwrap().len(), 1, "what was noted before the end is there");
    other.close().await;
}

#[tokio::test]
async fn a_live_scratch_is_left_alone_and_a_dead_one_is_swept() {
    let directory = tempfile::tempdir().unwrap();
    let dead = directory.path().join("run-dead.sqlite");
    Connection::open(&dead).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let live = SqliteJournal::scratch(directory.path(), "live").unwrap();
    assert!(!dead.exists());
    live.note(wait(Table::Extras, 1)).await.unwrap();
    let second = SqliteJournal::scratch(directory.path(), "second").unwrap();
    assert_eq!(live.waiting(Table::Extras).await.unwrap(), 1);
    assert!(live.path.exists() && second.path.exists());
    let path = live.path.clone();
    live.close().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_scratch_goes_with_its_last_clone() {
    let directory = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::scratch(directory.path(), "a").unwrap();
    let (path, other) = (journal.path.clone(), journal.clone());
    drop(journal);
    other.flush().await.unwrap();
    assert!(path.exists());
    drop(other);
    let begun = Instant::now();
    while path.exists() {
        assert!(begun.elapsed() < PATIENCE, "the file stayed");
        tokio::task::yield_now().await;
    }
}
