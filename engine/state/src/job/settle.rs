//! What a run does with what earlier runs left, before it begins. Blocking; the caller holds the job's lock.
//!
//! Every step may be the last one before a crash, and the next run then settles what it finds: folding the same changes again
//! gives the same records, a new progress file counts only with its note, and what contradicts itself is put aside last.

use std::iter;

use brigade_core::Change;
use brigade_core::known::Ending;
use brigade_manifest::{Manifest, Vouched};
use jiff::Timestamp;

use super::paths::Paths;
use super::trust::{Believed, Contradiction, Findings, last_clean_hash};
use super::{JobPlaces, Past, fold};
use crate::StateError;
use crate::disk;
use crate::history::{self, Chain};

/// Changes as a journal gives them.
pub(super) type Changes = Box<dyn Iterator<Item = Result<Change, StateError>> + Send>;

/// Who settles.
pub(super) struct Settler {
    pub(super) paths: Paths,
    pub(super) places: JobPlaces,
    pub(super) run: String,
    pub(super) created: Timestamp,
}

/// What the run works with.
pub(super) struct Settled {
    pub(super) chain: Chain,
    pub(super) base: Option<Believed>,
    /// The progress file that counts, where there is one: the base, or the empty one of a fresh start.
    pub(super) progress: Option<String>,
    pub(super) warnings: Vec<String>,
    /// What became of the journal's changes.
    pub(super) changes: Afterwards,
}

/// What became of the journal's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Afterwards {
    /// There were none.
    None,
    /// They are in the progress now, or nobody wants them: the journal can forget them.
    Done,
    /// The journal could not read them.
    Unreadable,
}

impl Settler {
    /// Makes one consistent whole of what was found. `changes` reads the changes of the journal, where it has any.
    pub(super) fn settle<F>(&self, mut findings: Findings, changes: Option<F>, past: Past) -> Result<Settled, StateError>
    where
        F: FnOnce() -> Result<Changes, StateError>,
    {
        if let Some(whole_bytes) = findings.torn_at {
            history::cut(&self.paths.history(), whole_bytes)?;
            findings.warnings.push("the last record of the history was cut off by a crash and is left out".to_owned());
        }
        let mut settled = Settled {
            progress: findings.baseline.as_ref().and_then(Believed::progress_name),
            chain: findings.chain,
            base: findings.baseline,
            warnings: findings.warnings,
            changes: Afterwards::None,
        };
        let had_changes = changes.is_some();
        if past == Past::Ignore {
            // An empty progress stands in for all that was known, for the runs after this one too.
            settled.base = None;
            self.make_progress(&mut settled, Box::new(iter::empty()))?;
            settled.changes = if had_changes { Afterwards::Done } else { Afterwards::None };
        } else if let Some(changes) = changes {
            match changes().and_then(|changes| self.make_progress(&mut settled, changes)) {
                Ok(()) => settled.changes = Afterwards::Done,
                Err(error @ (StateError::Damaged { .. } | StateError::Sqlite { .. })) => {
                    settled.warnings.push(format!("what an unfinished run noted is lost and is found out again: {error}"));
                    settled.changes = Afterwards::Unreadable;
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(contradiction) = findings.contradiction {
            if settled.base.is_none() && past == Past::Use {
                self.make_progress(&mut settled, Box::new(iter::empty()))?;
            }
            self.put_aside(&contradiction)?;
        }
        if past == Past::Ignore {
            settled.base = None;
        }
        self.finish_pending(settled.base.as_ref())?;
        fold::sweep_progress(&self.paths, settled.progress.as_deref())?;
        Ok(settled)
    }

    /// Folds changes over the base; the result is the base from now on.
    fn make_progress(&self, settled: &mut Settled, changes: Changes) -> Result<(), StateError> {
        let base = settled.base.as_ref().map(|base| &base.manifest);
        let fold = fold::Fold { places: &self.places, run: &self.run, base, created: self.created, ending: Ending::Unclean };
        let file = fold.make_progress(changes, &self.paths, last_clean_hash(&settled.chain))?;
        let manifest = Manifest::open(&self.paths.file(&file.file), Vouched::Blake3(&file.blake3))?;
        settled.base = Some(Believed { manifest, named: None });
        settled.progress = Some(file.file);
        Ok(())
    }

    fn put_aside(&self, contradiction: &Contradiction) -> Result<(), StateError> {
        let aside = |name: &str| fold::set_aside(&self.paths, name, &self.run);
        match contradiction {
            // A new chain names none of the manifests.
            Contradiction::BrokenChain => {
                for name in self.paths.names(super::paths::Kind::Manifest) {
                    aside(&name)?;
                }
                let history = self.paths.history();
                aside(history.file_name().and_then(|name| name.to_str()).expect("the name of the history is text")).map(drop)
            }
            Contradiction::Unnamed(names) => names.iter().try_for_each(|name| aside(name).map(drop)),
        }
    }

    /// Gives a manifest its name where the run that the history names ended right before that.
    fn finish_pending(&self, base: Option<&Believed>) -> Result<(), StateError> {
        let pending = self.paths.pending();
        match base.and_then(|base| Some((base, base.named.as_ref()?))) {
            Some((base, named)) if base.manifest.path() == pending => disk::rename(&pending, &self.paths.file(&named.file)),
            _ => Ok(()),
        }
    }
}
