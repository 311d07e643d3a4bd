//! One execution of the real engine over simulated stores and a simulated disk, as the command line wires it.

use std::collections::BTreeSet;
use std::sync::Arc;

use brigade_core::Key;
use brigade_core::Outcome;
use brigade_core::event::{Event, Observer, Side};
use brigade_core::filter::FilterOptions;
use brigade_core::job::{DeleteGuards, Job, Mode, Unconditional};
use brigade_core::known::Ending;
use brigade_core::limiter::AtOnce;
use brigade_core::shard::DivisionLimits;
use brigade_lab::sim_state::SimState;
use brigade_pipeline::approval::DeletePlan;
use brigade_pipeline::cpu::CpuLane;
use brigade_pipeline::memory::Budget;
use brigade_pipeline::past::Resume;
use brigade_pipeline::run::Deleter;
use brigade_pipeline::{Ends, Finished, Run, run};
use brigade_state::{Baseline, Journal, Past};
use brigade_store::layers::hedge::Hedging;
use brigade_store::layers::jitter::Jitter;
use brigade_store::layers::limit::{Limiter, Limits};
use brigade_store::layers::{Layered, Layers};
use brigade_store::{Delete, ServerCopy, Source, Target};
use parking_lot::Mutex;

use crate::bugs::Bug;
use crate::scenario::{Scenario, Turn, Wanted};
use crate::seam::{Sent, Watched};
use crate::stage::Stage;
use crate::steps::Steps;

/// Few pages and few records divide a keyspace here, so that it happens in scenarios of some dozen keys.
const DIVISION: DivisionLimits = DivisionLimits { pages_before: 0, pages_ahead_min: 1, keys_known_min: 6, shards_first_max: 5 };

/// What an engine told while it ran.
#[derive(Default)]
pub struct Seen(Mutex<Told>);

/// See [`Seen`].
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub decided: Vec<Outcome>,
    pub listed: BTreeSet<&'static str>,
    /// Keys of the source that have been listed.
    pub source_keys: usize,
    /// Most of them that were listed and not decided.
    pub ahead_max: usize,
}

impl Seen {
    pub fn told(&self) -> Told {
        self.0.lock().clone()
    }
}

impl Observer for Seen {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Decided(outcome) => self.0.lock().decided.push((*outcome).clone()),
            Event::Listed(Side::Source, keys) => {
                let mut told = self.0.lock();
                told.source_keys += keys;
                told.ahead_max = told.ahead_max.max(told.source_keys.saturating_sub(told.decided.len()));
            }
            Event::ListingEnded(Side::Source) => drop(self.0.lock().listed.insert("source")),
            Event::ListingEnded(Side::Target) => drop(self.0.lock().listed.insert("target")),
            _ => {}
        }
    }
}

/// Everything that an engine touches; a planted bug changes some of it.
pub struct Hands {
    pub source: Arc<dyn Source>,
    pub target: Arc<dyn Target>,
    pub source_delete: Arc<dyn Delete>,
    pub target_delete: Arc<dyn Delete>,
    /// Between two buckets of one provider.
    pub server_copy: Option<Arc<dyn ServerCopy>>,
    pub journal: Arc<dyn Journal>,
    pub baseline: Option<Arc<dyn Baseline>>,
    /// The source as something that can be written: only a planted bug has it.
    pub source_write: Arc<dyn Target>,
}

/// One engine of a run: whose directory it has, and what was seen of it.
pub struct Engine {
    pub name: &'static str,
    pub state: SimState,
    pub seen: Arc<Seen>,
    source: Watched,
    target: Watched,
}

/// How an engine ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` where its directory could not be opened.
    pub finished: Option<Finished>,
    /// Whether the directory took the run's end.
    pub kept: bool,
}

impl Engine {
    /// An engine between the places of the stage.
    pub fn new(name: &'static str, state: &SimState, stage: &Stage, steps: &Arc<Steps>) -> Self {
        let watched = |side| Watched::new(stage.place(side).store(), steps.clone());
        Self { name, state: state.clone(), seen: Arc::default(), source: watched(Side::Source), target: watched(Side::Target) }
    }

    /// What it sent to the target.
    pub fn sent(&self) -> Sent {
        self.target.sent()
    }

    /// Originals whose deletion it asked for.
    pub fn doomed(&self) -> Vec<Key> {
        self.source.sent().deletes
    }

    /// Runs to the end.
    pub async fn run(&self, scenario: &Scenario, turn: &Turn, stage: &Stage, steps: &Arc<Steps>, bug: Option<Bug>) -> Ended {
        let past = if turn.fresh { Past::Ignore } else { Past::Use };
        let Ok(opened) = self.state.open(steps.clone(), past).await else { return Ended { finished: None, kept: false } };
        let sim_journal = opened.journal.clone();
        let layers = |side| {
            let limits = Limits::at_once(AtOnce::Fixed(scenario.concurrency));
            Arc::new(Layers {
                side,
                attempts_max: scenario.attempts_max,
                limiter: Arc::new(Limiter::new(limits)),
                observer: self.seen.clone(),
                jitter: Jitter::seeded(scenario.seed),
                hedging: Hedging::Never,
            })
        };
        let of_target = layers(Side::Target);
        let source = Arc::new(Layered::new(Arc::new(self.source.clone()), layers(Side::Source)));
        let target = Arc::new(Layered::new(Arc::new(self.target.clone()), of_target.clone()));
        let road = scenario.pair.is_inside().then(|| self.target.road(&self.source));
        let server_copy = road.map(|road| -> Arc<dyn ServerCopy> { Arc::new(Layered::new(Arc::new(road), of_target)) });
        let hands = Hands {
            source: source.clone(),
            target: target.clone(),
            source_delete: source.clone(),
            source_write: source,
            target_delete: target,
            server_copy,
            journal: opened.journal,
            baseline: opened.baseline,
        };
        let hands = match bug {
            Some(bug) => bug.plant(hands),
            None => hands,
        };
        let job = job(scenario, turn, stage);
        let ends = ends(&job, &hands, scenario);
        let budget = Budget::new(job.memory_bytes);
        let run_of = Run {
            job,
            observer: self.seen.clone(),
            shown: ("source".into(), "target".into()),
            id: self.name.into(),
            journal: hands.journal,
            baseline: hands.baseline,
            clean_records: None,
            resume: if turn.fresh { Resume::StartOver } else { Resume::Continue },
            deletes: DeletePlan::default(),
            division: DIVISION,
            budget,
            cpu: CpuLane::Inline,
            stop: steps.stop.clone(),
            now: stage.place(Side::Source).now(),
        };
        let finished = Box::pin(run(run_of, ends)).await;
        let ending = if bug == Some(Bug::GoneAfterUnclean) { Ending::Clean } else { finished.ending };
        let kept = self.state.finish(&sim_journal, ending).await.is_ok();
        Ended { finished: Some(finished), kept }
    }
}

/// The job of a turn.
pub fn job(scenario: &Scenario, turn: &Turn, stage: &Stage) -> Job {
    let options = FilterOptions { exclude: turn.exclude.clone(), ..FilterOptions::default() };
    let filter = options.build(stage.place(Side::Source).now()).expect("the globs are well formed");
    Job {
        mode: match turn.wanted {
            Wanted::Copy => Mode::Copy,
            Wanted::Sync | Wanted::SyncDelete => Mode::Sync,
            Wanted::Migrate => Mode::Migrate,
        },
        delete_extra: turn.wanted == Wanted::SyncDelete,
        compare: scenario.compare,
        verify: scenario.verify,
        metadata: scenario.metadata,
        preserve_etag: scenario.preserve_etag,
        guards: DeleteGuards { deletes_max: turn.deletes_max, target_percent_max: turn.percent_max, unconditional: Unconditional::Refuse },
        part_bytes: scenario.part_bytes,
        memory_bytes: scenario.memory_bytes,
        concurrency: scenario.concurrency,
        ..Job::copy(filter)
    }
}

fn ends(job: &Job, hands: &Hands, scenario: &Scenario) -> Ends {
    let deleter = |handle: &Arc<dyn Delete>| -> Option<Deleter> {
        let handle = handle.clone();
        Some(Box::new(move |_token| handle))
    };
    Ends {
        source: hands.source.clone(),
        target: hands.target.clone(),
        server_copy: hands.server_copy.clone(),
        target_prefix: scenario.target_prefix.as_bytes().to_vec(),
        source_deleter: if job.mode == Mode::Migrate { deleter(&hands.source_delete) } else { None },
        target_deleter: if job.delete_extra { deleter(&hands.target_delete) } else { None },
    }
}
