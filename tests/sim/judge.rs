//! What must hold after every run, whatever went wrong in it: p01 to p14, as far as they can be seen from outside the engine.

mod deletes;
mod known;
mod outcomes;
mod resumed;

use std::collections::BTreeSet;

use brigade_core::event::Side;
use brigade_core::job::Job;
use brigade_core::report::{FailureStatus, RunOutcome};
use brigade_core::{Key, KeyRules};
use brigade_lab::sim::Dialect;
use brigade_store::When;

use crate::engine::{Ended, Engine, job};
use crate::judge::resumed::Left;
use crate::play::{Came, Played};
use crate::scenario::{Fault, FaultKind, Scenario, Turn, Wanted};
use crate::stage::Stage;
use crate::violation::Violation;

/// What stood at the beginning of a run, as far as its end is judged by it.
pub struct Evidence {
    /// Requests that changed the source: all, and those that did not only delete.
    source_writes: (u64, u64),
    /// Keys whose failure is durable and not proven since.
    quarantine: BTreeSet<Key>,
    /// What the directory holds of earlier runs' work.
    left: Left,
    job: Job,
}

impl Evidence {
    /// Before a run.
    pub fn before(scenario: &Scenario, turn: &Turn, stage: &Stage) -> Self {
        let durable = stage.state.durable();
        Self {
            source_writes: stage.place(Side::Source).writes(),
            quarantine: durable.quarantine.keys().cloned().collect(),
            left: Left::of(&durable, stage),
            job: job(scenario, turn, stage),
        }
    }

    /// Whether the filter lets a key through.
    pub fn includes(&self, key: &[u8]) -> bool {
        self.job.filter.includes_key(key)
    }
}

/// Everything that a judgement looks at.
pub struct Case<'a> {
    pub scenario: &'a Scenario,
    pub turn: &'a Turn,
    pub stage: &'a Stage,
    pub engines: &'a [Engine],
    /// `None` where the process was killed.
    pub ended: Option<&'a [Ended]>,
    pub before: &'a Evidence,
}

impl Case<'_> {
    /// Whether a listing of this run may have shown an older state.
    pub fn stale(&self) -> bool {
        self.stale_in(Side::Source) || self.stale_in(Side::Target)
    }

    /// Whether a listing of this side may have.
    pub fn stale_in(&self, side: Side) -> bool {
        self.turn.faults.iter().any(|fault| fault.kind == FaultKind::Stale && fault.side == side)
    }

    /// Whether parts may have been sent that were read wrongly, so that an upload must be begun anew.
    pub fn misread(&self) -> bool {
        let flips = |fault: &Fault| fault.kind == FaultKind::Flips && fault.side == Side::Source;
        self.scenario.turns.iter().flat_map(|turn| &turn.faults).any(flips)
    }

    /// Whether the target can hold a key.
    pub fn fits(&self, key: &[u8]) -> bool {
        fits(self.scenario, key)
    }
}

/// Whether the target can hold a key below its prefix.
pub fn fits(scenario: &Scenario, key: &[u8]) -> bool {
    let rules = match scenario.pair.dialects().1 {
        Dialect::S3 => KeyRules::S3,
        Dialect::Gcs => KeyRules::Gcs,
    };
    rules.unfit(&[scenario.target_prefix.as_bytes(), key].concat()).is_none()
}

/// Judges a run.
pub fn judge(
    scenario: &Scenario,
    turn: &Turn,
    stage: &Stage,
    engines: &[Engine],
    ended: Option<&[Ended]>,
    before: &Evidence,
    played: &mut Played,
) -> Result<(), Violation> {
    let case = Case { scenario, turn, stage, engines, ended, before };
    source_is_untouched(&case)?;
    stage.book.lock().verdict()?;
    deletes::judge(&case)?;
    outcomes::judge(&case)?;
    others_are_left(&case)?;
    resumed::judge(&case, played)?;
    known::learn(&case);
    let book = stage.book.lock();
    played.deleted += u64::try_from(book.now.originals_gone.len() + book.now.extras_gone.len()).expect("a count fits in 64 bits");
    Ok(())
}

fn source_is_untouched(case: &Case<'_>) -> Result<(), Violation> {
    let (all, others) = case.stage.place(Side::Source).writes();
    let (all_before, others_before) = case.before.source_writes;
    if others > others_before {
        return Err(Violation::whole(1, "the engine sent a write to the source"));
    }
    if all > all_before && case.turn.wanted != Wanted::Migrate {
        return Err(Violation::whole(1, "the engine sent a delete to the source of a copy"));
    }
    Ok(())
}

/// p10: what somebody else wrote into the target during the run is only replaced by a write that names exactly that version.
fn others_are_left(case: &Case<'_>) -> Result<(), Violation> {
    let [engine] = case.engines else { return Ok(()) };
    if case.turn.faults.iter().any(Fault::spoils_copies) {
        return Ok(());
    }
    let book = case.stage.book.lock();
    let sent = engine.sent();
    for (key, foreign) in &book.now.foreign {
        let replaced = book.target().get(key).is_some_and(|copy| copy.generation != foreign.generation);
        let named = |(written, when): &(Key, When)| {
            written.as_bytes() == key && matches!(when, When::IfMatches(identity) if *identity == foreign.identity)
        };
        if replaced && !sent.conditions.iter().any(named) {
            return Err(Violation::of(10, key, "what somebody else wrote meanwhile was replaced by a write that did not name it"));
        }
    }
    Ok(())
}

/// After everything came to rest: the target holds every original that it can hold, and nothing waits.
pub fn at_rest(scenario: &Scenario, turn: &Turn, stage: &Stage, came: &Came) -> Result<(), Violation> {
    let book = stage.book.lock();
    let unfit = book.source().keys().any(|key| !fits(scenario, key));
    let expected = if unfit { RunOutcome::Partial } else { RunOutcome::Done };
    let failed = came.failures.iter().find(|failure| failure.status == FailureStatus::Failed);
    if came.outcome != Some(expected) || failed.is_some() {
        let (outcome, failures) = (came.outcome, &came.failures);
        return Err(Violation::whole(5, format!("a run without faults ends as {outcome:?} instead of {expected:?}: {failures:?}")));
    }
    for (key, version) in book.source() {
        if !fits(scenario, key) {
            continue;
        }
        if turn.wanted == Wanted::Migrate && expected == RunOutcome::Done {
            return Err(Violation::of(5, key, "a migration without faults leaves an original"));
        }
        if book.target().get(key).is_none_or(|copy| copy.content.len() != version.content.len()) {
            return Err(Violation::of(5, key, "the target does not hold the original"));
        }
    }
    Ok(())
}
