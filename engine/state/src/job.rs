//! The directory of one job: its lock, journal, baseline, manifests and history.
//!
//! The truth is always the two listings. What stands here saves time, and every part of it may be lost: so each step below is
//! followed by a state from which the next run goes on, whichever step was the last one before a crash.

mod baseline;
mod fold;
pub(crate) mod lock;
mod paths;
mod settle;
pub mod survey;
#[cfg(test)]
mod tests;
mod trust;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use brigade_core::known::Ending;
use brigade_core::report::Totals;
use brigade_manifest::{Manifest, Vouched};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::history::{self, Chain, NamedManifest, Record};
use crate::journal::{Baseline, Journal};
use crate::sqlite::{RunStart, SqliteJournal, deleting_mark};
use crate::{StateError, disk};

use lock::Lock;
use paths::{Kind, Paths};
use settle::{Afterwards, Settled, Settler};
use trust::Believed;

/// Which job: the two places, each spelt in one canonical way (endpoint, bucket and prefix).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPlaces {
    /// The source.
    pub source: String,
    /// The target.
    pub target: String,
}

/// Whether what earlier runs left is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// Yes.
    Use,
    /// `--fresh`: the journal's progress and the baseline are left aside, by later runs too. Open uploads and the quarantine
    /// are still known.
    Ignore,
}

/// How a run ended, for the history.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEnd {
    /// `done`, `partial`, `refused`, `interrupted` or `failed`.
    pub outcome: String,
    /// Whether it was clean: then a manifest is written.
    pub ending: Ending,
    /// RFC 3339.
    pub finished: String,
    /// The sums.
    pub totals: Totals,
    /// BLAKE3 of a delete plan that this run wrote (`--plan-out`), or worked from (`--approved`); lower-case hex.
    pub delete_plan: Option<String>,
}

/// The manifest of a clean run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenManifest {
    /// The file.
    pub path: PathBuf,
    /// Its records.
    pub rows: u64,
    /// BLAKE3 of the file, lower-case hex.
    pub blake3: String,
}

/// A manifest that somebody names, as a baseline. It is held against its own seal: that shows damage, not forgery.
pub fn open_manifest(path: &Path) -> Result<Arc<dyn Baseline>, StateError> {
    let manifest = Manifest::open(path, Vouched::Seal)?;
    Ok(Arc::new(manifest))
}

/// A job that this process holds.
pub struct JobState {
    /// What the run notes.
    pub journal: Arc<dyn Journal>,
    /// What is known from earlier runs, where that can be trusted.
    pub baseline: Option<Arc<dyn Baseline>>,
    /// The run that this one resumes.
    pub resumed_from: Option<String>,
    /// Whether an earlier run was cut short while it deleted originals: which of them are gone is known only as far as the journal
    /// was not lost or damaged.
    pub deletes_cut_short: bool,
    /// What a person should be told: a damaged journal that was set aside, a baseline that was tampered with.
    pub warnings: Vec<String>,
    sqlite: SqliteJournal,
    paths: Paths,
    places: JobPlaces,
    run: RunStart,
    chain: Chain,
    base: Option<Believed>,
    lock: Arc<Lock>,
}

impl JobState {
    /// Takes the job's lock ([`StateError::Busy`] where another process has it) and makes everything ready for a run: progress
    /// of an unfinished run is folded into the baseline first. Must be called inside a tokio runtime.
    pub async fn open(state: &Path, places: &JobPlaces, run: &RunStart, past: Past) -> Result<Self, StateError> {
        let paths = Paths::new(state, places);
        let settler = settler(&paths, places, run)?;
        let lock = Arc::new(
            in_background((paths.clone(), places.clone(), run.clone()), |(paths, places, run)| take(&paths, &places, &run)).await?,
        );
        let (sqlite, left) =
            in_background((lock.clone(), paths.journal(), run.clone()), |(_lock, path, run)| SqliteJournal::open(&path, &run)).await?;
        // A journal that cannot say whether it has changes is asked for them, and its answer is dealt with there.
        let has_changes = sqlite.has_changes().await.unwrap_or(true);
        let settled = in_background((lock.clone(), settler), move |(_lock, settler)| {
            let path = settler.paths.journal();
            let findings = trust::look(&settler.paths, &settler.places)?;
            settler.settle(findings, has_changes.then_some(move || SqliteJournal::changes(&path)), past)
        })
        .await?;
        let sqlite = forget(sqlite, paths.journal(), run, settled.changes).await?;
        let Settled { chain, base, mut warnings, .. } = settled;
        warnings.extend(left.set_aside.map(|aside| {
            format!("the journal was damaged and is now {}; a new one was begun and the run goes on from the listings", aside.display())
        }));
        let known = base.as_ref().filter(|base| base.named.is_some() || base.manifest.rows() > 0);
        Ok(Self {
            journal: Arc::new(sqlite.clone()),
            baseline: known.map(Believed::to_baseline),
            deletes_cut_short: deleting_mark(&paths.journal()).exists(),
            resumed_from: left.unfinished.filter(|_| past == Past::Use),
            warnings,
            sqlite,
            paths,
            places: places.clone(),
            run: run.clone(),
            chain,
            base,
            lock,
        })
    }

    /// The baseline of a job for a command that changes nothing: no lock, no fold. Blocking.
    pub fn look(state: &Path, places: &JobPlaces) -> Option<Arc<dyn Baseline>> {
        match trust::look(&Paths::new(state, places), places) {
            Ok(findings) => findings.baseline.as_ref().map(Believed::to_baseline),
            Err(error) => {
                tracing::warn!(%error, "the baseline is not used");
                None
            }
        }
    }

    /// Whether the history of this job names a delete plan with this BLAKE3 (lower-case hex).
    pub fn knows_delete_plan(&self, blake3: &str) -> bool {
        self.chain.knows_delete_plan(blake3)
    }

    /// The manifest of the last clean run, as the history names it.
    pub fn last_manifest(&self) -> Option<&NamedManifest> {
        self.chain.last_clean().map(|clean| &clean.manifest)
    }

    /// The directory in which all this stands.
    pub fn directory(&self) -> &Path {
        self.paths.directory()
    }

    /// Ends the run: after a clean one the manifest is written, then the history. The lock is given back.
    ///
    /// The order is what makes a crash harmless. Until the history names the new manifest, the journal has every change and the
    /// old baseline counts. From then on the new manifest counts, also where it has not got its name yet; changes that the journal
    /// still has are folded over it once more, which changes nothing. Old progress says which clean run it follows, so it has
    /// stopped counting; it and older manifests are removed last.
    pub async fn finish(self, end: &RunEnd) -> Result<Option<WrittenManifest>, StateError> {
        let flushed = self.sqlite.flush().await;
        let manifest = match (&flushed, end.ending) {
            (Ok(()), Ending::Clean) => self.manifest(end).await.map(Some),
            _ => Ok(None),
        };
        let named = manifest.as_ref().ok().and_then(Clone::clone);
        let recorded = self.record(end, named.clone()).await;
        let ended = match (&flushed, &recorded) {
            (Ok(()), Ok(())) => self.end(end).await,
            _ => Ok(()),
        };
        let swept = match (&named, &recorded, &ended) {
            (Some(named), Ok(()), Ok(())) => self.sweep(named).await,
            _ => Ok(()),
        };
        self.sqlite.close().await;
        drop(self.lock);
        // The first error is the cause of the others. Whatever failed, nothing was lost.
        flushed.and(manifest.map(drop)).and(recorded).and(ended).and(swept)?;
        Ok(named.map(|named| WrittenManifest { path: self.paths.file(&named.file), rows: named.rows, blake3: named.blake3 }))
    }

    /// The journal knows that the run ended, and everything that it deleted: nothing needs to stand beside it any more.
    async fn end(&self, end: &RunEnd) -> Result<(), StateError> {
        self.sqlite.end(&end.outcome, &end.finished).await?;
        let mark = deleting_mark(&self.paths.journal());
        in_background(self.lock.clone(), move |_lock| disk::remove(&mark)).await
    }

    /// Writes the manifest of this clean run to where it waits to be named. Where nothing has changed since the last one, that
    /// one is named again.
    async fn manifest(&self, end: &RunEnd) -> Result<NamedManifest, StateError> {
        let has_changes = self.sqlite.has_changes().await?;
        if let Some(named) = self.base.as_ref().and_then(|base| base.named.clone())
            && !has_changes
        {
            return Ok(named);
        }
        let created = time(&self.paths, &end.finished)?;
        let context = (self.lock.clone(), self.paths.clone(), self.places.clone(), self.run.run.clone(), self.base.clone());
        in_background(context, move |(_lock, paths, places, run, base)| {
            let base = base.as_ref().map(|base| &base.manifest);
            let fold = fold::Fold { places: &places, run: &run, base, created, ending: Ending::Clean };
            fold.write(SqliteJournal::changes(&paths.journal())?, &paths.pending(), Kind::Manifest.name(&run))
        })
        .await
    }

    /// Writes the run down in the history, then gives a new manifest the name that stands there.
    async fn record(&self, end: &RunEnd, manifest: Option<NamedManifest>) -> Result<(), StateError> {
        let known = self.base.as_ref().and_then(|base| base.named.clone());
        let record = Record {
            schema: history::SCHEMA.to_owned(),
            run: self.run.run.clone(),
            command: self.run.command.clone(),
            source: self.run.source.clone(),
            target: self.run.target.clone(),
            started: self.run.started.clone(),
            finished: end.finished.clone(),
            outcome: end.outcome.clone(),
            objects: end.totals.objects,
            bytes: end.totals.bytes,
            proof: end.totals.proof,
            manifest: manifest.clone(),
            delete_plan: end.delete_plan.clone(),
            previous: self.chain.head().to_owned(),
        };
        in_background((self.lock.clone(), self.paths.clone()), move |(_lock, paths)| {
            history::append(&paths.history(), &record)?;
            match manifest {
                Some(named) if Some(&named) != known.as_ref() => disk::rename(&paths.pending(), &paths.file(&named.file)),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Lets go of what the named manifest has made superfluous. The manifest before it stays, for people.
    async fn sweep(&self, named: &NamedManifest) -> Result<(), StateError> {
        self.sqlite.forget_changes().await?;
        let kept: Vec<String> = self.last_manifest().map(|before| before.file.clone()).into_iter().chain([named.file.clone()]).collect();
        in_background((self.lock.clone(), self.paths.clone()), move |(_lock, paths)| {
            fold::sweep_progress(&paths, None)?;
            fold::sweep_manifests(&paths, &kept.iter().map(String::as_str).collect::<Vec<_>>())
        })
        .await
    }
}

fn settler(paths: &Paths, places: &JobPlaces, run: &RunStart) -> Result<Settler, StateError> {
    let created = time(paths, &run.started)?;
    Ok(Settler { paths: paths.clone(), places: places.clone(), run: run.run.clone(), created })
}

/// Makes the directory and takes its lock.
fn take(paths: &Paths, places: &JobPlaces, run: &RunStart) -> Result<Lock, StateError> {
    let directory = paths.directory();
    std::fs::create_dir_all(directory).map_err(|error| StateError::io(directory, error))?;
    let lock = Lock::take(&paths.lock(), &format!("run {}, since {}", run.run, run.started))?;
    if !paths.job().exists() {
        disk::replace(&paths.job(), &serde_json::to_vec(places).expect("places have no keys but strings"))?;
    }
    Ok(lock)
}

/// Lets the journal forget what was folded. A journal whose changes cannot be read is put aside as a whole, and a new one begun:
/// what else it holds cannot be believed either, and it must not stop every run to come.
async fn forget(sqlite: SqliteJournal, path: PathBuf, run: &RunStart, changes: Afterwards) -> Result<SqliteJournal, StateError> {
    match changes {
        Afterwards::None => Ok(sqlite),
        Afterwards::Done => sqlite.forget_changes().await.map(|()| sqlite),
        Afterwards::Unreadable => {
            sqlite.close().await;
            in_background((path, run.clone()), |(path, run)| {
                SqliteJournal::set_aside(&path, &run.run)?;
                SqliteJournal::open(&path, &run).map(|(sqlite, _)| sqlite)
            })
            .await
        }
    }
}

fn time(paths: &Paths, text: &str) -> Result<Timestamp, StateError> {
    text.parse().map_err(|_| StateError::damaged(paths.directory(), format!("{text:?} is no time of a run")))
}

/// Runs blocking work on a thread for it. The work keeps what it is given, the lock too, also where nobody waits for it any more.
async fn in_background<C, T, F>(context: C, work: F) -> Result<T, StateError>
where
    C: Send + 'static,
    T: Send + 'static,
    F: FnOnce(C) -> Result<T, StateError> + Send + 'static,
{
    match tokio::task::spawn_blocking(move || work(context)).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(StateError::Closed),
    }
}
