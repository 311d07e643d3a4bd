//! What latency costs: the real pipeline and the real layers over stores that answer after a while, on paused time.
//!
//! By Little's law no more than the limit over the latency can be answered in a second. Whatever keeps a permit idle, such as
//! too few workers, a queue that runs empty, a listing that is waited for or a proof that is asked for, shows here as time.

use std::sync::Arc;
use std::time::Duration;

use brigade_core::event::{Side, Silent};
use brigade_core::job::Job;
use brigade_core::limiter::AtOnce;
use brigade_core::report::RunOutcome;
use brigade_lab::fault::{Action, Rule};
use brigade_pipeline::approval::DeletePlan;
use brigade_pipeline::cpu::CpuLane;
use brigade_pipeline::memory::Budget;
use brigade_pipeline::past::Resume;
use brigade_pipeline::{Ends, Run, run};
use brigade_state::Past;
use brigade_store::layers::hedge::Hedging;
use brigade_store::layers::jitter::Jitter;
use brigade_store::layers::limit::{Limiter, Limits};
use brigade_store::layers::{Layered, Layers};
use tokio::runtime::Builder;
use tokio::time::Instant;

use crate::engine::job;
use crate::promises::{placed, sample, turn};
use crate::scenario::{End, Form, Pair, Placed, Scenario, Wanted};
use crate::seam::{Sent, Watched};
use crate::stage::Stage;
use crate::steps::Steps;

/// Of every request.
const LATENCY: Duration = Duration::from_millis(50);

/// What finding out may cost: two doublings, each seen over a few latencies, at both ends in turn.
const FINDING_OUT: Duration = Duration::from_millis(1_000);

/// Small objects.
const OBJECTS: u64 = 10_000;

/// Bytes of a part: larger than a small object.
const PART_BYTES: u64 = 1_024;

/// How long a copy of all small objects takes under this limit, as `brigade copy --concurrency` wires it.
fn copying_lasts(at_once: AtOnce) -> Duration {
    let small = (0..OBJECTS).map(|number| placed(&format!("k/{number:06}"), 1, 16, Form::Checksum));
    copying(small.collect(), at_once).lasted
}

/// The same for one object of so many parts.
fn copying_parts(parts: u64) -> Copying {
    copying(vec![placed("large", 1, parts * PART_BYTES, Form::Checksum)], AtOnce::Auto)
}

/// A copy that has ended well.
struct Copying {
    lasted: Duration,
    /// What went to the target.
    sent: Sent,
}

fn copying(source: Vec<Placed>, at_once: AtOnce) -> Copying {
    let objects = u64::try_from(source.len()).expect("a number of objects");
    let base = sample(Pair::S3ToS3, vec![turn(Wanted::Copy)]);
    let scenario = Scenario { source, target: Vec::new(), page_items_max: 1_000, memory_bytes: 256 << 20, part_bytes: PART_BYTES, ..base };
    let stage = Stage::new(&scenario);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime without sockets starts");
    runtime.block_on(async {
        for side in [Side::Source, Side::Target] {
            stage.place(side).world.faults().add(Rule::new(&[], Action::Delay(LATENCY)));
        }
        let steps = Arc::new(Steps::new(stage.clone(), End::Whole, &[]));
        let seam = |side| Watched::new(stage.place(side).store(), steps.clone());
        let (source, target) = (seam(Side::Source), seam(Side::Target));
        let layered = |side, store: &Watched| {
            let layers = Layers {
                side,
                attempts_max: 1,
                limiter: Arc::new(Limiter::new(Limits::at_once(at_once))),
                observer: Arc::new(Silent),
                jitter: Jitter::seeded(1),
                hedging: Hedging::SlowReads,
            };
            Arc::new(Layered::new(Arc::new(store.clone()), Arc::new(layers)))
        };
        let opened = stage.state.open(steps.clone(), Past::Use).await.expect("the directory opens");
        let ends = Ends {
            source: layered(Side::Source, &source),
            target: layered(Side::Target, &target),
            server_copy: None,
            target_prefix: Vec::new(),
            source_deleter: None,
            target_deleter: None,
        };
        let job = Job { concurrency: at_once.most() * 2, ..job(&scenario, &scenario.turns[0], &stage) };
        let budget = Budget::new(job.memory_bytes);
        let begun = Instant::now();
        let finished = run(
            Run {
                job,
                observer: Arc::new(Silent),
                shown: ("source".into(), "target".into()),
                id: "one".into(),
                journal: opened.journal,
                baseline: opened.baseline,
                clean_records: None,
                resume: Resume::Continue,
                deletes: DeletePlan::default(),
                division: brigade_core::shard::DivisionLimits::default(),
                budget,
                cpu: CpuLane::Inline,
                stop: tokio_util::sync::CancellationToken::new(),
                now: stage.place(Side::Source).now(),
            },
            ends,
        );
        let finished = Box::pin(finished).await;
        assert_eq!((finished.outcome, finished.recorded.totals.objects.copied), (RunOutcome::Done, objects));
        Copying { lasted: begun.elapsed(), sent: target.sent() }
    })
}

#[test]
fn ten_thousand_small_objects_copy_at_85_percent_of_what_the_limit_allows() {
    for limit in [16, 64, 256] {
        let objects = u32::try_from(OBJECTS).expect("a number of objects");
        let least = LATENCY * objects / limit;
        let took = copying_lasts(AtOnce::Fixed(usize::try_from(limit).expect("a limit")));
        assert!(took.mul_f64(0.85) <= least, "{limit} at once: {took:?} where {least:?} are needed");
    }
}

#[test]
fn a_limit_that_is_found_out_costs_little_more_than_one_that_is_known() {
    let took = copying_lasts(AtOnce::Auto);
    let known = copying_lasts(AtOnce::Fixed(AtOnce::Auto.most()));
    assert!(took < known + FINDING_OUT, "{took:?} where {known:?} are enough");
}

#[test]
fn p08_parts_under_way_are_few_at_first_and_more_where_that_brings_more() {
    let part = LATENCY * 2;
    // What is the same for every object, such as probes, is left out.
    let few = copying_parts(34).lasted - copying_parts(2).lasted;
    assert!(few >= part * 32 / 8, "{few:?}: more than eight parts were under way at once");
    let many = copying_parts(2_000).lasted;
    assert!(many < part * 2_000 / 10, "{many:?}: fewer than ten parts were under way at once");
}

#[test]
fn parts_of_one_object_travel_on_tasks_of_their_own() {
    let sent = copying_parts(34).sent;
    assert_eq!((sent.parts.len(), sent.part_tasks.len()), (34, 34));
}
