//! Which baseline is believed, and why not another. Looks only; never writes.
//!
//! A baseline is believed where the chain of the history is whole, where no manifest lies there that the chain does not name (it
//! would mean that records were cut off its end), and where the file's BLAKE3 is the one that was written down for it. Whatever
//! fails costs time and never an object: the run goes on from the two listings.

use std::fs;
use std::io;
use std::sync::Arc;

use brigade_manifest::{Manifest, Vouched};
use serde::{Deserialize, Serialize};

use super::JobPlaces;
use super::paths::{Kind, Paths};
use crate::StateError;
use crate::history::{self, Chain, GENESIS, NamedManifest};
use crate::journal::Baseline;

/// Which progress file counts: the content of `progress.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProgressNote {
    /// The file.
    #[serde(flatten)]
    pub(super) file: NamedManifest,
    /// The hash of the last clean record when it was made: a later clean run knows more than this file.
    pub(super) after: String,
}

/// What was found in the directory of a job.
pub(super) struct Findings {
    /// The history, empty where it is broken.
    pub(super) chain: Chain,
    /// Where the whole records end, where a crash left something behind them.
    pub(super) torn_at: Option<u64>,
    /// What is believed.
    pub(super) baseline: Option<Believed>,
    /// What contradicts itself, so that nothing here may be believed, by the next run either.
    pub(super) contradiction: Option<Contradiction>,
    /// What a person should be told.
    pub(super) warnings: Vec<String>,
}

/// A baseline that is believed.
#[derive(Clone)]
pub(super) struct Believed {
    pub(super) manifest: Manifest,
    /// The manifest of the last clean run, where this is one and not progress made since.
    pub(super) named: Option<NamedManifest>,
}

impl Believed {
    /// To be read by a run.
    pub(super) fn to_baseline(&self) -> Arc<dyn Baseline> {
        Arc::new(self.manifest.clone())
    }

    /// The name of its file, where this is progress.
    pub(super) fn progress_name(&self) -> Option<String> {
        let name = self.manifest.path().file_name()?.to_str()?;
        self.named.is_none().then(|| name.to_owned())
    }
}

/// Why nothing is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contradiction {
    /// The chain is broken.
    BrokenChain,
    /// Manifests that no record names.
    Unnamed(Vec<String>),
}

/// The hash by which progress says which clean run it follows.
pub(super) fn last_clean_hash(chain: &Chain) -> &str {
    chain.last_clean().map_or(GENESIS, |clean| &clean.hash)
}

/// Looks at everything in the directory.
pub(super) fn look(paths: &Paths, places: &JobPlaces) -> Result<Findings, StateError> {
    let mut findings = Findings { chain: Chain::default(), torn_at: None, baseline: None, contradiction: None, warnings: Vec::new() };
    match history::read(&paths.history(), |_| {}) {
        Ok(history) => {
            findings.chain = history.chain;
            findings.torn_at = history.torn_at;
        }
        Err(StateError::Damaged { path, what }) => {
            findings.distrust(Contradiction::BrokenChain, &format!("the history {} is damaged: {what}", path.display()));
            return Ok(findings);
        }
        Err(error) => return Err(error),
    }
    let unnamed: Vec<String> = paths.names(Kind::Manifest).into_iter().filter(|name| !findings.chain.names(name)).collect();
    if !unnamed.is_empty() {
        let what = format!("no record of the history names {}: records were cut off, or the file came from elsewhere", unnamed.join(", "));
        findings.distrust(Contradiction::Unnamed(unnamed), &what);
        return Ok(findings);
    }
    findings.baseline = findings.progress(paths, places)?;
    if findings.baseline.is_none() {
        findings.baseline = findings.last_clean(paths, places);
    }
    Ok(findings)
}

impl Findings {
    fn distrust(&mut self, contradiction: Contradiction, what: &str) {
        self.contradiction = Some(contradiction);
        self.warn(what);
    }

    fn warn(&mut self, what: &str) {
        self.warnings.push(format!("{what}; what earlier runs knew is not used, the run goes on from the listings"));
    }

    /// Progress, where there is some that no clean run has overtaken.
    fn progress(&mut self, paths: &Paths, places: &JobPlaces) -> Result<Option<Believed>, StateError> {
        let path = paths.progress_note();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::io(&path, error)),
        };
        let Some(note) = serde_json::from_slice::<ProgressNote>(&text).ok().filter(|note| Kind::Progress.is_name(&note.file.file)) else {
            self.warn(&format!("{} cannot be understood", path.display()));
            return Ok(None);
        };
        if note.after != last_clean_hash(&self.chain) {
            return Ok(None);
        }
        match open(paths, &note.file.file, &note.file, places) {
            Ok(manifest) => Ok(Some(Believed { manifest, named: None })),
            Err(what) => {
                self.warn(&what);
                Ok(None)
            }
        }
    }

    /// The manifest of the last clean run. Where the run ended between naming it and giving it its name, it is still pending.
    fn last_clean(&mut self, paths: &Paths, places: &JobPlaces) -> Option<Believed> {
        let named = self.chain.last_clean()?.manifest.clone();
        if !Kind::Manifest.is_name(&named.file) {
            self.warn(&format!("the history names a manifest {:?} that cannot be one", named.file));
            return None;
        }
        let is_there = paths.file(&named.file).exists();
        let pending = paths.pending();
        let name = if is_there { named.file.as_str() } else { pending.file_name().and_then(|name| name.to_str()).unwrap_or_default() };
        match open(paths, name, &named, places) {
            Ok(manifest) => Some(Believed { manifest, named: Some(named) }),
            Err(what) => {
                let missing = format!("the manifest {} is missing", paths.file(&named.file).display());
                self.warn(if is_there { &what } else { &missing });
                None
            }
        }
    }
}

/// Opens a file that must be the one that was written down, and of this job; or says in one sentence why it is not.
fn open(paths: &Paths, name: &str, expected: &NamedManifest, places: &JobPlaces) -> Result<Manifest, String> {
    let path = paths.file(name);
    let manifest = Manifest::open(&path, Vouched::Blake3(&expected.blake3)).map_err(|error| match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })?;
    let meta = manifest.meta();
    if meta.source != places.source || meta.target != places.target || manifest.rows() != expected.rows {
        return Err(format!("{} belongs to another job", path.display()));
    }
    Ok(manifest)
}
