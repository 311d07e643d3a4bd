//! One seed, one story: whatever a simulated store does can be seen again.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::door::Logged;
use crate::fault::{Occurrence, Struck};
use crate::world::{ManualClock, Snapshot};
use brigade_core::Entry;
use brigade_core::event::{Event, Observer, Side};
use brigade_core::limiter::AtOnce;
use brigade_store::Complete;
use brigade_store::layers::hedge::Hedging;
use brigade_store::layers::jitter::Jitter;
use brigade_store::layers::limit::{Limiter, Limits as RequestLimits};
use brigade_store::layers::{Layered, Layers};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Tasks that write and read at once.
const TASKS: usize = 8;
/// Objects of each of them.
const OBJECTS_PER_TASK: usize = 12;

/// Everything that can be seen of a run from outside.
#[derive(Debug, PartialEq)]
struct Story {
    requests: Vec<Logged>,
    struck: Vec<(usize, Op, Vec<u8>)>,
    events: Vec<String>,
    outcomes: Vec<String>,
    left: Snapshot,
    listed: Vec<Entry>,
    lasted: Duration,
}

#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Observer for Recorder {
    fn observe(&self, event: &Event) {
        self.0.lock().push(format!("{event:?}"));
    }
}

/// Writes an object, whole or in two parts, reads it back and deletes every third.
async fn one_object(store: &Layered<SimStore>, key: Key, number: usize) -> Result<()> {
    let bytes = Rope::from(vec![u8::try_from(number % 251).unwrap(); 1500 + number]);
    let sum = bytes.sum(Wanted::default());
    let spec = WriteSpec { metadata: Arc::default(), storage_class: None, when: When::IfAbsent };
    if number.is_multiple_of(2) {
        store.put(&key, &bytes, &sum, None, &spec).await?;
    } else {
        let size = bytes.size();
        let upload = store.create(&key, size, &spec).await?;
        let receipt = store.part(&upload, Part { number: 1, offset: 0, size }, &bytes, &sum).await?;
        store.complete(&upload, &Complete { parts: &[receipt], sum, spec: &spec }).await?;
    }
    let identity = store.head(&key).await?.identity;
    store.read(&ReadRequest { key: &key, part: None, size: sum.size, identity: &identity, wanted: Wanted::default() }).await?;
    if number.is_multiple_of(3) {
        store.delete(&[Deletion { key, identity }]).await?.remove(0)?;
    }
    Ok(())
}

async fn play(seed: u64, dialect: Dialect) -> Story {
    let begun = Instant::now();
    let clock = ManualClock::new(Timestamp::from_second(1_700_000_000).unwrap());
    let limits = Limits { part_bytes_min: 1000, page_items_max: 7, ..Limits::default() };
    let world = World::with(WorldOptions { clock: Arc::new(clock), limits, fault_seed: seed, ..WorldOptions::default() });
    world.create_bucket("b").unwrap();
    world.requests().start_log();
    world.faults().add(Rule::new(&[], Action::SLOW_DOWN).when(Occurrence::PerMillion(80_000)));
    world.faults().add(Rule::new(&[], Action::ResetAfter).when(Occurrence::PerMillion(60_000)));
    world.faults().add(Rule::new(&[], Action::Delay(Duration::from_millis(3))).when(Occurrence::PerMillion(300_000)));
    let recorder = Arc::new(Recorder::default());
    let limiter = Arc::new(Limiter::new(RequestLimits { requests_per_second: Some(900.0), ..RequestLimits::at_once(AtOnce::Fixed(5)) }));
    let layers = Layers {
        side: Side::Target,
        attempts_max: 6,
        limiter,
        observer: recorder.clone(),
        jitter: Jitter::seeded(seed),
        hedging: Hedging::Never,
    };
    let store = Layered::new(Arc::new(SimStore::new(world.clone(), "b", "p/", dialect)), Arc::new(layers));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            let mut outcomes = Vec::new();
            for object in 0..OBJECTS_PER_TASK {
                let result = one_object(&store, Key::from(format!("{task}/{object}").as_str()), task * OBJECTS_PER_TASK + object).await;
                outcomes.push(format!("{task}/{object}: {result:?}"));
            }
            outcomes
        });
    }
    let mut outcomes = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        outcomes.extend(ended.unwrap());
    }
    let mut listed = Vec::new();
    let mut pages = store.list(&KeyRange::all());
    while let Some(page) = pages.next().await.unwrap() {
        listed.extend(page);
    }
    let struck = world.faults().struck().into_iter().map(|Struck { rule, op, key }| (rule, op, key)).collect();
    let events = std::mem::take(&mut *recorder.0.lock());
    Story { requests: world.requests().log(), struck, events, outcomes, left: world.snapshot("b"), listed, lasted: begun.elapsed() }
}

fn story(seed: u64, dialect: Dialect) -> Story {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(play(seed, dialect))
}

#[test]
fn equal_scripts_with_equal_seeds_tell_equal_stories() {
    for dialect in [Dialect::S3, Dialect::Gcs] {
        let first = story(5, dialect);
        assert!(first.struck.len() > 50, "only {} faults struck", first.struck.len());
        assert!(first.left.objects.len() > TASKS, "{:?}", first.left);
        assert_eq!(first, story(5, dialect));
        assert_ne!(first.requests, story(6, dialect).requests);
    }
}
