//! The journal of one run on the simulated disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use brigade_core::Key;
use brigade_core::report::FailureRecord;
use brigade_state::journal::{Table, Waiting};
use brigade_state::{Journal, Note, OpenUpload, SentPart, StateError};
use tokio::time::Instant;

use super::progress::Logged;
use super::{COMMIT_WINDOW, DiskPoint, DiskWatch, Progress, SimState};

/// What one run notes. After its first error, and after the directory was opened anew, it is closed.
pub struct SimJournal {
    state: SimState,
    opened: u64,
    watch: Arc<dyn DiskWatch>,
    broken: AtomicBool,
    next_upload: AtomicU64,
}

impl SimJournal {
    pub(super) fn new(state: SimState, opened: u64, watch: Arc<dyn DiskWatch>) -> Self {
        Self { state, opened, watch, broken: AtomicBool::new(false), next_upload: AtomicU64::new(0) }
    }

    /// A run begins: what only belonged to earlier ones goes.
    pub(super) async fn begin(&self) -> Result<(), StateError> {
        let last = self.state.0.lock().live.upload_last;
        self.next_upload.store(last, Ordering::Relaxed);
        self.take(Logged::Began)?;
        self.commit().await
    }

    /// Everything noted so far becomes durable.
    pub(super) async fn commit(&self) -> Result<(), StateError> {
        self.check_open()?;
        if self.state.0.lock().waiting.is_empty() {
            return Ok(());
        }
        self.at(DiskPoint::Commit).await?;
        self.check_open()?;
        self.state.0.lock().commit();
        self.at(DiskPoint::Committed).await
    }

    /// Asks the watch; an error closes the journal.
    pub(super) async fn at(&self, point: DiskPoint) -> Result<(), StateError> {
        self.check_open()?;
        self.watch.at(point).await.inspect_err(|_| self.broken.store(true, Ordering::Relaxed))
    }

    fn check_open(&self) -> Result<(), StateError> {
        let closed = self.broken.load(Ordering::Relaxed) || self.state.0.lock().opened != self.opened;
        if closed { Err(StateError::Closed) } else { Ok(()) }
    }

    fn live<T>(&self, read: impl FnOnce(&Progress) -> T) -> Result<T, StateError> {
        self.check_open()?;
        Ok(read(&self.state.0.lock().live))
    }

    fn take(&self, logged: Logged) -> Result<(), StateError> {
        self.check_open()?;
        let mut disk = self.state.0.lock();
        disk.live.apply(logged.clone());
        disk.waiting.push(logged);
        disk.oldest.get_or_insert_with(Instant::now);
        Ok(())
    }
}

#[async_trait]
impl Journal for SimJournal {
    async fn note(&self, note: Note) -> Result<(), StateError> {
        self.at(DiskPoint::Note).await?;
        let overdue = self.state.0.lock().oldest.is_some_and(|oldest| oldest.elapsed() >= COMMIT_WINDOW);
        if overdue {
            self.commit().await?;
        }
        self.take(Logged::Noted(self.opened, Box::new(note)))?;
        let now = self.state.0.lock().commits_now();
        if now { self.commit().await } else { Ok(()) }
    }

    async fn flush(&self) -> Result<(), StateError> {
        self.commit().await
    }

    fn next_upload(&self) -> u64 {
        self.next_upload.fetch_add(1, Ordering::Relaxed) + 1
    }

    async fn waiting(&self, table: Table) -> Result<u64, StateError> {
        self.live(|live| u64::try_from(live.table(table).len()).expect("a count fits in 64 bits"))
    }

    async fn batch(&self, table: Table, after: i64, limit: usize) -> Result<Vec<Waiting>, StateError> {
        self.live(|live| live.table(table).iter().filter(|waiting| waiting.row > after).take(limit).cloned().collect())
    }

    async fn find(&self, table: Table, keys: &[Key]) -> Result<Vec<Option<Waiting>>, StateError> {
        self.live(|live| {
            let find = |key: &Key| live.table(table).iter().rev().find(|waiting| waiting.key == *key).cloned();
            keys.iter().map(find).collect()
        })
    }

    async fn failures(&self, after: i64, limit: usize) -> Result<Vec<(i64, FailureRecord)>, StateError> {
        self.live(|live| live.failures.iter().filter(|(row, _)| *row > after).take(limit).cloned().collect())
    }

    async fn uploads(&self, limit: usize) -> Result<Vec<OpenUpload>, StateError> {
        self.live(|live| {
            let earlier = live.uploads.values().filter(|noted| noted.opened != self.opened);
            earlier.take(limit).map(|noted| noted.upload.clone()).collect()
        })
    }

    async fn parts(&self, upload: u64) -> Result<Vec<SentPart>, StateError> {
        self.live(|live| live.uploads.get(&upload).map(|noted| noted.parts.values().cloned().collect()).unwrap_or_default())
    }

    async fn quarantined(&self, limit: usize) -> Result<(Vec<Key>, u64), StateError> {
        self.live(|live| {
            let count = u64::try_from(live.quarantine.len()).expect("a count fits in 64 bits");
            (live.quarantine.keys().take(limit).cloned().collect(), count)
        })
    }
}
