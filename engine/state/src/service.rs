//! What `serve` keeps in a state directory: its lock, and one small file of what it remembers.
//!
//! `STATE/serve/lock` is held as long as the process lives, so there is one scheduler for each state directory. `STATE/serve/memory.json`
//! is replaced whole. It may be lost: then missed occurrences are not caught up with, and nothing worse, for what a run does never
//! depends on it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::job::lock::Lock;
use crate::{StateError, disk};

/// The part of a state directory that one `serve` holds.
#[derive(Debug)]
pub struct ServiceState {
    memory: PathBuf,
    _lock: Lock,
}

impl ServiceState {
    /// Takes the lock of a state directory, which is made where there is none. Blocking.
    ///
    /// # Errors
    /// [`StateError::Served`] where another process has it.
    pub fn take(state: &Path, now: Timestamp) -> Result<Self, StateError> {
        let directory = state.join("serve");
        std::fs::create_dir_all(&directory).map_err(|error| StateError::io(&directory, error))?;
        let lock = Lock::take(&directory.join("lock"), &format!("since {now}")).map_err(|error| match error {
            StateError::Busy { holder } => StateError::Served { holder },
            other => other,
        })?;
        Ok(Self { memory: directory.join("memory.json"), _lock: lock })
    }

    /// What an earlier process remembered; `None` where there is nothing. Blocking.
    ///
    /// # Errors
    /// When there is something that cannot be read or understood.
    pub fn remembered<T: DeserializeOwned>(&self) -> Result<Option<T>, StateError> {
        match std::fs::read(&self.memory) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| StateError::damaged(&self.memory, error.to_string())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StateError::io(&self.memory, error)),
        }
    }

    /// Sets a memory that cannot be understood aside, so that somebody can look at it. Blocking.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn set_aside(&self) -> Result<PathBuf, StateError> {
        let aside = self.memory.with_extension("damaged");
        disk::rename(&self.memory, &aside).map(|()| aside)
    }

    /// Remembers something in place of what was remembered: whole, or not at all. Blocking.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember<T: Serialize>(&self, memory: &T) -> Result<(), StateError> {
        let text = serde_json::to_vec(memory).map_err(|error| StateError::damaged(&self.memory, error.to_string()))?;
        disk::replace(&self.memory, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_a_state_directory_and_the_second_learns_which() {
        let state = tempfile::tempdir().expect("a directory");
        let first = ServiceState::take(state.path(), Timestamp::UNIX_EPOCH).expect("free");
        let second = ServiceState::take(state.path(), Timestamp::UNIX_EPOCH).expect_err("taken");
        assert!(second.to_string().contains(&format!("process {}, since 1970-01-01T00:00:00Z", std::process::id())), "{second}");
        drop(first);
        assert!(ServiceState::take(state.path(), Timestamp::UNIX_EPOCH).is_ok(), "a dead process holds nothing");
    }

    #[test]
    fn what_is_remembered_is_whole_or_told_to_be_damaged() {
        let state = tempfile::tempdir().expect("a directory");
        let service = ServiceState::take(state.path(), Timestamp::UNIX_EPOCH).expect("free");
        assert_eq!(service.remembered::<Vec<u8>>().expect("readable"), None);
        service.remember(&vec![1, 2]).expect("written");
        assert_eq!(service.remembered::<Vec<u8>>().expect("readable"), Some(vec![1, 2]));
        std::fs::write(&service.memory, "[1").expect("written");
        assert!(service.remembered::<Vec<u8>>().is_err());
        let aside = service.set_aside().expect("moved");
        assert_eq!((std::fs::read(aside).expect("there"), service.remembered::<Vec<u8>>().expect("readable")), (b"[1".to_vec(), None));
    }
}
