//! A whole job with its journal, from one run to the next: what a run finds of the ones before it, whatever became of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use brigade_core::known::{Ending, Original};
use brigade_core::report::Totals;
use brigade_core::{Change, Digests, Identity, Key, Known};
use brigade_state::{Baseline, JobPlaces, JobState, Note, Past, RunEnd, RunStart, StateError, WrittenManifest};
use jiff::Timestamp;

/// Says to a copy of this program that it is to hold a job until it is killed, and in which directory.
const HOLDER: &str = "BRIGADE_TEST_HOLDS_JOB_IN";

fn places() -> JobPlaces {
    JobPlaces { source: "s3://a/x/".into(), target: "gs://b/x/".into() }
}

fn start(run: &str) -> RunStart {
    RunStart { run: run.into(), command: "sync".into(), started: "2026-11-20T03:00:00Z".into(), source: "a:x".into(), target: "b:x".into() }
}

fn end(ending: Ending) -> RunEnd {
    let outcome = if ending == Ending::Clean { "done" } else { "interrupted" };
    RunEnd { outcome: outcome.into(), ending, finished: "2026-11-20T03:04:10Z".into(), totals: Totals::default(), delete_plan: None }
}

fn set(key: &str, version: u64) -> Note {
    Note::Change(Change::Set(Known {
        key: Key::from(key),
        size: version,
        source: Identity::Generation(version),
        target: Identity::Generation(version + 100),
        digests: Digests::default(),
        proof: None,
        source_modified: None,
        known_at: Timestamp::UNIX_EPOCH,
        run: "r".into(),
        original: Original::Present,
    }))
}

fn gone(key: &str) -> Note {
    Note::Change(Change::Gone(Key::from(key)))
}

async fn open(state: &Path, run: &str) -> JobState {
    JobState::open(state, &places(), &start(run), Past::Use).await.expect("a disk that works")
}

/// A run that notes something and ends.
async fn run(state: &Path, run: &str, notes: Vec<Note>, ending: Ending) -> Option<WrittenManifest> {
    let job = open(state, run).await;
    note(&job, notes).await;
    job.finish(&end(ending)).await.expect("a disk that works")
}

async fn note(job: &JobState, notes: Vec<Note>) {
    for note in notes {
        job.journal.note(note).await.expect("a disk that works");
    }
}

/// A run that notes something, makes it durable, and is killed. What its process held is let go like the system does it.
async fn killed_run(state: &Path, run: &str, notes: Vec<Note>) {
    let job = open(state, run).await;
    note(&job, notes).await;
    job.journal.flush().await.expect("a disk that works");
}

async fn records(baseline: Option<&dyn Baseline>, after: Option<&str>) -> BTreeMap<String, u64> {
    let mut seen = BTreeMap::new();
    if let Some(baseline) = baseline {
        let mut pages = baseline.read(after.map(Key::from).as_ref());
        while let Some(page) = pages.next().await.expect("no damage") {
            seen.extend(page.into_iter().map(|record| (record.key.to_string(), record.size)));
        }
    }
    seen
}

async fn known_by(job: &JobState) -> BTreeMap<String, u64> {
    records(job.baseline.as_deref(), None).await
}

fn expected(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|(key, version)| ((*key).to_owned(), *version)).collect()
}

/// The directory of the only job.
fn directory(state: &Path) -> PathBuf {
    let mut jobs = fs::read_dir(state.join("jobs")).expect("a job was opened");
    jobs.next().expect("a job was opened").expect("an entry").path()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("the file");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("a disk that works");
}

#[tokio::test]
async fn a_clean_run_leaves_a_manifest_and_the_next_one_reads_it() {
    let state = tempfile::tempdir().expect("a directory");
    let first = run(state.path(), "1", vec![set("a", 1), set("b", 1), set("b", 2)], Ending::Clean).await.expect("a manifest");
    assert_eq!(first.rows, 2);
    assert_eq!(first.path, directory(state.path()).join("manifest-1.parquet"));
    let job = open(state.path(), "2").await;
    assert_eq!((known_by(&job).await, job.resumed_from.as_ref(), job.warnings.len()), (expected(&[("a", 1), ("b", 2)]), None, 0));
    assert_eq!(records(job.baseline.as_deref(), Some("a")).await, expected(&[("b", 2)]));
    assert_eq!(job.last_manifest().map(|manifest| &manifest.blake3), Some(&first.blake3));
    note(&job, vec![gone("a"), set("c", 1)]).await;
    let second = job.finish(&end(Ending::Clean)).await.expect("a disk that works").expect("a manifest");
    assert_eq!((second.rows, blake3_of(&second.path)), (2, second.blake3.clone()));
}

fn blake3_of(path: &Path) -> String {
    blake3::hash(&fs::read(path).expect("the file")).to_hex().to_string()
}

#[tokio::test]
async fn a_clean_run_without_changes_names_the_same_manifest_again() {
    let state = tempfile::tempdir().expect("a directory");
    let empty = run(state.path(), "1", vec![], Ending::Clean).await.expect("an empty manifest too");
    assert_eq!(empty.rows, 0);
    let first = run(state.path(), "2", vec![set("a", 1)], Ending::Clean).await;
    for number in ["3", "4"] {
        assert_eq!(run(state.path(), number, vec![], Ending::Clean).await, first);
    }
    run(state.path(), "5", vec![set("a", 2)], Ending::Clean).await;
    let names: Vec<_> = ["1", "2", "3", "4", "5"]
        .into_iter()
        .filter(|run| directory(state.path()).join(format!("manifest-{run}.parquet")).exists())
        .collect();
    assert_eq!(names, ["2", "5"], "the last one and the one before");
    assert_eq!(known_by(&open(state.path(), "6").await).await, expected(&[("a", 2)]));
}

#[tokio::test]
async fn p05_what_killed_and_partial_runs_found_out_is_known_to_the_next() {
    let state = tempfile::tempdir().expect("a directory");
    run(state.path(), "1", vec![set("a", 1), set("b", 1)], Ending::Clean).await;
    killed_run(state.path(), "2", vec![set("c", 1), gone("a")]).await;
    assert_eq!(run(state.path(), "3", vec![set("d", 1)], Ending::Unclean).await, None);
    let job = open(state.path(), "4").await;
    assert_eq!(known_by(&job).await, expected(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]), "a key is gone only after a clean run");
    assert_eq!((job.resumed_from.as_deref(), job.warnings.len()), (Some("3"), 0));
    note(&job, vec![gone("a")]).await;
    let manifest = job.finish(&end(Ending::Clean)).await.expect("a disk that works").expect("a manifest");
    assert_eq!(manifest.rows, 3);
    let job = open(state.path(), "5").await;
    assert_eq!((known_by(&job).await, job.resumed_from.as_ref()), (expected(&[("b", 1), ("c", 1), ("d", 1)]), None));
}

#[tokio::test]
async fn a_clean_run_that_only_resumed_turns_progress_into_a_manifest() {
    let state = tempfile::tempdir().expect("a directory");
    killed_run(state.path(), "1", vec![set("a", 1)]).await;
    let manifest = run(state.path(), "2", vec![], Ending::Clean).await.expect("a manifest");
    assert_eq!(manifest.rows, 1);
    assert_eq!(known_by(&open(state.path(), "3").await).await, expected(&[("a", 1)]));
}

#[tokio::test]
async fn fresh_forgets_changes_and_baseline_for_good() {
    let state = tempfile::tempdir().expect("a directory");
    run(state.path(), "1", vec![set("a", 1)], Ending::Clean).await;
    killed_run(state.path(), "2", vec![set("b", 1)]).await;
    let job = JobState::open(state.path(), &places(), &start("3"), Past::Ignore).await.expect("a disk that works");
    assert!(job.baseline.is_none() && job.resumed_from.is_none());
    note(&job, vec![set("c", 1)]).await;
    let manifest = job.finish(&end(Ending::Clean)).await.expect("a disk that works").expect("a manifest");
    assert_eq!(manifest.rows, 1);
    assert_eq!(known_by(&open(state.path(), "4").await).await, expected(&[("c", 1)]));
}

#[tokio::test]
async fn p06_a_damaged_journal_is_put_aside_and_the_manifest_still_counts() {
    let state = tempfile::tempdir().expect("a directory");
    run(state.path(), "1", vec![set("a", 1)], Ending::Clean).await;
    killed_run(state.path(), "2", vec![set("b", 1)]).await;
    let journal = directory(state.path()).join("journal.sqlite");
    fs::write(&journal, b"this is no database, and long enough that nobody takes it for an empty one").expect("a disk that works");
    let _ = fs::remove_file(journal.with_extension("sqlite-wal"));
    let job = open(state.path(), "3").await;
    assert_eq!((known_by(&job).await, job.warnings.len()), (expected(&[("a", 1)]), 1), "{:?}", job.warnings);
    note(&job, vec![set("c", 1)]).await;
    assert!(job.finish(&end(Ending::Clean)).await.is_ok());
    assert_eq!(known_by(&open(state.path(), "4").await).await, expected(&[("a", 1), ("c", 1)]));
}

#[tokio::test]
async fn p06_a_removed_state_directory_costs_the_baseline_only() {
    let state = tempfile::tempdir().expect("a directory");
    run(state.path(), "1", vec![set("a", 1)], Ending::Clean).await;
    fs::remove_dir_all(directory(state.path())).expect("a disk that works");
    let job = open(state.path(), "2").await;
    assert!(job.baseline.is_none() && job.warnings.is_empty());
    assert!(job.finish(&end(Ending::Clean)).await.is_ok());
}

#[tokio::test]
async fn p06_a_manifest_or_history_that_was_tampered_with_is_told_and_not_used() {
    for file in ["manifest-1.parquet", "history.jsonl"] {
        let state = tempfile::tempdir().expect("a directory");
        run(state.path(), "1", vec![set("a", 1)], Ending::Clean).await;
        flip(&directory(state.path()).join(file), 40);
        assert!(JobState::look(state.path(), &places()).is_none(), "{file}");
        let job = open(state.path(), "2").await;
        assert!(job.baseline.is_none(), "{file}");
        assert!(job.warnings.iter().any(|warning| warning.contains(file)), "{file}: {:?}", job.warnings);
        note(&job, vec![set("b", 1)]).await;
        assert!(job.finish(&end(Ending::Clean)).await.is_ok());
        let job = open(state.path(), "3").await;
        assert_eq!((known_by(&job).await, job.warnings.len()), (expected(&[("b", 1)]), 0), "{file}: {:?}", job.warnings);
    }
}

#[tokio::test]
async fn looking_takes_no_lock_and_writes_nothing() {
    let state = tempfile::tempdir().expect("a directory");
    assert!(JobState::look(state.path(), &places()).is_none());
    run(state.path(), "1", vec![set("a", 1)], Ending::Clean).await;
    let holder = open(state.path(), "2").await;
    let listing =
        |path: &Path| fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").file_name()).collect::<Vec<_>>();
    let before = listing(&directory(state.path()));
    let baseline = JobState::look(state.path(), &places());
    assert_eq!(records(baseline.as_deref(), None).await, expected(&[("a", 1)]));
    assert_eq!(listing(&directory(state.path())), before);
    drop(holder);
}

#[tokio::test]
async fn the_history_knows_delete_plans_and_every_run() {
    let state = tempfile::tempdir().expect("a directory");
    let plan = "ab".repeat(32);
    let job = open(state.path(), "1").await;
    assert!(!job.knows_delete_plan(&plan));
    job.finish(&RunEnd { delete_plan: Some(plan.clone()), ..end(Ending::Unclean) }).await.expect("a disk that works");
    let job = open(state.path(), "2").await;
    assert!(job.knows_delete_plan(&plan));
    job.finish(&end(Ending::Clean)).await.expect("a disk that works");
    let mut runs = Vec::new();
    let history =
        brigade_state::history::read(&directory(state.path()).join("history.jsonl"), |record| runs.push((record.run, record.outcome)));
    assert_eq!(history.expect("whole").chain.records(), 2);
    assert_eq!(runs, [("1".to_owned(), "interrupted".to_owned()), ("2".to_owned(), "done".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn many_pages_come_in_order_under_a_paused_clock() {
    let state = tempfile::tempdir().expect("a directory");
    let notes = (0..625).map(|number| set(&format!("{number:05}"), number)).collect();
    run(state.path(), "1", notes, Ending::Clean).await;
    let job = open(state.path(), "2").await;
    let baseline = job.baseline.as_ref().expect("a manifest");
    let before = tokio::time::Instant::now();
    let mut pages = baseline.read(None);
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await.expect("no damage") {
        sizes.push(page.len());
    }
    assert_eq!(sizes, [250, 250, 125]);
    assert_eq!(before.elapsed().as_millis(), 0);
    // Whoever stops reading leaves nothing behind that the runtime would wait for.
    let mut pages = baseline.read(None);
    assert!(pages.next().await.is_ok_and(|page| page.is_some()));
}

#[tokio::test]
async fn a_second_run_is_refused_while_one_lives_and_not_after_it_died() {
    if let Some(state) = std::env::var_os(HOLDER) {
        // This is the other process of this test. It waits until it is killed; a parent that dies closes the pipe.
        let _job = open(Path::new(&state), "1").await;
        println!("\nholding");
        let _ = std::io::Read::read(&mut std::io::stdin(), &mut [0]);
        return;
    }
    let state = tempfile::tempdir().expect("a directory");
    let mut holder = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "a_second_run_is_refused_while_one_lives_and_not_after_it_died", "--nocapture"])
        .env(HOLDER, state.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(holder.stdout.take().expect("piped")));
    assert!(lines.any(|line| line.is_ok_and(|line| line == "holding")), "it says so, or ends");
    match JobState::open(state.path(), &places(), &start("2"), Past::Use).await {
        Err(StateError::Busy { holder: text }) => {
            assert_eq!(text, format!("process {}, run 1, since 2026-11-20T03:00:00Z", holder.id()));
        }
        other => panic!("{:?}", other.map(|_| "opened")),
    }
    holder.kill().expect("it lives");
    holder.wait().expect("it ends");
    let job = open(state.path(), "2").await;
    assert_eq!(job.resumed_from.as_deref(), Some("1"));
}

#[tokio::test]
async fn p06_a_run_that_was_cut_short_while_it_deleted_is_known_without_its_journal() {
    let state = tempfile::tempdir().expect("a directory");
    run(state.path(), "1", vec![set("a", 1)], Ending::Clean).await;
    let job = open(state.path(), "2").await;
    assert!(!job.deletes_cut_short);
    job.journal.deleting().await.expect("a disk that works");
    let directory = job.directory().to_owned();
    drop(job);
    for name in ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"] {
        let _ = std::fs::remove_file(directory.join(name));
    }
    let job = open(state.path(), "3").await;
    assert!(job.deletes_cut_short);
    job.finish(&end(Ending::Unclean)).await.expect("a disk that works");
    assert!(!open(state.path(), "4").await.deletes_cut_short, "the run after it came to its end");
}
