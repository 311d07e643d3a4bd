//! The directory of a job on a simulated disk: journal and baseline with a live and a durable state, for runs that crash.
//!
//! What is noted is live at once and becomes durable in group commits, whose moments a seed decides; a crash keeps exactly what
//! is durable, which always is a prefix of what was noted. Between any two steps a [`DiskWatch`] is asked: it may refuse (a full
//! disk), or never answer (the crash). Folding changes into the baseline has its own steps, in the order of the real directory.
//! Nothing here is cleverer than SQLite and a rename: what a run could not know from a real disk it must not learn from this one.

mod journal;
mod progress;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use brigade_core::known::{Ending, fold};
use brigade_core::shard::Marks;
use brigade_core::{Change, Key, Known};
use brigade_state::{Baseline, KnownPages, Past, StateError};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::world::mix;

pub use journal::SimJournal;
use progress::Logged;
pub use progress::Progress;

/// Notes that are older than this are committed before the next one, as the real writer does.
pub const COMMIT_WINDOW: Duration = Duration::from_millis(100);

/// One note in so many is followed by a commit, by chance.
const NOTES_PER_COMMIT: u64 = 12;

/// Records of one page of the baseline: few, so that pages end inside every scenario.
const PAGE_RECORDS: usize = 5;

/// Where a disk can be interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DiskPoint {
    /// A note is about to be taken.
    Note,
    /// Notes are about to become durable.
    Commit,
    /// They are durable; nobody was told yet.
    Committed,
    /// The new baseline is about to be written beside the old one.
    BaselineWrite,
    /// It is written, and about to take the old one's place.
    BaselinePlace,
    /// It is in place; the changes in the journal are about to be forgotten.
    ChangesForget,
    /// They are forgotten.
    Folded,
}

/// Asked at every step of the disk.
#[async_trait]
pub trait DiskWatch: Send + Sync {
    /// Lets the step happen, refuses it with an error, or never returns: then everything that is not durable is lost.
    async fn at(&self, point: DiskPoint) -> Result<(), StateError>;
}

/// Lets everything happen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Undisturbed;

#[async_trait]
impl DiskWatch for Undisturbed {
    async fn at(&self, _: DiskPoint) -> Result<(), StateError> {
        Ok(())
    }
}

/// The directory of one job. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SimState(Arc<Mutex<Disk>>);

#[derive(Debug)]
struct Disk {
    chance: u64,
    live: Progress,
    durable: Progress,
    /// Noted, and not durable yet.
    waiting: Vec<Logged>,
    oldest: Option<Instant>,
    baseline: Option<Vec<Known>>,
    /// Written beside the baseline and not in its place yet. A crash forgets it.
    beside: Option<Vec<Known>>,
    /// Counts openings: a journal of an earlier one is dead.
    opened: u64,
    /// The page at which the baseline cannot be read on.
    baseline_breaks_at: Option<usize>,
}

/// What a run gets of its job's directory.
pub struct Opened {
    /// Where it notes.
    pub journal: Arc<SimJournal>,
    /// What earlier runs left known.
    pub baseline: Option<Arc<dyn Baseline>>,
}

impl SimState {
    /// An empty directory; `seed` decides when commits happen.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            chance: seed,
            live: Progress::default(),
            durable: Progress::default(),
            waiting: Vec::new(),
            oldest: None,
            baseline: None,
            beside: None,
            opened: 0,
            baseline_breaks_at: None,
        })))
    }

    /// Makes everything ready for a run: what an unfinished one left is folded into the baseline, its failures and waiting
    /// deletes go, its uploads and the quarantine stay. Where the past is to be ignored nothing is known of any key from now on.
    ///
    /// # Errors
    /// What the watch says.
    pub async fn open(&self, watch: Arc<dyn DiskWatch>, past: Past) -> Result<Opened, StateError> {
        // Another process reads what is on the disk, and nothing else.
        self.crash();
        let journal = {
            let disk = self.0.lock();
            Arc::new(SimJournal::new(self.clone(), disk.opened, watch))
        };
        match past {
            Past::Use => self.fold(&journal, Ending::Unclean).await?,
            Past::Ignore => self.replace_baseline(&journal, Vec::new()).await?,
        }
        journal.begin().await?;
        let disk = self.0.lock();
        let baseline = disk.baseline.clone().map(|records| {
            let breaks_at = disk.baseline_breaks_at;
            let baseline: Arc<dyn Baseline> = Arc::new(SimBaseline { records: records.into(), breaks_at });
            baseline
        });
        drop(disk);
        Ok(Opened { journal, baseline })
    }

    /// Ends a run: after a clean one its changes become the baseline, after any other they wait for the next opening.
    ///
    /// # Errors
    /// What the watch says.
    pub async fn finish(&self, journal: &SimJournal, ending: Ending) -> Result<(), StateError> {
        journal.commit().await?;
        match ending {
            Ending::Clean => self.fold(journal, Ending::Clean).await,
            Ending::Unclean => Ok(()),
        }
    }

    /// The power goes: what is not durable is lost.
    pub fn crash(&self) {
        let mut disk = self.0.lock();
        disk.live = disk.durable.clone();
        disk.waiting.clear();
        disk.oldest = None;
        disk.beside = None;
        disk.opened += 1;
    }

    /// The directory is removed.
    pub fn lose(&self) {
        self.crash();
        let mut disk = self.0.lock();
        (disk.live, disk.durable) = Default::default();
        disk.baseline = None;
    }

    /// Only the baseline is removed.
    pub fn lose_baseline(&self) {
        self.0.lock().baseline = None;
    }

    /// From now on the baseline cannot be read past so many pages; `None` heals it.
    pub fn break_baseline(&self, at_page: Option<usize>) {
        self.0.lock().baseline_breaks_at = at_page;
    }

    /// What a crash at this moment would keep.
    pub fn durable(&self) -> Progress {
        self.0.lock().durable.clone()
    }

    /// The baseline's records, in key order.
    pub fn baseline(&self) -> Vec<Known> {
        self.0.lock().baseline.clone().unwrap_or_default()
    }

    /// Changes the baseline behind the engine's back.
    pub fn edit_baseline(&self, mut edit: impl FnMut(&mut Known)) {
        self.0.lock().baseline.iter_mut().flatten().for_each(&mut edit);
    }

    async fn fold(&self, journal: &SimJournal, ending: Ending) -> Result<(), StateError> {
        let (mut changes, base) = {
            let disk = self.0.lock();
            (disk.durable.changes.clone(), disk.baseline.clone())
        };
        if changes.is_empty() && (base.is_some() || ending == Ending::Unclean) {
            return Ok(());
        }
        changes.sort_by(|one, other| one.key().cmp(other.key()));
        let base = base.unwrap_or_default().into_iter().map(Ok::<Known, StateError>);
        let folded: Vec<Known> = fold(base, changes.into_iter().map(Ok::<Change, StateError>), ending).collect::<Result<_, _>>()?;
        self.replace_baseline(journal, folded).await
    }

    /// Puts records into the baseline's place and forgets the changes, step by step.
    async fn replace_baseline(&self, journal: &SimJournal, records: Vec<Known>) -> Result<(), StateError> {
        journal.at(DiskPoint::BaselineWrite).await?;
        self.0.lock().beside = Some(records);
        journal.at(DiskPoint::BaselinePlace).await?;
        {
            let mut disk = self.0.lock();
            disk.baseline = disk.beside.take();
        }
        journal.at(DiskPoint::ChangesForget).await?;
        {
            let mut disk = self.0.lock();
            disk.durable.changes.clear();
            disk.live.changes.clear();
        }
        journal.at(DiskPoint::Folded).await
    }
}

impl Disk {
    /// Whether a commit follows by chance.
    fn commits_now(&mut self) -> bool {
        self.chance = self.chance.wrapping_add(1);
        mix(self.chance).is_multiple_of(NOTES_PER_COMMIT)
    }

    fn commit(&mut self) {
        for note in self.waiting.drain(..) {
            self.durable.apply(note);
        }
        self.oldest = None;
    }
}

struct SimBaseline {
    records: Arc<[Known]>,
    breaks_at: Option<usize>,
}

impl Baseline for SimBaseline {
    fn read(&self, after: Option<&Key>) -> Box<dyn KnownPages> {
        let at = after.map_or(0, |after| self.records.partition_point(|known| known.key <= *after));
        Box::new(SimRecords { records: self.records.clone(), at, pages: 0, breaks_at: self.breaks_at })
    }

    fn marks(&self) -> Marks {
        let parts = self.records.chunks(PAGE_RECORDS);
        let keys = parts.filter_map(|part| part.last()).map(|known| known.key.clone()).collect();
        Marks { keys, keys_each: u64::try_from(PAGE_RECORDS).expect("a few") }
    }
}

struct SimRecords {
    records: Arc<[Known]>,
    at: usize,
    pages: usize,
    breaks_at: Option<usize>,
}

#[async_trait]
impl KnownPages for SimRecords {
    async fn next(&mut self) -> Result<Option<Vec<Known>>, StateError> {
        if self.breaks_at.is_some_and(|at| self.pages >= at) {
            self.at = self.records.len();
            self.breaks_at = None;
            return Err(StateError::damaged("baseline".as_ref(), "a page cannot be read"));
        }
        self.pages += 1;
        let page: Vec<Known> = self.records[self.at..].iter().take(PAGE_RECORDS).cloned().collect();
        self.at += page.len();
        Ok(Some(page).filter(|page| !page.is_empty()))
    }
}
