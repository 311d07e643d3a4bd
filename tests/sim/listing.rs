//! Listing many keys at once: in virtual time, so that what a latency costs is exact and costs nothing.

use std::sync::Arc;
use std::time::Duration;

use brigade_core::event::Side;
use brigade_core::filter::FilterOptions;
use brigade_core::job::{Job, Mode};
use brigade_core::limiter::AtOnce;
use brigade_core::report::RunOutcome;
use brigade_core::shard::DivisionLimits;
use brigade_lab::fault::{Action, Occurrence, Op, Rule};
use brigade_lab::sim::{Dialect, SimStore};
use brigade_lab::sim_state::{SimState, Undisturbed};
use brigade_lab::world::{Content, Limits, NewObject, World, WorldOptions};
use brigade_pipeline::approval::DeletePlan;
use brigade_pipeline::cpu::CpuLane;
use brigade_pipeline::memory::Budget;
use brigade_pipeline::past::Resume;
use brigade_pipeline::{Ends, Finished, Run, run};
use brigade_state::Past;
use brigade_store::layers::hedge::Hedging;
use brigade_store::layers::jitter::Jitter;
use brigade_store::layers::limit::{Limiter, Limits as LayerLimits};
use brigade_store::layers::{Layered, Layers};
use tokio::runtime::Builder;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::Seen;
use crate::stage::BUCKET;

/// Keys of one page: a fifth of what stores give, so that 1,000 pages need a fifth of the keys.
const PAGE: usize = 200;

/// 1,000 pages, as of a million keys in pages of 1,000.
const KEYS: usize = 1_000 * PAGE;

/// What every request takes.
const LATENCY: Duration = Duration::from_millis(50);

/// Listings at once are bounded by this as well.
const CONCURRENCY: usize = 64;

fn world(keys: impl IntoIterator<Item = String>) -> Arc<World> {
    let world = World::with(WorldOptions {
        limits: Limits { part_bytes_min: 1_024, page_items_max: PAGE, ..Limits::default() },
        ..WorldOptions::default()
    });
    world.populate(BUCKET, keys, &NewObject::of(Content::from("the same"))).expect("short names");
    world.faults().add(Rule::new(&[Op::List, Op::Get, Op::Put], Action::Delay(LATENCY)).when(Occurrence::Every));
    world
}

/// What a run showed.
struct Shown {
    finished: Finished,
    took: Duration,
    /// Pages of the source and of the target.
    pages: [u64; 2],
    /// Keys in the order in which they were decided.
    decided: Vec<String>,
    /// Most keys of the source that were listed and not decided.
    ahead_max: usize,
}

fn sync(source: &Arc<World>, target: &Arc<World>, concurrency: usize, state: &SimState) -> Shown {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime without threads");
    runtime.block_on(async {
        let seen = Arc::new(Seen::default());
        let store = |side, world: &Arc<World>| {
            let limiter = Arc::new(Limiter::new(LayerLimits::at_once(AtOnce::Fixed(concurrency))));
            let layers =
                Layers { side, attempts_max: 3, limiter, observer: seen.clone(), jitter: Jitter::seeded(1), hedging: Hedging::Never };
            Arc::new(Layered::new(Arc::new(SimStore::new(world.clone(), BUCKET, "", Dialect::S3)), Arc::new(layers)))
        };
        let opened = state.open(Arc::new(Undisturbed), Past::Use).await.expect("a disk that is not disturbed");
        let now = source.now();
        let filter = FilterOptions::default().build(now).expect("no filter");
        let pages = |world: &World| world.requests().counts().of(Op::List);
        let (before, began) = ([pages(source), pages(target)], Instant::now());
        let job = Job { mode: Mode::Sync, concurrency, ..Job::copy(filter) };
        let budget = Budget::new(job.memory_bytes);
        let run_of = Run {
            job,
            observer: seen.clone(),
            shown: ("source".into(), "target".into()),
            id: "run".into(),
            journal: opened.journal.clone(),
            baseline: opened.baseline,
            clean_records: None,
            resume: Resume::Continue,
            deletes: DeletePlan::default(),
            division: DivisionLimits { keys_known_min: 8 * u64::try_from(PAGE).expect("a few"), ..DivisionLimits::default() },
            budget,
            cpu: CpuLane::Inline,
            stop: CancellationToken::new(),
            now,
        };
        let ends = Ends {
            source: store(Side::Source, source),
            target: store(Side::Target, target),
            server_copy: None,
            target_prefix: Vec::new(),
            source_deleter: None,
            target_deleter: None,
        };
        let finished = Box::pin(run(run_of, ends)).await;
        let took = began.elapsed();
        state.finish(&opened.journal, finished.ending).await.expect("a disk that is not disturbed");
        let pages = [pages(source) - before[0], pages(target) - before[1]];
        let told = seen.told();
        let decided = told.decided.iter().map(|outcome| outcome.key.to_string()).collect();
        Shown { finished, took, pages, decided, ahead_max: told.ahead_max }
    })
}

fn counters(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("registry/blobs/sha256/{number:012}"))
}

#[track_caller]
fn all_were_decided_once(shown: &Shown, keys: usize) {
    assert_eq!(shown.finished.outcome, RunOutcome::Done, "{:?}", shown.finished.reason);
    let mut decided = shown.decided.clone();
    decided.sort_unstable();
    assert!(decided.iter().cloned().eq(counters(keys)), "every key is decided once: {} of {keys}", decided.len());
}

#[test]
fn p09_flat_keys_are_listed_twelve_times_faster_than_by_one_stream_and_each_is_decided_once() {
    let (source, target) = (world(counters(KEYS)), world(counters(KEYS)));
    let serial = sync(&source, &target, 1, &SimState::new(1));
    all_were_decided_once(&serial, KEYS);
    assert_eq!(serial.pages, [1_000; 2], "one stream asks for every page once");

    let parallel = sync(&source, &target, CONCURRENCY, &SimState::new(1));
    all_were_decided_once(&parallel, KEYS);
    println!("{KEYS} keys in pages of {PAGE}: {:?} by one stream, {:?} divided, {:?} pages", serial.took, parallel.took, parallel.pages);
    assert!(parallel.took * 12 <= serial.took, "{:?} and {:?}", parallel.took, serial.took);
    assert!(parallel.pages.iter().all(|pages| *pages <= 1_100 + 48), "{:?}", parallel.pages);
}

#[test]
fn what_the_last_run_left_known_divides_the_next_listing_from_its_first_page() {
    let keys = KEYS / 4;
    let (source, target) = (world(counters(keys)), world(counters(keys)));
    let state = SimState::new(1);
    all_were_decided_once(&sync(&source, &target, CONCURRENCY, &state), keys);
    assert_eq!(state.baseline().len(), keys, "a clean run leaves what it knows");
    let again = sync(&source, &target, CONCURRENCY, &state);
    all_were_decided_once(&again, keys);
    println!("{keys} keys, known: {:?}, {:?} pages", again.took, again.pages);
    // One stream takes 250 times the latency, and a runner more than 250 / 24.
    assert!(again.took * 12 <= LATENCY * 250, "{:?}", again.took);
    assert!(again.pages.iter().all(|pages| *pages <= 275 + 48), "{:?}", again.pages);
}

#[test]
fn a_listing_of_three_pages_costs_not_one_request_more() {
    for keys in [0, 1, PAGE, 3 * PAGE - 1, 3 * PAGE] {
        let (source, target) = (world(counters(keys)), world(counters(keys)));
        let shown = sync(&source, &target, CONCURRENCY, &SimState::new(1));
        all_were_decided_once(&shown, keys);
        let pages = u64::try_from(keys.div_ceil(PAGE).max(1)).expect("a few");
        assert_eq!(shown.pages, [pages; 2], "{keys} keys");
    }
}

#[test]
fn p08_listings_wait_where_copies_are_slow() {
    // Every copy takes two requests, two at once: what is listed ahead is bounded by the places for it, not by the time there is.
    let keys = 20 * PAGE;
    let (source, target) = (world(counters(keys)), world(std::iter::empty()));
    let shown = sync(&source, &target, 2, &SimState::new(1));
    all_were_decided_once(&shown, keys);
    assert!(shown.took >= LATENCY * u32::try_from(keys).expect("a few"), "{:?}", shown.took);
    let listed = shown.ahead_max;
    println!("{listed} keys of the source were listed ahead at most");
    // Actions, lanes and pages that wait, and what the workers have in hand.
    assert!(listed <= 2 * 1_024 + 2 * 3 * PAGE + 1_024, "{listed} keys were listed ahead");
}
