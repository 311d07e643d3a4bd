//! A file that was cut, flipped or replaced: opening it neither fails nor panics, and nothing comes out that was not put in.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use brigade_core::known::Batch;
use brigade_core::outcome::Pair;

const UPLOADS: u64 = 4;
const PARTS: u32 = 60;
/// So many that most bytes of the file belong to a row, and a flip hits one.
const CHANGES: u64 = 400;
const QUARANTINED: [&str; 3] = ["q/1", "q/2", "q/3"];

/// Records of one batch; there is one for as many changes.
const BATCH: u64 = 20;

/// A journal as a kill leaves it.
struct Sample {
    database: Vec<u8>,
    wal: Vec<u8>,
}

fn noted_part(upload: u64, number: u32) -> SentPart {
    part(number, &format!("tag-{upload}-{number}"))
}

fn noted_change(number: u64) -> Change {
    let key = Key::new(format!("key/{number:08}"));
    match number % 6 {
        4 => Change::Gone(key),
        5 => Change::OriginalDeleted(key),
        _ => Change::Set(known(key.as_bytes(), number)),
    }
}

/// Keys between those of the changes.
fn noted_batch(number: u64) -> Batch {
    let mut batch = Batch::new("a".into(), known(b"", 0).known_at);
    for number in number..number + BATCH {
        let known = known(&batch_key(number), number);
        let pair = Pair { target: known.target, size: known.size, digests: known.digests, source_modified: known.source_modified };
        batch.push(&known.key, &known.source, known.proof, &pair);
    }
    batch
}

fn batch_key(number: u64) -> Vec<u8> {
    format!("key/{number:08}/in a batch").into_bytes()
}

/// One whose second half is in the WAL only; one of which the database has taken everything that is still in the WAL, so that
/// old pages come to lie over newer ones where that WAL is cut; and one without a WAL, as a run leaves it that ended.
fn samples() -> &'static [Sample; 3] {
    static SAMPLES: OnceLock<[Sample; 3]> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        block_on(write_samples(&directory.path().join("journal.sqlite")))
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn write_samples(path: &Path) -> [Sample; 3] {
    let journal = open(path, "a");
    write_half(&journal, 0).await;
    journal.ask(|connection| Ok(tables::checkpoint(connection)?)).await.unwrap();
    write_half(&journal, 1).await;
    // Reading them as plain files drops SQLite's locks, which nobody here needs.
    let wal = PathBuf::from(format!("{}-wal", path.display()));
    let read = || Sample { database: std::fs::read(path).unwrap(), wal: std::fs::read(&wal).unwrap() };
    let behind = read();
    journal.ask(|connection| Ok(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)).await.unwrap();
    let taken = read();
    assert!(behind.database.len() > 20_000 && behind.wal.len() > 20_000);
    assert!(taken.database != behind.database && taken.wal == behind.wal);
    let ended = Sample { database: taken.database.clone(), wal: Vec::new() };
    [behind, taken, ended]
}

async fn write_half(journal: &SqliteJournal, half: u64) {
    for number in (0..CHANGES).filter(|number| number * 2 / CHANGES == half) {
        journal.note(Note::Change(noted_change(number))).await.unwrap();
        if number % BATCH == 0 {
            journal.note(Note::Batch(noted_batch(number))).await.unwrap();
        }
        journal.note(wait(Table::Originals, number)).await.unwrap();
    }
    for number in (1..=UPLOADS).filter(|number| number % 2 == half) {
        journal.note(Note::UploadBegun(upload(number))).await.unwrap();
        for part_number in 1..=PARTS {
            let part = noted_part(number, part_number);
            journal.note(Note::PartSent { upload: number, part }).await.unwrap();
        }
        journal.flush().await.unwrap();
    }
    for key in QUARANTINED {
        journal.note(Note::Quarantine { key: Key::from(key), kind: "mismatch" }).await.unwrap();
    }
    journal.flush().await.unwrap();
}

/// What is done to a file.
#[derive(Clone, Debug)]
enum Harm {
    Nothing,
    CutDatabase(usize),
    CutWal(usize),
    FlipDatabase(usize, u8),
    FlipWal(usize, u8),
    TakeDatabase,
}

impl Harm {
    /// Writes a harmed sample into a directory; returns its path.
    fn apply(&self, sample: &Sample, directory: &Path) -> PathBuf {
        let path = directory.join("journal.sqlite");
        let (mut database, mut wal) = (sample.database.clone(), sample.wal.clone());
        match *self {
            Self::Nothing | Self::TakeDatabase => {}
            Self::CutDatabase(bytes) => database.truncate(bytes),
            Self::CutWal(bytes) => wal.truncate(bytes),
            Self::FlipDatabase(at, mask) => database[at] ^= mask,
            Self::FlipWal(at, mask) => wal.get_mut(at).into_iter().for_each(|byte| *byte ^= mask),
        }
        if !matches!(self, Self::TakeDatabase) {
            std::fs::write(&path, database).unwrap();
        }
        std::fs::write(directory.join("journal.sqlite-wal"), wal).unwrap();
        path
    }
}

/// Opens the harmed file as a run does, compares everything that comes out with what was noted, and goes on writing.
fn survive(path: &Path) -> Left {
    block_on(async {
        let (journal, left) = SqliteJournal::open(path, &run("b")).unwrap();
        assert!(matches!(left.unfinished.as_deref(), None | Some("a")), "{left:?}");
        for found in journal.uploads(100).await.unwrap() {
            assert!((1..=UPLOADS).contains(&found.number));
            assert_eq!(found, upload(found.number));
            for part in journal.parts(found.number).await.unwrap() {
                assert!((1..=PARTS).contains(&part.part.number));
                assert_eq!(part, noted_part(found.number, part.part.number));
            }
        }
        for key in journal.quarantined(100).await.unwrap().0 {
            assert!(QUARANTINED.contains(&key.as_str().unwrap()));
        }
        let damage = reads_noted_changes_until_damage(path);
        assert!(left.set_aside.is_none() || !damage, "a fresh journal is damaged");
        journal.note(Note::UploadBegun(upload(journal.next_upload()))).await.unwrap();
        journal.note(Note::Change(noted_change(0))).await.unwrap();
        journal.flush().await.unwrap();
        journal.close().await;
        left
    })
}

/// Reads the changes until their end or the first damage; returns whether there was any.
fn reads_noted_changes_until_damage(path: &Path) -> bool {
    let mut last = None;
    for change in SqliteJournal::changes(path).unwrap() {
        match change {
            Ok(change) => {
                let key = change.key().as_str().unwrap().strip_prefix("key/").unwrap();
                let (number, in_batch) = key.split_once('/').map_or((key, false), |(number, _)| (number, true));
                let number = number.parse().unwrap();
                let record = || Known { run: "a".into(), ..known(&batch_key(number), number) };
                assert_eq!(change, if in_batch { Change::Set(record()) } else { noted_change(number) });
                assert!(last < Some((number, in_batch)), "{number} after {last:?}");
                last = Some((number, in_batch));
            }
            Err(StateError::Damaged { .. }) => return true,
            Err(error) => panic!("{error:?}"),
        }
    }
    false
}

fn harms() -> impl Strategy<Value = (usize, Harm)> {
    (0..samples().len()).prop_flat_map(|which| {
        let (database, wal) = (samples()[which].database.len(), samples()[which].wal.len());
        // Where there is no WAL a cut of it at its end harms nothing.
        let harm = prop_oneof![
            1 => (0..database).prop_map(Harm::CutDatabase),
            1 => (0..=wal).prop_map(Harm::CutWal),
            4 => (0..database, 1_u8..=255).prop_map(|(at, mask)| Harm::FlipDatabase(at, mask)),
            2 => (0..wal.max(1), 1_u8..=255).prop_map(|(at, mask)| Harm::FlipWal(at, mask)),
        ];
        (Just(which), harm)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_cut_or_flipped_file_is_survived_and_nothing_in_it_is_altered((which, harm) in harms()) {
        let directory = tempfile::tempdir().unwrap();
        let path = harm.apply(&samples()[which], directory.path());
        if let Some(aside) = survive(&path).set_aside {
            prop_assert!(aside.exists());
            prop_assert_eq!(aside, directory.path().join("journal.damaged-b.sqlite"));
        }
    }
}

#[test]
fn every_byte_of_the_header_may_flip() {
    // The file's header (SQLite, "Database File Format", section 1.3: 100 bytes) and the header of the schema's page behind it.
    for at in 0..112 {
        for mask in [0x01, 0x80] {
            let directory = tempfile::tempdir().unwrap();
            survive(&Harm::FlipDatabase(at, mask).apply(&samples()[0], directory.path()));
        }
    }
}

#[test]
fn a_journal_without_harm_is_kept_and_one_without_its_main_file_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let whole = Harm::Nothing.apply(&samples()[0], directory.path());
    assert_eq!(survive(&whole), Left { unfinished: Some("a".into()), set_aside: None });
    for harm in [Harm::TakeDatabase, Harm::CutDatabase(0)] {
        let directory = tempfile::tempdir().unwrap();
        let left = survive(&harm.apply(&samples()[0], directory.path()));
        assert_eq!(left, Left { unfinished: None, set_aside: Some(directory.path().join("journal.damaged-b.sqlite")) });
        assert!(directory.path().join("journal.damaged-b.sqlite-wal").exists());
    }
}

/// A copy of the sample on which these statements were run by somebody else.
fn tampered(directory: &Path, statements: &str) -> PathBuf {
    let path = Harm::Nothing.apply(&samples()[0], directory);
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(statements).unwrap();
    connection.close().unwrap();
    path
}

#[test]
fn a_row_that_somebody_changed_is_damage() {
    for (statements, damage) in [
        ("SELECT 1", false),
        ("VACUUM", false),
        ("UPDATE uploads SET source = 'generation:77' WHERE number = 1", true),
        ("UPDATE uploads SET number = 9 WHERE number = 1", true),
        ("UPDATE parts SET sum_crc32c = sum_crc32c + 1 WHERE upload = 1 AND number = 2", true),
        ("UPDATE parts SET upload = 9 WHERE upload = 1", true),
        ("UPDATE quarantine SET key = x'00' WHERE key = CAST('q/1' AS BLOB)", true),
        ("UPDATE runs SET outcome = 'done'", true),
        ("UPDATE meta SET value = 'brigade.journal/1'", true),
        ("DELETE FROM meta", true),
        ("ALTER TABLE changes ADD COLUMN more ANY", true),
        ("DROP TABLE cursors", true),
        ("CREATE TABLE more (a)", true),
        ("UPDATE sqlite_sequence SET seq = 1 << 50", true),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let left = survive(&tampered(directory.path(), statements));
        assert_eq!(left.set_aside.is_some(), damage, "{statements}");
    }
}

#[test]
fn changes_that_somebody_changed_moved_or_took_away_are_damage() {
    for statements in [
        "UPDATE changes SET source = 'generation:77' WHERE row = (SELECT min(row) + 30 FROM changes)",
        "UPDATE changes SET row = row + 1000 WHERE row = (SELECT max(row) FROM changes)",
        "UPDATE changes SET original = 'deleted' WHERE row = 1",
        "DELETE FROM changes WHERE row = (SELECT min(row) + 30 FROM changes)",
        "DELETE FROM batches WHERE row = (SELECT min(row) FROM batches)",
        "UPDATE batches SET first = x'00' WHERE row = (SELECT max(row) FROM batches)",
        "UPDATE batches SET records = zeroblob(length(records))",
        "UPDATE batches SET count = count - 1, row = row + 1 WHERE row = (SELECT max(row) FROM batches)",
        "DROP TABLE batches",
        "DROP TABLE changes",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = tampered(directory.path(), statements);
        assert!(reads_noted_changes_until_damage(&path), "{statements}");
        let aside = SqliteJournal::set_aside(&path, "b").unwrap();
        assert!(aside.exists() && !path.exists());
        assert_eq!(all_changes(&path).unwrap(), []);
    }
}

#[tokio::test]
async fn a_waiting_delete_that_somebody_changed_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let journal = open(&path, "a");
    journal.note(wait(Table::Originals, 1)).await.unwrap();
    journal.flush().await.unwrap();
    Connection::open(&path).unwrap().execute("UPDATE originals SET identity = 'generation:2'", []).unwrap();
    assert!(matches!(journal.batch(Table::Originals, 0, 10).await, Err(StateError::Damaged { .. })));
    journal.close().await;
}

#[tokio::test]
async fn only_the_newest_damaged_journal_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    for name in ["a", "b"] {
        std::fs::write(&path, "no database at all, whatever its name says").unwrap();
        let (journal, left) = SqliteJournal::open(&path, &run(name)).unwrap();
        journal.close().await;
        let aside = directory.path().join(format!("journal.damaged-{name}.sqlite"));
        assert_eq!(std::fs::read(&aside).unwrap(), b"no database at all, whatever its name says");
        assert_eq!(left.set_aside, Some(aside));
    }
    let mut names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["journal.damaged-b.sqlite", "journal.sqlite"]);
}

#[test]
fn trouble_with_the_disk_is_an_error_and_not_damage() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    std::fs::create_dir(&path).unwrap();
    assert!(matches!(SqliteJournal::open(&path, &run("a")), Err(StateError::Sqlite { .. })));
    let missing = directory.path().join("no such directory/journal.sqlite");
    assert!(matches!(SqliteJournal::open(&missing, &run("a")), Err(StateError::Sqlite { .. })));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}
