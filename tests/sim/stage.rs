//! Two worlds, their clocks, the job's directory, and the book of everything that others did.

use std::sync::Arc;
use std::time::Duration;

use brigade_core::KeyRules;
use brigade_core::event::Side;
use brigade_core::job::MetadataPolicy;
use brigade_lab::fault::Op;
use brigade_lab::sim::{Dialect, SimStore};
use brigade_lab::sim_state::SimState;
use brigade_lab::world::{
    Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, Conditions, Content, LabClock, Limits, ManualClock, NewObject, Object,
    ObjectPart, World, WorldOptions,
};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::book::Book;
use crate::scenario::{Form, Mutation, Placed, Scenario};

/// The bucket of either end.
pub const BUCKET: &str = "data";

/// The bucket of the target, where both ends are one provider.
const BUCKET_INSIDE: &str = "copies";

/// The largest object that is copied inside a provider by one request, in bytes: less than the largest of a scenario.
const COPY_BYTES_MAX: u64 = 4_096;

/// The user metadata that says which version an object is, so that metadata and bytes of two versions are never mixed unseen.
pub const VERSION: &str = "sim-version";

/// Everything that changes a store.
pub const WRITES: [Op; 15] = [
    Op::Put,
    Op::CreateUpload,
    Op::PutPart,
    Op::CopyPart,
    Op::CompleteUpload,
    Op::AbortUpload,
    Op::Copy,
    Op::Compose,
    Op::Move,
    Op::Patch,
    Op::ResumableStart,
    Op::ResumableChunk,
    Op::Delete,
    Op::DeleteBatch,
    Op::DeleteEntry,
];

/// Those of [`WRITES`] that only delete.
const DELETES: [Op; 3] = [Op::Delete, Op::DeleteBatch, Op::DeleteEntry];

/// Parts that others made their objects of, in bytes.
const FOREIGN_PART_BYTES: u64 = 1_500;

/// Time that passes with every step.
const STEP: Duration = Duration::from_millis(7);

/// The first moment of every scenario: 2026-01-01.
const START_SECOND: i64 = 1_767_225_600;

/// One end.
pub struct Place {
    pub world: Arc<World>,
    pub bucket: &'static str,
    clock: Arc<ManualClock>,
    prefix: &'static str,
    dialect: Dialect,
}

/// Everything that outlives a run.
pub struct Stage {
    source: Place,
    target: Place,
    pub state: SimState,
    pub rival_state: SimState,
    pub book: Mutex<Book>,
}

impl Place {
    fn new(scenario: &Scenario, dialect: Dialect, prefix: &'static str, start: Timestamp) -> Self {
        let clock = Arc::new(ManualClock::new(start));
        let world = World::with(WorldOptions {
            clock: clock.clone(),
            limits: Limits { part_bytes_min: 1_024, copy_bytes_max: COPY_BYTES_MAX, page_items_max: scenario.page_items_max },
            fault_seed: scenario.seed,
            ..WorldOptions::default()
        });
        world.ensure_bucket(BUCKET);
        // Which of the buckets a request is about is seen in the log only.
        world.requests().start_log();
        Self { world, bucket: BUCKET, clock, prefix, dialect }
    }

    /// Another bucket of the same provider.
    fn inside(&self, prefix: &'static str) -> Self {
        self.world.ensure_bucket(BUCKET_INSIDE);
        Self { world: self.world.clone(), bucket: BUCKET_INSIDE, clock: self.clock.clone(), prefix, dialect: self.dialect }
    }

    /// The full name of a key.
    pub fn name(&self, key: &[u8]) -> Vec<u8> {
        [self.prefix.as_bytes(), key].concat()
    }

    /// The object of a key.
    pub fn peek(&self, key: &[u8]) -> Option<Arc<Object>> {
        self.world.peek(self.bucket, self.name(key)).ok()
    }

    /// Keys and objects below the prefix, in order.
    pub fn objects(&self) -> Vec<(Vec<u8>, Arc<Object>)> {
        let all = self.world.objects(self.bucket).into_iter();
        all.filter_map(|(name, object)| Some((name.strip_prefix(self.prefix.as_bytes())?.to_vec(), object))).collect()
    }

    /// What the engine calls this version.
    pub fn identity(&self, object: &Object) -> brigade_core::Identity {
        match self.dialect {
            Dialect::S3 => brigade_core::Identity::etag(&object.etag.to_string()),
            Dialect::Gcs => brigade_core::Identity::Generation(object.generation),
        }
    }

    /// A store over it, for one run.
    pub fn store(&self) -> SimStore {
        SimStore::new(self.world.clone(), self.bucket, self.prefix, self.dialect)
    }

    /// The present moment here.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Requests that changed something, and those of them that did not only delete.
    pub fn writes(&self) -> (u64, u64) {
        let log = self.world.requests().log();
        let here = log.iter().filter(|call| call.bucket == self.bucket && WRITES.contains(&call.op));
        here.fold((0, 0), |(all, others), call| (all + 1, others + u64::from(!DELETES.contains(&call.op))))
    }

    /// Somebody writes an object, where the store takes such a name.
    fn put(&self, placed: &Placed) -> Option<Arc<Object>> {
        let rules = match self.dialect {
            Dialect::S3 => KeyRules::S3,
            Dialect::Gcs => KeyRules::Gcs,
        };
        if rules.unfit(&self.name(&placed.key)).is_some() {
            return None;
        }
        self.world.put(self.bucket, &self.name(&placed.key), object_of(placed), &Conditions::NONE).ok()
    }
}

fn object_of(placed: &Placed) -> NewObject {
    let whole = Content::pattern(placed.version, placed.size);
    let attributes = Attributes {
        content_type: Some(format!("application/x-{}", placed.version % 5)),
        metadata: [(VERSION.to_owned(), placed.version.to_string())].into_iter().collect(),
        ..Attributes::default()
    };
    let algorithm = match placed.form {
        Form::Checksum | Form::PartsChecksum => Some(ChecksumAlgorithm::Crc32c),
        Form::Checksum64 | Form::PartsChecksum64 => Some(ChecksumAlgorithm::Crc64Nvme),
        Form::Whole | Form::Parts => None,
    };
    let checksum = |content: &Content| {
        let algorithm = algorithm?;
        let value = content.checksum(algorithm).expect("the bytes are there");
        Some(Checksum { algorithm, kind: ChecksumKind::FullObject, value: value.into() })
    };
    let kept = checksum(&whole);
    if matches!(placed.form, Form::Whole | Form::Checksum | Form::Checksum64) || placed.size == 0 {
        return NewObject { checksum: kept, attributes: Arc::new(attributes), ..NewObject::of(whole) };
    }
    let bytes = whole.body().to_bytes().expect("the bytes are there");
    let chunk = usize::try_from(FOREIGN_PART_BYTES).expect("a part fits in memory");
    let contents: Vec<Content> = bytes.chunks(chunk).map(|part| Content::from(bytes::Bytes::copy_from_slice(part))).collect();
    let parts: Vec<ObjectPart> =
        (1..).zip(&contents).map(|(number, content)| ObjectPart { number, size: content.size(), checksum: checksum(content) }).collect();
    let content = Content::concat(&contents.iter().collect::<Vec<_>>());
    NewObject { checksum: kept, parts: Some(parts.into()), attributes: Arc::new(attributes), ..NewObject::of(content) }
}

impl Stage {
    /// The worlds as the scenario begins.
    pub fn new(scenario: &Scenario) -> Arc<Self> {
        let (source, target) = scenario.pair.dialects();
        let start = Timestamp::from_second(START_SECOND).expect("a moment of this century");
        let ahead = start.saturating_add(SignedDuration::from_secs(scenario.skew_seconds)).expect("a moment of this century");
        let source = Place::new(scenario, source, scenario.source_prefix, start);
        let target = match scenario.pair.is_inside() {
            true => source.inside(scenario.target_prefix),
            false => Place::new(scenario, target, scenario.target_prefix, ahead),
        };
        let stage = Self {
            source,
            target,
            state: SimState::new(scenario.seed),
            rival_state: SimState::new(scenario.seed ^ 1),
            book: Mutex::default(),
        };
        stage.book.lock().bare = scenario.metadata == MetadataPolicy::None;
        for (side, objects) in [(Side::Source, &scenario.source), (Side::Target, &scenario.target)] {
            for placed in objects {
                stage.mutate(&Mutation::Write(side, placed.clone()));
                stage.tick();
            }
        }
        // What lies beside the places is nobody's business.
        for place in [&stage.source, &stage.target] {
            if !place.prefix.is_empty() {
                place.world.seed(place.bucket, "beside", Content::pattern(0, 10)).expect("a short name");
            }
        }
        Arc::new(stage)
    }

    /// One end.
    pub fn place(&self, side: Side) -> &Place {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    /// A step's time passes.
    pub fn tick(&self) {
        self.source.clock.advance(STEP);
        self.target.clock.advance(STEP);
    }

    /// Time passes between two runs.
    pub fn pass(&self, time: Duration) {
        self.source.clock.advance(time);
        self.target.clock.advance(time);
    }

    fn delete(&self, book: &mut Book, side: Side, key: &[u8]) {
        book.look(self, side, key);
        let place = self.place(side);
        place.world.vanish(place.bucket, place.name(key));
        book.deleted(side, key);
    }

    /// Somebody does something.
    pub fn mutate(&self, mutation: &Mutation) {
        let mut book = self.book.lock();
        match mutation {
            Mutation::Write(side, placed) => {
                book.look(self, *side, &placed.key);
                if let Some(object) = self.place(*side).put(placed) {
                    book.written(self, *side, &placed.key, &object);
                }
            }
            Mutation::Delete(side, key) => self.delete(&mut book, *side, key),
            Mutation::Thin(side, every) => {
                let keys = self.place(*side).objects();
                for (_, (key, _)) in keys.iter().enumerate().filter(|(at, _)| at % every != 0) {
                    self.delete(&mut book, *side, key);
                }
            }
            Mutation::ExpireUploads => drop(self.target.world.expire_uploads(self.target.bucket)),
            Mutation::Clock(side, seconds) => {
                let clock = &self.place(*side).clock;
                clock.set(clock.now().saturating_add(SignedDuration::from_secs(*seconds)).expect("a moment of this century"));
            }
        }
    }
}
