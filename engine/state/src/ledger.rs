//! What is kept of a *named* job: up to when its copy is proven, how long its runs took, and where the state of its places stands.
//!
//! One small file for each name, `STATE/named/JOB.json`, replaced whole after each run. It may be lost: then the age of the copy is not
//! known, which counts as a breach until the next clean run. It never says more than runs have shown.

use std::path::{Path, PathBuf};

use brigade_core::recovery::{Frontier, Swept};
use brigade_core::report::{ByteCounts, ObjectCounts, ProofCounts};
use jiff::{SignedDuration, Timestamp, Unit};
use serde::{Deserialize, Serialize};

use crate::history::{self, Record};
use crate::{StateError, disk};

/// Name and version of the shape of the file.
pub const SCHEMA: &str = "brigade.ledger/1";

/// Runs whose duration is remembered: a month of a daily job, so that the worst of them is worth counting on.
const DURATIONS_MAX: usize = 31;

/// Runs without a record of their own that are remembered: as many as reports are kept of a directory.
const UNRECORDED_MAX: usize = 31;

/// Longest reason, in bytes: an error with its cause, not a page.
const REASON_BYTES_MAX: usize = 1_024;

/// A run that has ended, as the ledger takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its ULID.
    pub run: String,
    /// The moment before its first listing.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How it ended, as the report says.
    pub outcome: String,
    /// How far it came with the source.
    pub swept: Swept,
    /// Keys that failed or were skipped.
    pub failing: u64,
    /// Objects younger than this were left alone.
    pub held_back: SignedDuration,
    /// The directory below `STATE/jobs` in which its history stands.
    pub directory: String,
    /// Why it did not end as promised, for people.
    pub reason: Option<String>,
}

/// A run that ended before it could open the state of its places: it failed without credentials, or was refused because its source was
/// not ready. No history has a record of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrecorded {
    /// Its ULID.
    pub run: String,
    /// The command's name.
    pub command: String,
    /// As the configuration has it.
    pub source: String,
    /// As the configuration has it.
    pub target: String,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How: `failed` or `refused`.
    pub outcome: String,
    /// Why, for people.
    pub reason: String,
}

impl Unrecorded {
    /// The run as the records of a history are. It follows none of them.
    pub fn record(&self) -> Record {
        Record {
            schema: history::SCHEMA.to_owned(),
            run: self.run.clone(),
            command: self.command.clone(),
            source: self.source.clone(),
            target: self.target.clone(),
            started: to_seconds(self.began),
            finished: to_seconds(self.ended),
            outcome: self.outcome.clone(),
            objects: ObjectCounts::default(),
            bytes: ByteCounts::default(),
            proof: ProofCounts::default(),
            manifest: None,
            delete_plan: None,
            previous: String::new(),
        }
    }
}

fn to_seconds(at: Timestamp) -> String {
    at.round(Unit::Second).unwrap_or(at).to_string()
}

/// The last run of a named job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// Its ULID.
    pub run: String,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How.
    pub outcome: String,
    /// Why it did not end as promised, for people.
    #[serde(default)]
    pub reason: Option<String>,
}

/// The ledger of one named job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    schema: String,
    /// Which keys take part, and where: what runs of another selection have shown says nothing of this one.
    selection: String,
    /// Up to when the copy is proven.
    pub frontier: Frontier,
    /// The last run.
    pub last: Option<LastRun>,
    /// Seconds that the last runs took which dealt with everything, the newest last.
    durations_seconds: Vec<u64>,
    /// The directory of the last run that had one.
    pub directory: Option<String>,
    /// Runs of which no history has a record, the newest last.
    #[serde(default)]
    pub unrecorded: Vec<Unrecorded>,
}

impl Ledger {
    /// A ledger that knows nothing.
    pub fn empty(selection: &str) -> Self {
        Self { schema: SCHEMA.to_owned(), selection: selection.to_owned(), ..Self::default() }
    }

    /// Reads the ledger of a job; an empty one where there is none, or where it is of another selection.
    ///
    /// # Errors
    /// When a file is there and cannot be read or understood.
    pub fn read(state: &Path, job: &str, selection: &str) -> Result<Self, StateError> {
        let path = path(state, job);
        let empty = Self::empty(selection);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(empty),
            Err(error) => return Err(StateError::io(&path, error)),
        };
        let ledger: Self = serde_json::from_slice(&text).map_err(|error| StateError::damaged(&path, error.to_string()))?;
        if ledger.schema != SCHEMA {
            return Err(StateError::damaged(&path, "it is of a schema that is not known here"));
        }
        Ok(if ledger.selection == selection { ledger } else { empty })
    }

    /// A run has ended.
    pub fn note(&mut self, run: Ended) {
        self.frontier.after_unnamed(run.began, run.held_back, run.swept, run.failing);
        if run.swept == Swept::Whole {
            let seconds = u64::try_from(run.began.duration_until(run.ended).as_secs()).unwrap_or(0);
            self.durations_seconds.push(seconds);
            let superfluous = self.durations_seconds.len().saturating_sub(DURATIONS_MAX);
            self.durations_seconds.drain(..superfluous);
        }
        let reason = run.reason.as_deref().map(cut);
        self.last = Some(LastRun { run: run.run, began: run.began, ended: run.ended, outcome: run.outcome, reason });
        self.directory = Some(run.directory);
    }

    /// A run has ended that came to nothing: what is known of the copy stays as it was, and its age grows on.
    pub fn note_unrecorded(&mut self, run: Unrecorded) {
        let run = Unrecorded { reason: cut(&run.reason), ..run };
        let (began, ended, reason) = (run.began, run.ended, Some(run.reason.clone()));
        self.last = Some(LastRun { run: run.run.clone(), began, ended, outcome: run.outcome.clone(), reason });
        self.unrecorded.push(run);
        let superfluous = self.unrecorded.len().saturating_sub(UNRECORDED_MAX);
        self.unrecorded.drain(..superfluous);
    }

    /// The longest of the last runs that dealt with everything.
    pub fn longest_run(&self) -> Option<SignedDuration> {
        self.durations_seconds.iter().max().and_then(|seconds| i64::try_from(*seconds).ok()).map(SignedDuration::from_secs)
    }

    /// Writes the ledger of a job: whole, or as it was.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, state: &Path, job: &str) -> Result<(), StateError> {
        let path = path(state, job);
        let parent = path.parent().expect("the file is in a directory of the state");
        std::fs::create_dir_all(parent).map_err(|error| StateError::io(parent, error))?;
        let text = serde_json::to_vec(self).expect("a ledger has no keys but strings");
        disk::replace(&path, &text)
    }
}

/// A reason on one line, and no longer than it may be.
fn cut(reason: &str) -> String {
    let mut reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
    reason
}

fn path(state: &Path, job: &str) -> PathBuf {
    state.join("named").join(format!("{job}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(began: &str, minutes: i64, swept: Swept, failing: u64) -> Ended {
        let began: Timestamp = began.parse().expect("a time");
        let ended = began + SignedDuration::from_mins(minutes);
        let (run, outcome, directory) = ("01RUN".to_owned(), "done".to_owned(), "ab".to_owned());
        Ended { run, began, ended, outcome, swept, failing, held_back: SignedDuration::ZERO, directory, reason: None }
    }

    fn unrecorded(run: &str, reason: &str) -> Unrecorded {
        let [command, source, target] = ["sync", "s3://a", "gs://b"].map(str::to_owned);
        let began: Timestamp = "2026-11-23T03:00:00.5Z".parse().expect("a time");
        Unrecorded {
            run: run.to_owned(),
            command,
            source,
            target,
            began,
            ended: began,
            outcome: "failed".to_owned(),
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn a_run_that_came_to_nothing_is_the_last_one_and_makes_no_copy_younger_or_older() {
        let state = tempfile::tempdir().expect("a directory");
        let mut ledger = Ledger::read(state.path(), "job", "").expect("none yet");
        ledger.note(ended("2026-11-20T03:00:00Z", 1, Swept::Whole, 2));
        let before = ledger.clone();
        for number in 0..40 {
            ledger.note_unrecorded(unrecorded(&format!("{number}"), &format!("cannot list:\n  {}", "é".repeat(1_000))));
        }
        ledger.write(state.path(), "job").expect("written");
        let ledger = Ledger::read(state.path(), "job", "").expect("whole");
        let last = ledger.last.clone().expect("one");
        assert_eq!((last.run.as_str(), last.outcome.as_str(), last.reason.map(|reason| reason.len())), ("39", "failed", Some(1_023)));
        assert!(ledger.unrecorded[0].reason.starts_with("cannot list: éé"), "on one line");
        assert_eq!((ledger.unrecorded.len(), ledger.unrecorded[0].run.as_str()), (UNRECORDED_MAX, "9"));
        assert_eq!(
            (&ledger.frontier, ledger.longest_run(), &ledger.directory),
            (&before.frontier, before.longest_run(), &before.directory)
        );
        let record = ledger.unrecorded[0].record();
        assert_eq!((record.outcome.as_str(), record.started.as_str(), record.manifest), ("failed", "2026-11-23T03:00:01Z", None));
    }

    #[test]
    fn a_ledger_of_before_there_were_reasons_is_understood() {
        let state = tempfile::tempdir().expect("a directory");
        let mut ledger = Ledger::read(state.path(), "job", "").expect("none yet");
        ledger.note(ended("2026-11-20T03:00:00Z", 1, Swept::Whole, 0));
        ledger.write(state.path(), "job").expect("written");
        let text = std::fs::read_to_string(path(state.path(), "job")).expect("there");
        let old = text.replace(",\"unrecorded\":[]", "").replace(",\"reason\":null", "");
        assert_ne!(old, text);
        std::fs::write(path(state.path(), "job"), old).expect("written");
        assert_eq!(Ledger::read(state.path(), "job", "").expect("understood"), ledger);
    }

    #[test]
    fn what_runs_have_shown_outlives_the_process() {
        let state = tempfile::tempdir().expect("a directory");
        let mut ledger = Ledger::read(state.path(), "job", "all").expect("none yet");
        assert_eq!((ledger.frontier.proven_through(), ledger.longest_run()), (None, None));
        ledger.note(ended("2026-11-20T03:00:00Z", 40, Swept::Whole, 0));
        ledger.note(ended("2026-11-21T03:00:00Z", 900, Swept::Part, 0));
        ledger.note(ended("2026-11-22T03:00:00Z", 10, Swept::Whole, 2));
        ledger.write(state.path(), "job").expect("written");
        let read = Ledger::read(state.path(), "job", "all").expect("whole");
        assert_eq!(read, ledger);
        assert_eq!(read.frontier.proven_through(), Some("2026-11-20T03:00:00Z".parse().expect("a time")));
        assert_eq!(read.longest_run(), Some(SignedDuration::from_mins(40)), "a run that was cut short is no measure");
    }

    #[test]
    fn another_selection_has_shown_nothing() {
        let state = tempfile::tempdir().expect("a directory");
        let mut ledger = Ledger::read(state.path(), "job", "--include a").expect("none yet");
        ledger.note(ended("2026-11-20T03:00:00Z", 1, Swept::Whole, 0));
        ledger.write(state.path(), "job").expect("written");
        let other = Ledger::read(state.path(), "job", "").expect("another one");
        assert_eq!(other.frontier.proven_through(), None);
    }

    #[test]
    fn damage_is_told_and_durations_are_bounded() {
        let state = tempfile::tempdir().expect("a directory");
        let mut ledger = Ledger::read(state.path(), "job", "").expect("none yet");
        ledger.note(ended("2026-11-01T03:00:00Z", 500, Swept::Whole, 0));
        for _ in 0..DURATIONS_MAX {
            ledger.note(ended("2026-11-20T03:00:00Z", 1, Swept::Whole, 0));
        }
        assert_eq!(ledger.longest_run(), Some(SignedDuration::from_mins(1)));
        ledger.write(state.path(), "job").expect("written");
        for text in ["", "{}", "{\"schema\":\"brigade.ledger/2\"}", "[1"] {
            std::fs::write(path(state.path(), "job"), text).expect("written");
            assert!(Ledger::read(state.path(), "job", "").is_err(), "{text}");
        }
    }
}
