//! A full disk, and what the file weighs after many runs.

use super::*;

/// Room for the tables and a few hundred rows, in pages.
const FEW_PAGES: u32 = 60;

/// Bounds the file as a full disk would.
async fn bound(journal: &SqliteJournal, pages: u32) {
    let set = move |connection: &Connection| Ok(connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?);
    journal.ask(set).await.unwrap();
}

fn is_full(error: &StateError) -> bool {
    matches!(error, StateError::Sqlite { source, .. } if source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_closes_the_journal_and_keeps_nobody_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let journal = open(&path, "a");
    bound(&journal, FEW_PAGES).await;
    journal.note(set(0)).await.unwrap();
    journal.flush().await.unwrap();
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let journal = journal.clone();
            tokio::spawn(async move {
                for number in 0..100_000 {
                    journal.note(set(1 + sender * 100_000 + number)).await?;
                }
                Ok::<(), StateError>(())
            })
        })
        .collect();
    for sender in senders {
        let error = tokio::time::timeout(PATIENCE, sender).await.unwrap().unwrap().unwrap_err();
        assert!(is_full(&error), "{error:?}");
    }
    for error in [
        journal.note(set(0)).await.unwrap_err(),
        journal.flush().await.unwrap_err(),
        journal.uploads(1).await.unwrap_err(),
        journal.end("failed", "2026-11-25T11:00:00Z").await.unwrap_err(),
    ] {
        assert!(is_full(&error), "{error:?}");
    }
    journal.close().await;

    let (journal, left) = SqliteJournal::open(&path, &run("b")).unwrap();
    assert_eq!(left, Left { unfinished: Some("a".into()), set_aside: None });
    journal.note(set(1)).await.unwrap();
    journal.flush().await.unwrap();
    let changes = all_changes(&path).unwrap();
    assert!(changes.contains(&Change::Set(known(b"key/00000000", 0))), "what was flushed is lost");
}

#[tokio::test]
async fn a_full_disk_at_the_end_of_a_run_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let journal = open(&path, "a");
    bound(&journal, 1).await;
    let error = journal.end(&"x".repeat(100_000), "2026-11-25T11:00:00Z").await.unwrap_err();
    assert!(is_full(&error), "{error:?}");
    journal.close().await;
    assert_eq!(SqliteJournal::open(&path, &run("b")).unwrap().1.unfinished.as_deref(), Some("a"));
}

/// Bytes of the file and its WAL.
fn weight(path: &Path) -> u64 {
    ["", "-wal"].map(|suffix| std::fs::metadata(format!("{}{suffix}", path.display())).map_or(0, |file| file.len())).iter().sum()
}

#[tokio::test]
async fn the_file_does_not_grow_with_the_number_of_runs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let mut weights = Vec::new();
    for name in 0..6 {
        let journal = open(&path, &name.to_string());
        for number in 0..2_000 {
            journal.note(set(number)).await.unwrap();
            journal.note(wait(Table::Originals, number)).await.unwrap();
        }
        let ended = journal.next_upload();
        journal.note(Note::UploadBegun(upload(ended))).await.unwrap();
        for number in 1..1_000 {
            journal.note(Note::PartSent { upload: ended, part: part(number, "tag") }).await.unwrap();
        }
        journal.note(Note::UploadEnded(ended)).await.unwrap();
        journal.forget_changes().await.unwrap();
        journal.end("done", "2026-11-25T11:00:00Z").await.unwrap();
        journal.close().await;
        weights.push(weight(&path));
    }
    assert!(weights[5] <= weights[1], "bytes after each run: {weights:?}");
}

#[tokio::test]
async fn forgotten_changes_give_their_space_back_and_the_wal_stays_small() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let journal = open(&path, "a");
    let kept = journal.next_upload();
    journal.note(Note::UploadBegun(upload(kept))).await.unwrap();
    for number in 0..150_000 {
        journal.note(set(number)).await.unwrap();
    }
    journal.flush().await.unwrap();
    let full = weight(&path);
    assert!(full > limits::SHRINK_BYTES_MIN, "{full} bytes");
    journal.forget_changes().await.unwrap();
    journal.note(set(0)).await.unwrap();
    journal.flush().await.unwrap();
    let forgotten = weight(&path);
    assert!(forgotten < 1 << 20, "{forgotten} bytes of {full} stayed");
    journal.close().await;
    let journal = open(&path, "b");
    assert_eq!(journal.uploads(9).await.unwrap(), [upload(kept)], "a rewrite of the file lost a row");
}
