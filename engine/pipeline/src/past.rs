//! What earlier runs of the job left: uploads that can go on, and keys that must be tried first.
//!
//! All of it comes from the journal, which may be lost or wrong about the world; so nothing here is believed without the
//! store's own word. Each is bounded: what does not fit is treated as if nothing good were known of it.

use std::collections::{HashMap, HashSet};

use brigade_core::diff::Trust;
use brigade_core::{Identity, Key, Outcome};
use brigade_state::{Journal, OpenUpload, StateError};
use brigade_store::Upload;
use parking_lot::Mutex;

use crate::limits::{SUSPECTS_MAX, UPLOADS_RESUMED_MAX};

/// Uploads that earlier runs began and did not end, by key.
#[derive(Debug, Default)]
pub struct Resumable {
    open: Mutex<HashMap<Key, OpenUpload>>,
    /// Never to be continued: a second upload of a key, or one of a past that is to be ignored.
    stray: Mutex<Vec<OpenUpload>>,
}

/// Whether what an earlier run began may be gone on with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resume {
    /// Yes.
    #[default]
    Continue,
    /// `--fresh`: it is given up.
    StartOver,
}

impl Resumable {
    /// Reads the journal.
    pub async fn load(journal: &dyn Journal, resume: Resume) -> Result<Self, StateError> {
        let loaded = Self::default();
        {
            let uploads = journal.uploads(UPLOADS_RESUMED_MAX).await?;
            let (mut open, mut stray) = (loaded.open.lock(), loaded.stray.lock());
            for upload in uploads {
                let older = match resume {
                    Resume::Continue => open.insert(upload.key.clone(), upload),
                    Resume::StartOver => Some(upload),
                };
                stray.extend(older);
            }
        }
        Ok(loaded)
    }

    /// The upload of a key, once.
    pub fn take(&self, key: &Key) -> Option<OpenUpload> {
        self.open.lock().remove(key)
    }

    /// What may be known of the upload of a key, left where it is.
    pub fn look(&self, key: &Key) -> Option<OpenUpload> {
        self.open.lock().get(key).cloned()
    }

    /// Everything that nobody took, and what must not be continued.
    pub fn rest(&self) -> Vec<OpenUpload> {
        let mut rest: Vec<OpenUpload> = self.open.lock().drain().map(|(_, upload)| upload).collect();
        rest.append(&mut self.stray.lock());
        rest.sort_by_key(|upload| upload.number);
        rest
    }
}

/// An upload as its store knows it.
pub fn upload_of(open: &OpenUpload) -> Upload {
    Upload { key: open.key.clone(), id: open.id.clone(), staging: open.staging.clone() }
}

/// Keys that failed and were not proven since: size and time are no evidence for them.
#[derive(Debug, Default)]
pub struct Suspects {
    keys: HashSet<Key>,
    /// There are more than are held here, so every key is one.
    all: bool,
}

impl Suspects {
    /// Reads the journal.
    pub async fn load(journal: &dyn Journal) -> Result<Self, StateError> {
        let (keys, count) = journal.quarantined(SUSPECTS_MAX).await?;
        let all = u64::try_from(keys.len()).unwrap_or(u64::MAX) < count;
        Ok(Self { keys: keys.into_iter().collect(), all })
    }

    /// Whether the key is one.
    pub fn holds(&self, key: &Key) -> bool {
        self.all || (!self.keys.is_empty() && self.keys.contains(key))
    }

    /// How far the key is trusted.
    pub fn trust(&self, key: &Key) -> Trust {
        if self.holds(key) { Trust::Suspect } else { Trust::Usual }
    }

    /// The keys that are held by name, in order.
    pub fn sorted(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.keys.iter().cloned().collect();
        keys.sort_unstable();
        keys
    }
}

/// What became of keys that were tried before the listings began, until the listings come to them.
#[derive(Debug, Default)]
pub struct Retried(Mutex<HashMap<Key, (Identity, Outcome)>>);

impl Retried {
    /// Remembers an outcome with the version of the source that it is about.
    pub fn put(&self, source: Identity, outcome: Outcome) {
        self.0.lock().insert(outcome.key.clone(), (source, outcome));
    }

    /// The outcome of a key, if the source still is at that version.
    pub fn take(&self, key: &Key, source: &Identity) -> Option<Outcome> {
        let mut retried = self.0.lock();
        if retried.is_empty() {
            return None;
        }
        retried.remove(key).filter(|(version, _)| version == source).map(|(_, outcome)| outcome)
    }
}
