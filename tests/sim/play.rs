//! Plays a scenario: its runs one after the other, each judged, and then what must come to rest once nothing goes wrong any more.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use brigade_core::ErrorKind;
use brigade_core::report::{FailureRecord, RunOutcome};
use tokio::runtime::Builder;

use crate::bugs::Bug;
use crate::engine::{Ended, Engine};
use crate::judge::{self, Evidence};
use crate::scenario::{Directory, End, FaultKind, Scenario, Turn, Wanted};
use crate::stage::Stage;
use crate::steps::Steps;
use crate::violation::Violation;

/// So much paused time means that the run waits for something that never comes.
const HUNG: Duration = Duration::from_secs(30 * 24 * 3600);

/// Time between two runs.
const BETWEEN: Duration = Duration::from_secs(3_600);

/// Runs without faults within which everything must come to rest: each remedy of a guard takes one more.
const REST_RUNS_MAX: usize = 5;

/// What playing showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Runs of engines.
    pub runs: u64,
    /// Runs that were killed.
    pub crashes: u64,
    /// Faults that struck.
    pub struck: u64,
    /// Steps of all runs.
    pub steps: u64,
    /// A hash of every step.
    pub log: u64,
    /// Originals and extras that were deleted.
    pub deleted: u64,
    /// Parts that a later run did not have to send again.
    pub resumed: u64,
    /// Objects that a provider copied at once.
    pub copied: u64,
    /// Those that it copied in parts.
    pub copied_in_parts: u64,
}

impl Played {
    /// Adds another scenario's counts.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.crashes += other.crashes;
        self.struck += other.struck;
        self.steps += other.steps;
        self.deleted += other.deleted;
        self.resumed += other.resumed;
        self.copied += other.copied;
        self.copied_in_parts += other.copied_in_parts;
        self.log = self.log.rotate_left(1) ^ other.log;
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, crashes, struck, steps, deleted, resumed, copied, copied_in_parts, .. } = self;
        write!(f, "{runs} runs, {crashes} killed, {struck} faults, {steps} steps, {deleted} deletes, {resumed} parts not sent again, ")?;
        write!(f, "{copied} objects copied by their provider at once and {copied_in_parts} in parts")
    }
}

/// Plays it.
pub fn play(scenario: &Scenario, bug: Option<Bug>) -> Result<Played, Violation> {
    let stage = Stage::new(scenario);
    let mut played = Played::default();
    for (number, turn) in scenario.turns.iter().enumerate() {
        run(scenario, turn, &stage, bug, &mut played).map_err(|violation| violation.at(format!("run {number}")))?;
        stage.pass(BETWEEN);
    }
    rest(scenario, &stage, bug, &mut played).map_err(|violation| violation.at("at rest"))?;
    Ok(played)
}

/// One run, and its judgement.
fn run(scenario: &Scenario, turn: &Turn, stage: &Arc<Stage>, bug: Option<Bug>, played: &mut Played) -> Result<Came, Violation> {
    stage.state.break_baseline(None);
    match turn.directory {
        Directory::Kept => {}
        Directory::Lost => stage.state.lose(),
        Directory::BaselineLost => stage.state.lose_baseline(),
        Directory::BaselineBroken(page) => stage.state.break_baseline(Some(page)),
    }
    for mutation in &turn.before {
        stage.mutate(mutation);
    }
    for fault in &turn.faults {
        let place = stage.place(fault.side);
        place.world.faults().add(fault.rule.clone().bucket(place.bucket));
    }
    {
        let mut book = stage.book.lock();
        book.begin(stage);
        book.spoils = turn.faults.iter().any(|fault| fault.kind == FaultKind::Spoils);
    }
    let before = Evidence::before(scenario, turn, stage);
    let steps = Arc::new(Steps::new(stage.clone(), turn.end, &turn.during));
    let mut engines = vec![Engine::new("main", &stage.state, stage, &steps)];
    if turn.rival {
        engines.push(Engine::new("rival", &stage.rival_state, stage, &steps));
    }
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime without threads");
    let ended = runtime.block_on(async {
        let runs = engines.iter().map(|engine| engine.run(scenario, turn, stage, &steps, bug));
        let all = Box::pin(tokio::time::timeout(HUNG, futures::future::join_all(runs)));
        tokio::select! {
            biased;
            () = steps.killed.notified() => Ok(None),
            ended = all => ended.map(Some),
        }
    });
    // With the runtime everything goes that the dead process had under way.
    drop(runtime);
    let ended: Option<Vec<Ended>> = ended.map_err(|_| Violation::whole(5, "the run waits for something that never comes"))?;
    if ended.is_none() {
        stage.state.crash();
        stage.rival_state.crash();
    }
    let (taken, log) = steps.taken();
    played.runs += u64::try_from(engines.len()).expect("a count fits in 64 bits");
    played.crashes += u64::from(ended.is_none());
    played.steps += taken;
    for sent in engines.iter().map(Engine::sent) {
        played.copied += sent.copied;
        played.copied_in_parts += sent.copied_in_parts;
    }
    played.log = played.log.rotate_left(7) ^ log;
    for side in [brigade_core::event::Side::Source, brigade_core::event::Side::Target] {
        let faults = stage.place(side).world.faults();
        played.struck += u64::try_from(faults.struck().len()).expect("a count fits in 64 bits");
        faults.clear();
    }
    {
        let mut book = stage.book.lock();
        book.spoils = false;
        book.look_at_all(stage);
    }
    let outcome = ended.as_ref().and_then(|ended| ended[0].finished.as_ref()).map(|finished| finished.outcome);
    judge::judge(scenario, turn, stage, &engines, ended.as_deref(), &before, played)?;
    let failures = engines[0].seen.told().decided.iter().filter_map(FailureRecord::of).collect();
    Ok(Came { outcome, failures })
}

/// What a run came to.
pub struct Came {
    /// `None` where it was killed or could not open its directory.
    pub outcome: Option<RunOutcome>,
    pub failures: Vec<FailureRecord>,
}

/// The last runs: nothing goes wrong any more, so everything must come to rest, and a run after that has nothing to do.
fn rest(scenario: &Scenario, stage: &Arc<Stage>, bug: Option<Bug>, played: &mut Played) -> Result<(), Violation> {
    let wanted = scenario.turns.last().map_or(Wanted::Copy, |turn| turn.wanted);
    let mut turn = Turn {
        wanted,
        exclude: Vec::new(),
        deletes_max: None,
        percent_max: 50.0,
        before: Vec::new(),
        during: Vec::new(),
        faults: Vec::new(),
        end: End::Whole,
        directory: Directory::Kept,
        fresh: false,
        rival: false,
    };
    for _ in 0..REST_RUNS_MAX {
        let came = run(scenario, &turn, stage, bug, played)?;
        stage.pass(BETWEEN);
        match came.outcome {
            Some(RunOutcome::Refused) if stage.book.lock().source().is_empty() => return Ok(()),
            // The two remedies that the guards name: raise the limit, or take note of what is gone by a copy.
            Some(RunOutcome::Refused) if turn.percent_max < 100.0 => turn.percent_max = 100.0,
            Some(RunOutcome::Refused) => {
                run(scenario, &Turn { wanted: Wanted::Copy, ..turn.clone() }, stage, bug, played)?;
                stage.pass(BETWEEN);
            }
            _ => {
                judge::at_rest(scenario, &turn, stage, &came)?;
                return cleanup(stage);
            }
        }
    }
    Err(Violation::whole(5, "the guards still refuse after every remedy that they name"))
}

/// What `brigade cleanup` does: gives up every upload that it finds. Nothing is left then.
fn cleanup(stage: &Arc<Stage>) -> Result<(), Violation> {
    let place = stage.place(brigade_core::event::Side::Target);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime without threads");
    let store = place.store();
    let swept = runtime.block_on(async {
        use brigade_store::Write as _;
        for pending in store.pending().await? {
            store.abort(&pending.upload).await?;
        }
        Ok::<(), brigade_store::StoreError>(())
    });
    let left = place.world.uploads_under_way(place.bucket);
    match swept {
        Ok(()) if left == 0 => Ok(()),
        Ok(()) => Err(Violation::whole(12, format!("{left} uploads are left after a cleanup"))),
        Err(error) => Err(Violation::whole(12, format!("the cleanup fails: {error} ({})", ErrorKind::name(error.kind)))),
    }
}
