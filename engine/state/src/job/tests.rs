//! What settling does with every state that a crash, a person or a disk can leave behind. Changes come from lists here; the
//! whole of a job with its journal is in `tests/job.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use brigade_core::known::{Ending, Original};
use brigade_core::{Change, Digests, Identity, Key, Known};
use brigade_manifest::Manifest;
use jiff::Timestamp;
use proptest::prelude::*;

use super::fold::Fold;
use super::paths::{Kind, Paths};
use super::settle::{Afterwards, Changes, Settled, Settler};
use super::{JobPlaces, Past, trust};
use crate::StateError;
use crate::disk;
use crate::history::{self, Chain, Record};

fn places() -> JobPlaces {
    JobPlaces { source: "s3://a/x/".into(), target: "gs://b/x/".into() }
}

fn known(key: &str, version: u64) -> Known {
    Known {
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
    }
}

/// What a baseline holds, by key, as the versions.
type Versions = BTreeMap<String, u64>;

fn versions(manifest: Option<&Manifest>) -> Versions {
    let records = manifest.into_iter().flat_map(|manifest| manifest.read(None)).map(|record| record.expect("no damage"));
    records.map(|record| (record.key.to_string(), record.size)).collect()
}

fn expected(pairs: &[(&str, u64)]) -> Versions {
    pairs.iter().map(|(key, version)| ((*key).to_owned(), *version)).collect()
}

/// A directory with a job in it.
struct Job {
    _directory: tempfile::TempDir,
    paths: Paths,
}

impl Job {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let paths = Paths::new(directory.path(), &places());
        fs::create_dir_all(paths.directory()).expect("a disk that works");
        Self { _directory: directory, paths }
    }

    /// As a crash at this moment would leave it.
    fn copy(&self) -> Self {
        let copy = Self::new();
        for entry in fs::read_dir(self.paths.directory()).expect("a directory") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), copy.paths.file(entry.file_name().to_str().expect("text"))).expect("a disk that works");
        }
        copy
    }

    fn settle_with(&self, run: &str, changes: Option<Changes>, past: Past) -> Settled {
        let settler = Settler { paths: self.paths.clone(), places: places(), run: run.into(), created: Timestamp::UNIX_EPOCH };
        let findings = trust::look(&self.paths, &places()).expect("a disk that works");
        settler.settle(findings, changes.map(|changes| move || Ok(changes)), past).expect("a disk that works")
    }

    fn settle(&self, run: &str, changes: &[Change]) -> Settled {
        let owned: Vec<_> = changes.to_vec();
        let boxed: Changes = Box::new(owned.into_iter().map(Ok));
        self.settle_with(run, Some(boxed).filter(|_| !changes.is_empty()), Past::Use)
    }

    fn record(run: &str, chain: &Chain, manifest: Option<history::NamedManifest>) -> Record {
        Record {
            schema: history::SCHEMA.into(),
            run: run.into(),
            command: "sync".into(),
            source: "a".into(),
            target: "b".into(),
            started: String::new(),
            finished: String::new(),
            outcome: "done".into(),
            objects: Default::default(),
            bytes: Default::default(),
            proof: Default::default(),
            manifest,
            delete_plan: None,
            previous: chain.head().into(),
        }
    }

    /// A clean run up to the named step.
    fn clean_run(&self, run: &str, changes: &[Change], through: Step) {
        let settled = self.settle(run, &[]);
        let base = settled.base.as_ref().map(|base| &base.manifest);
        let fold = Fold { places: &places(), run, base, ending: Ending::Clean, created: Timestamp::UNIX_EPOCH };
        let changes = changes.iter().cloned().map(Ok);
        let named = fold.write(changes, &self.paths.pending(), Kind::Manifest.name(run)).expect("a disk that works");
        if through >= Step::Recorded {
            history::append(&self.paths.history(), &Self::record(run, &settled.chain, Some(named.clone()))).expect("a disk that works");
        }
        if through >= Step::Named {
            disk::rename(&self.paths.pending(), &self.paths.file(&named.file)).expect("a disk that works");
        }
    }

    fn names(&self, start: &str) -> usize {
        let entries = fs::read_dir(self.paths.directory()).expect("a directory").map(|entry| entry.expect("an entry").file_name());
        entries.filter(|name| name.to_str().is_some_and(|name| name.starts_with(start))).count()
    }
}

/// How far a clean run came before it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Written,
    Recorded,
    Named,
}

fn set(key: &str, version: u64) -> Change {
    Change::Set(known(key, version))
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("the file");
    let at = at % bytes.len();
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("a disk that works");
}

#[test]
fn p05_a_clean_run_killed_between_any_two_steps_loses_nothing() {
    let changes = [set("a", 2), Change::Gone(Key::from("b")), set("c", 1)];
    for (step, after) in [
        // Not yet recorded: the old manifest counts, and the journal still has the changes.
        (Step::Written, &[("a", 2), ("b", 1), ("c", 1)][..]),
        (Step::Recorded, &[("a", 2), ("c", 1)]),
        (Step::Named, &[("a", 2), ("c", 1)]),
    ] {
        let job = Job::new();
        job.clean_run("1", &[set("a", 1), set("b", 1)], Step::Named);
        job.clean_run("2", &changes, step);
        let settled = job.settle("3", &changes);
        assert_eq!(settled.warnings, [""; 0], "{step:?}");
        assert_eq!(versions(settled.base.as_ref().map(|base| &base.manifest)), expected(after), "{step:?}");
        // And where the journal had already forgotten.
        if step >= Step::Recorded {
            let job = Job::new();
            job.clean_run("1", &[set("a", 1), set("b", 1)], Step::Named);
            job.clean_run("2", &changes, step);
            let settled = job.settle("3", &[]);
            assert_eq!((settled.warnings, settled.changes), (vec![], Afterwards::None), "{step:?}");
            assert_eq!(versions(settled.base.as_ref().map(|base| &base.manifest)), expected(after), "{step:?}");
            assert!(job.paths.file("manifest-2.parquet").exists(), "{step:?}");
        }
    }
}

#[test]
fn p05_progress_is_kept_over_several_unclean_runs_and_a_crash_while_it_is_folded() {
    let job = Job::new();
    job.clean_run("1", &[set("a", 1)], Step::Named);
    job.settle("2", &[set("b", 1)]);
    // Killed after the new progress file was written and before the note names it.
    let killed = job.copy();
    let findings = trust::look(&killed.paths, &places()).expect("a disk that works");
    let base = findings.baseline.as_ref().map(|base| &base.manifest);
    let fold = Fold { places: &places(), run: "3", base, ending: Ending::Unclean, created: Timestamp::UNIX_EPOCH };
    let name = Kind::Progress.name("3");
    fold.write([Ok(set("c", 1))].into_iter(), &killed.paths.file(&name), name).expect("a disk that works");
    for job in [job, killed] {
        let settled = job.settle("4", &[set("c", 1), Change::Gone(Key::from("a"))]);
        assert_eq!(versions(settled.base.as_ref().map(|base| &base.manifest)), expected(&[("a", 1), ("b", 1), ("c", 1)]));
        assert_eq!((settled.warnings, settled.changes), (vec![], Afterwards::Done));
        assert_eq!(job.names("progress-"), 1, "old progress is removed");
    }
}

#[test]
fn a_clean_run_overtakes_progress_also_where_it_could_not_remove_it() {
    let job = Job::new();
    job.settle("1", &[set("a", 1), set("b", 1)]);
    job.clean_run("2", &[Change::Gone(Key::from("a"))], Step::Named);
    assert_eq!(job.names("progress-"), 1);
    let settled = job.settle("3", &[]);
    assert_eq!(versions(settled.base.as_ref().map(|base| &base.manifest)), expected(&[("b", 1)]));
    assert!(settled.base.is_some_and(|base| base.named.is_some()) && settled.warnings.is_empty());
    assert_eq!(job.names("progress"), 0);
}

#[test]
fn a_fresh_start_leaves_the_past_aside_for_later_runs_too() {
    let job = Job::new();
    job.clean_run("1", &[set("a", 1)], Step::Named);
    let settled = job.settle_with("2", Some(Box::new([Ok(set("b", 1))].into_iter())), Past::Ignore);
    assert!(settled.base.is_none());
    assert_eq!(settled.changes, Afterwards::Done);
    let settled = job.settle("3", &[set("c", 1)]);
    assert_eq!(versions(settled.base.as_ref().map(|base| &base.manifest)), expected(&[("c", 1)]));
}

#[test]
fn a_torn_last_record_is_dropped_with_a_warning_and_the_chain_goes_on() {
    let job = Job::new();
    job.clean_run("1", &[set("a", 1)], Step::Named);
    let whole = fs::read(job.paths.history()).expect("the history");
    fs::write(job.paths.history(), [&whole[..], &whole[..100]].concat()).expect("a disk that works");
    let settled = job.settle("2", &[]);
    assert_eq!(settled.warnings.len(), 1);
    assert_eq!(fs::read(job.paths.history()).expect("the history"), whole);
    assert_eq!(versions(settled.base.as_ref().map(|base| &base.manifest)), expected(&[("a", 1)]));
}

#[test]
fn p06_records_cut_off_the_end_show_by_the_manifest_that_nobody_names() {
    let job = Job::new();
    job.clean_run("1", &[set("a", 1)], Step::Named);
    let earlier = fs::read(job.paths.history()).expect("the history");
    job.clean_run("2", &[set("b", 1)], Step::Named);
    fs::write(job.paths.history(), earlier).expect("a disk that works");
    let settled = job.settle("3", &[set("c", 1)]);
    assert!(settled.warnings.iter().any(|warning| warning.contains("manifest-2.parquet")), "{:?}", settled.warnings);
    assert_eq!(versions(settled.base.as_ref().map(|base| &base.manifest)), expected(&[("c", 1)]), "only what this job noted itself");
    // The next run meets no contradiction any more, and still does not go back to the older manifest.
    let settled = job.settle("4", &[]);
    assert_eq!(settled.warnings, [""; 0]);
    assert_eq!(versions(settled.base.as_ref().map(|base| &base.manifest)), expected(&[("c", 1)]));
}

#[test]
fn p06_a_history_that_was_edited_is_put_aside_and_nothing_is_believed() {
    let job = Job::new();
    job.clean_run("1", &[set("a", 1)], Step::Named);
    job.clean_run("2", &[set("b", 1)], Step::Named);
    flip(&job.paths.history(), 30);
    let settled = job.settle("3", &[]);
    assert_eq!(settled.warnings.len(), 1);
    assert_eq!(versions(settled.base.as_ref().map(|base| &base.manifest)), Versions::new());
    assert_eq!((job.names("aside-3-history"), job.names("aside-3-manifest"), job.names("manifest")), (1, 2, 0));
    job.clean_run("4", &[set("c", 1)], Step::Named);
    let settled = job.settle("5", &[]);
    assert_eq!(settled.warnings, [""; 0]);
    assert_eq!(versions(settled.base.as_ref().map(|base| &base.manifest)), expected(&[("c", 1)]));
}

#[test]
fn p06_a_manifest_that_was_changed_removed_or_of_another_job_is_not_believed() {
    let job = Job::new();
    job.clean_run("1", &[set("a", 1)], Step::Named);
    let manifest = job.paths.file("manifest-1.parquet");
    let changed = job.copy();
    flip(&changed.paths.file("manifest-1.parquet"), 200);
    let missing = job.copy();
    fs::remove_file(missing.paths.file("manifest-1.parquet")).expect("a disk that works");
    for job in [&changed, &missing] {
        let settled = job.settle("2", &[]);
        assert_eq!((settled.base.is_none(), settled.warnings.len()), (true, 1), "{:?}", settled.warnings);
    }
    let elsewhere = JobPlaces { source: "s3://other".into(), target: places().target };
    let findings = trust::look(&job.paths, &elsewhere).expect("a disk that works");
    assert!(findings.baseline.is_none() && findings.warnings.len() == 1);
    assert!(manifest.exists());
}

#[test]
fn p06_progress_that_was_changed_falls_back_to_the_manifest() {
    let job = Job::new();
    job.clean_run("1", &[set("a", 1)], Step::Named);
    job.settle("2", &[set("b", 1)]);
    flip(&job.paths.file("progress-2.parquet"), 300);
    let settled = job.settle("3", &[]);
    assert_eq!(settled.warnings.len(), 1);
    assert_eq!(versions(settled.base.as_ref().map(|base| &base.manifest)), expected(&[("a", 1)]));
}

#[test]
fn changes_that_cannot_be_read_cost_those_changes_only() {
    let job = Job::new();
    job.clean_run("1", &[set("a", 1)], Step::Named);
    let damaged = [Ok(set("b", 1)), Err(StateError::damaged(Path::new("journal.sqlite"), "a row"))];
    let settled = job.settle_with("2", Some(Box::new(damaged.into_iter())), Past::Use);
    assert_eq!((settled.changes, settled.warnings.len()), (Afterwards::Unreadable, 1));
    assert_eq!(versions(settled.base.as_ref().map(|base| &base.manifest)), expected(&[("a", 1)]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn p06_any_flipped_byte_or_cut_of_any_file_gives_old_records_or_none(
        which in any::<prop::sample::Index>(),
        at in any::<usize>(),
        cut in any::<bool>(),
    ) {
        let job = Job::new();
        job.clean_run("1", &[set("a", 1), set("b", 1)], Step::Named);
        job.clean_run("2", &[set("a", 2)], Step::Named);
        job.settle("3", &[set("c", 3)]);
        let files = ["history.jsonl", "manifest-1.parquet", "manifest-2.parquet", "progress-3.parquet", "progress.json"];
        let path = job.paths.file(files[which.index(files.len())]);
        if cut {
            let bytes = fs::read(&path).expect("the file");
            fs::write(&path, &bytes[..at % bytes.len()]).expect("a disk that works");
        } else {
            flip(&path, at);
        }
        for run in ["4", "5"] {
            let settled = job.settle(run, &[]);
            let seen = versions(settled.base.as_ref().map(|base| &base.manifest));
            let written = [("a", 1), ("a", 2), ("b", 1), ("c", 3)];
            prop_assert!(seen.iter().all(|(key, version)| written.contains(&(key, *version))), "{seen:?}");
            if run == "5" {
                prop_assert_eq!(settled.warnings, Vec::<String>::new(), "told once");
            }
        }
    }
}
