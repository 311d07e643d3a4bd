//! Where a command keeps what outlives it: a job's own directory, or, for a command that leaves nothing, a file that goes with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use brigade_core::job::{Effect, Job, Mode};
use brigade_core::location::Place;
use brigade_pipeline::approval::{self, DeletePlan};
use brigade_state::{Baseline, JobPlaces, JobState, Journal, Past, RunEnd, RunStart, SqliteJournal, StateError, WrittenManifest};

use crate::args::OutputArgs;
use crate::error::CliError;

/// The state of one run.
pub enum RunState {
    /// A job that this process holds.
    Job(Box<JobState>),
    /// `plan` and `check`: nothing is left, what earlier runs left is read.
    Scratch {
        /// Failures until the report is written.
        journal: SqliteJournal,
        /// What earlier runs left known.
        baseline: Option<Arc<dyn Baseline>>,
    },
}

impl RunState {
    /// Opens what the command needs. `against` takes the place of what earlier runs left.
    pub async fn open(
        output: &OutputArgs,
        job: &Job,
        places: (&Place, &Place),
        start: RunStart,
        against: Option<&Path>,
    ) -> Result<Self, CliError> {
        let directory = state_dir(output.state_dir.as_deref())?;
        let places = JobPlaces { source: spelt(places.0), target: spelt(places.1) };
        let past = if output.fresh { Past::Ignore } else { Past::Use };
        if job.effect == Effect::Real && job.mode != Mode::Check {
            let state = JobState::open(&directory, &places, &start, past).await.map_err(|error| cannot_open(&error))?;
            return Ok(Self::Job(Box::new(state)));
        }
        if output.manifest_out.is_some() {
            return Err(CliError::plain("a command that changes nothing leaves no manifest, so --manifest-out contradicts it")
                .hint("leave --manifest-out out, or give it to the run itself"));
        }
        let baseline = match against {
            Some(path) => Some(brigade_state::open_manifest(path).map_err(|error| cannot_open(&error))?),
            None if past == Past::Ignore => None,
            None => JobState::look(&directory, &places),
        };
        let journal = SqliteJournal::scratch(&directory, &start.run).map_err(|error| cannot_open(&error))?;
        Ok(Self::Scratch { journal, baseline })
    }

    /// What the run notes.
    pub fn journal(&self) -> Arc<dyn Journal> {
        match self {
            Self::Job(state) => state.journal.clone(),
            Self::Scratch { journal, .. } => Arc::new(journal.clone()),
        }
    }

    /// What is known from earlier runs.
    pub fn baseline(&self) -> Option<Arc<dyn Baseline>> {
        match self {
            Self::Job(state) => state.baseline.clone(),
            Self::Scratch { baseline, .. } => baseline.clone(),
        }
    }

    /// How many records the last clean run left. Where a run was cut short while it deleted originals, and its journal may have
    /// been lost, those cannot be told from originals that are missing: then none counts as missing.
    pub fn clean_records(&self) -> Option<u64> {
        match self {
            Self::Job(state) if state.deletes_cut_short => Some(0),
            Self::Job(state) => state.last_manifest().map(|manifest| manifest.rows),
            Self::Scratch { .. } => None,
        }
    }

    /// The directory of the job that is held.
    pub fn directory(&self) -> Option<PathBuf> {
        match self {
            Self::Job(state) => Some(state.directory().to_owned()),
            Self::Scratch { .. } => None,
        }
    }

    /// The run that this one resumes.
    pub fn resumed_from(&self) -> Option<String> {
        match self {
            Self::Job(state) => state.resumed_from.clone(),
            Self::Scratch { .. } => None,
        }
    }

    /// What a person should be told before the run.
    pub fn warnings(&self) -> &[String] {
        match self {
            Self::Job(state) => &state.warnings,
            Self::Scratch { .. } => &[],
        }
    }

    /// Checks that an approved plan is one that this job wrote, as it wrote it; returns its BLAKE3.
    pub fn approve(&self, deletes: &DeletePlan) -> Result<Option<String>, CliError> {
        let DeletePlan::Approved(path) = deletes else { return Ok(None) };
        let shown = path.display();
        let digest = approval::digest(path).map_err(|error| CliError::new(format!("cannot read the delete plan {shown}"), error))?;
        match self {
            Self::Job(state) if state.knows_delete_plan(&digest) => Ok(Some(digest)),
            _ => Err(CliError::new(
                format!("the delete plan {shown} is not one that this job wrote"),
                format!("its blake3 is {digest}, which the history of the job does not name; nothing was copied or deleted"),
            )
            .hint("give the file as --plan-out wrote it, with the same locations and the same --state-dir")),
        }
    }

    /// Ends the run. A manifest that cannot be written costs the next run time and is told; one that was asked for is an error.
    pub async fn finish(self, end: &RunEnd, manifest_out: Option<&Path>) -> Result<Option<WrittenManifest>, CliError> {
        let written = match self {
            Self::Scratch { journal, .. } => {
                journal.close().await;
                return Ok(None);
            }
            Self::Job(state) => state.finish(end).await,
        };
        let written = match written {
            Ok(written) => written,
            Err(error) if manifest_out.is_some() => return Err(cannot_open(&error)),
            Err(error) => {
                tracing::warn!("what this run found out could not be kept, so the next one compares anew: {}", with_cause(&error));
                return Ok(None);
            }
        };
        match (&written, manifest_out) {
            (_, None) => {}
            (Some(manifest), Some(out)) => {
                std::fs::copy(&manifest.path, out).map_err(|error| {
                    CliError::new(format!("cannot write the manifest {}", out.display()), error)
                        .hint("name a file that can be written with --manifest-out")
                })?;
            }
            (None, Some(_)) => tracing::warn!("the run was not clean, so there is no manifest to put at --manifest-out"),
        }
        Ok(written)
    }
}

/// One spelling for one place.
pub fn spelt(place: &Place) -> String {
    format!("{}/{}/{}", place.endpoint, place.bucket, place.prefix)
}

fn cannot_open(error: &StateError) -> CliError {
    match error {
        StateError::Busy { .. } => {
            let what = CliError::plain(error.to_string()).held();
            what.hint("wait for it, or stop it and give the command again: it goes on where that one was")
        }
        StateError::Damaged { .. } => CliError::plain(error.to_string()).hint("name a manifest as a clean run wrote it"),
        _ => match std::error::Error::source(error) {
            Some(cause) => CliError::new(error.to_string(), cause),
            None => CliError::plain(error.to_string()),
        }
        .hint("name another directory with --state-dir"),
    }
}

/// The error and what is behind it.
pub fn with_cause(error: &StateError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

/// The directory for the state of jobs: the option, the environment, then the user's state directory.
pub fn state_dir(option: Option<&Path>) -> Result<PathBuf, CliError> {
    let named =
        option.map(Path::to_owned).or_else(|| std::env::var_os("BRIGADE_STATE_DIR").filter(|path| !path.is_empty()).map(PathBuf::from));
    if let Some(path) = named {
        return Ok(path);
    }
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(|| home.map(|home| home.join(".local/state")));
    base.map(|base| base.join("brigade"))
        .ok_or_else(|| CliError::plain("there is no place for the state").hint("name a directory with --state-dir or set HOME"))
}
