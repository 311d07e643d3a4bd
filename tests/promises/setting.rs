//! One source, one target, known originals; and the judgement that every run must pass, whatever went wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use brigade_lab::fault::{Action, Occurrence, Op, Rule};
use brigade_lab::world::{Content, World};
use serde_json::Value;

use crate::support::{BUCKET, Lab, Ran, contents};

/// 2^20 bytes.
pub const MIB: u64 = 1 << 20;

/// A small object of every sample.
pub const SMALL: &str = "b/small.bin";

/// A large object of every sample: three parts of [`PART_SIZE`].
pub const LARGE: &str = "large.bin";

/// Size of [`LARGE`] in bytes.
pub const LARGE_BYTES: u64 = 11 * MIB + 13;

/// The least part that the clouds take, so that few bytes make many parts.
pub const PART_SIZE: &str = "5M";

/// Glob of the sample's keys and of the staging names of its large object, but not of what probes write.
pub const SAMPLE: &str = "*.bin";

/// Inserts that the probe of a GCS target makes before the first copy. An insert names its key in its body, which the door does
/// not see: there a rule for puts counts them instead.
const GCS_PROBE_INSERTS: u64 = 4;

/// Everything that changes a world.
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
    Op::Delete,
    Op::DeleteBatch,
    Op::DeleteEntry,
    Op::Patch,
    Op::ResumableStart,
    Op::ResumableChunk,
];

/// From where to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    S3ToS3,
    S3ToGcs,
    GcsToS3,
}

/// How often a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Often {
    Once,
    Always,
}

/// Two worlds, and every version of every object that somebody other than the engine wrote into them.
pub struct Setting {
    pub lab: Lab,
    pub pair: Pair,
    known: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    lost: BTreeSet<Vec<u8>>,
}

impl Setting {
    /// Empty worlds.
    pub async fn empty(pair: Pair) -> Self {
        Self { lab: Lab::start().await, pair, known: BTreeMap::new(), lost: BTreeSet::new() }
    }

    /// The sample: an empty object, small ones and one in three parts.
    pub async fn sample(pair: Pair) -> Self {
        let mut setting = Self::empty(pair).await;
        for (seed, key, size) in [(1, "a/empty.bin", 0), (2, SMALL, 70_000), (3, LARGE, LARGE_BYTES), (4, "z.bin", 1_000)] {
            setting.original(key, Content::pattern(seed, size));
        }
        setting
    }

    /// A setting, and a rule that strikes at writes of one of its originals by this operation: at all of them or only at the first.
    pub async fn written(pair: Pair, op: Op, action: Action, often: Often) -> (Self, &'static str) {
        let key = if op == Op::Put { SMALL } else { LARGE };
        let counted = pair == Pair::S3ToGcs && op == Op::Put;
        let setting = match counted {
            true => {
                let mut setting = Self::empty(pair).await;
                setting.original(SMALL, Content::pattern(2, 70_000));
                setting
            }
            false => Self::sample(pair).await,
        };
        let rule = Rule::new(&[op], action);
        setting.in_target_fault(match (counted, often) {
            (true, Often::Once) => rule.when(Occurrence::Nth(GCS_PROBE_INSERTS + 1)),
            (true, Often::Always) => rule.when(Occurrence::From(GCS_PROBE_INSERTS + 1)),
            (false, Often::Once) => rule.glob(format!("*{key}")).once(),
            (false, Often::Always) => rule.glob(format!("*{key}")),
        });
        (setting, key)
    }

    /// `count` small objects, `k000.bin` and on.
    pub async fn many(pair: Pair, count: u64) -> Self {
        let mut setting = Self::empty(pair).await;
        for number in 0..count {
            setting.original(&format!("k{number:03}.bin"), Content::pattern(number, 100 + number));
        }
        setting
    }

    pub fn source(&self) -> &Arc<World> {
        if self.pair == Pair::GcsToS3 { self.lab.gcs.world() } else { self.lab.s3.world() }
    }

    pub fn target(&self) -> &Arc<World> {
        if self.pair == Pair::S3ToGcs { self.lab.gcs_other.world() } else { self.lab.s3_other.world() }
    }

    /// SOURCE and TARGET as arguments.
    pub fn places(&self) -> [&'static str; 2] {
        match self.pair {
            Pair::S3ToS3 => ["one:data", "two:data"],
            Pair::S3ToGcs => ["one:data", "h:data"],
            Pair::GcsToS3 => ["g:data", "two:data"],
        }
    }

    /// Puts an original into the source.
    pub fn original(&mut self, key: &str, content: impl Into<Content>) {
        let content = content.into();
        self.source().seed(BUCKET, key, content.clone()).unwrap();
        self.version(key, &content);
    }

    /// Puts an object into the target, as somebody else.
    pub fn in_target(&mut self, key: &str, content: impl Into<Content>) {
        let content = content.into();
        self.target().seed(BUCKET, key, content.clone()).unwrap();
        self.by_somebody(key, &content);
    }

    /// Says that somebody else may have put this into the target.
    pub fn by_somebody(&mut self, key: &str, content: &Content) {
        self.known.entry(key.into()).or_default().insert(0, content.body().to_bytes().unwrap().to_vec());
    }

    /// Says that a fault may bring this newer version into the source.
    pub fn version(&mut self, key: &str, content: &Content) {
        self.known.entry(key.into()).or_default().push(content.body().to_bytes().unwrap().to_vec());
    }

    /// Says that a fault, not the engine, removes this original.
    pub fn lost(&mut self, key: &str) {
        self.lost.insert(key.into());
    }

    pub fn in_source_fault(&self, rule: Rule) {
        self.source().faults().add(rule);
    }

    pub fn in_target_fault(&self, rule: Rule) {
        self.target().faults().add(rule);
    }

    /// Runs a command between the two places and judges what it left.
    pub async fn run(&self, command: &str, more: &[&str]) -> Ran {
        let ran = self.run_unjudged(command, more).await;
        self.judge(&ran);
        ran
    }

    /// Runs a command between the two places, with events.
    pub async fn run_unjudged(&self, command: &str, more: &[&str]) -> Ran {
        let events = self.events_path();
        let _ = std::fs::remove_file(&events);
        let arguments = [&[command], &self.places()[..], &["--part-size", PART_SIZE, "--events", &events], more].concat();
        let before = Self::writes(self.source());
        let ran = self.lab.transfer(&arguments).await;
        assert!(command == "migrate" || Self::writes(self.source()) == before, "p01: `{command}` never writes to its source");
        ran
    }

    fn events_path(&self) -> String {
        self.lab.path("events.jsonl").display().to_string()
    }

    /// The last run's events.
    pub fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.events_path()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What must hold after every run:
    /// every object of the target is a whole version that somebody wrote under that key; every key that was reported as copied
    /// is there; whatever is gone from the source is in the target in its newest version; no upload and no staging object is
    /// left, but such as the next run goes on with; the books balance; and each key was decided once.
    #[track_caller]
    pub fn judge(&self, ran: &Ran) {
        assert!(ran.report.is_object(), "a run leaves a report, exit code {}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
        let said = || format!("exit code {}\n{}\n{}\n{}", ran.code, ran.stdout, ran.stderr, ran.report);
        ran.balances();
        let source: BTreeMap<_, _> = contents(self.source()).into_iter().collect();
        let target: BTreeMap<_, _> = contents(self.target()).into_iter().collect();
        for (key, bytes) in &target {
            let whole = self.known.get(key).is_some_and(|versions| versions.contains(bytes));
            assert!(whole, "the target holds {} bytes under `{}` that nobody wrote\n{}", bytes.len(), show(key), said());
        }
        for (key, versions) in &self.known {
            if !source.contains_key(key) && !self.lost.contains(key) {
                assert!(target.get(key) == versions.last(), "`{}` is gone from the source without a copy\n{}", show(key), said());
            }
        }
        assert!(self.target().uploads_under_way(BUCKET) <= uploads_that_may_stay(ran), "an upload is left\n{}", said());
        self.judge_events(ran, &target);
    }

    #[track_caller]
    fn judge_events(&self, ran: &Ran, target: &BTreeMap<Vec<u8>, Vec<u8>>) {
        let mut seen = BTreeSet::new();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for event in self.events() {
            let Some(key) = event["key"].as_str() else { continue };
            assert!(seen.insert(key.to_owned()), "`{key}` was decided twice");
            let name = event["event"].as_str().unwrap();
            *counts.entry(name.to_owned()).or_default() += 1;
            assert!(name != "copied" || target.contains_key(key.as_bytes()), "`{key}` is reported as copied, and is not there");
        }
        let count = |name: &str| counts.get(name).copied().unwrap_or_default();
        for name in ["copied", "kept", "skipped", "unknown"] {
            if count("planned") == 0 {
                assert_eq!(ran.objects(name), count(name), "{name}: the report and the events agree\n{}", ran.report);
            }
        }
    }

    /// The target holds exactly the newest version of every original, and nothing else.
    #[track_caller]
    pub fn arrived(&self) {
        let target: BTreeMap<_, _> = contents(self.target()).into_iter().collect();
        let newest = self.known.iter().filter(|(key, _)| !self.lost.contains(*key)).map(|(key, versions)| (key, versions.last().unwrap()));
        let expected: BTreeMap<_, _> = newest.collect();
        assert_eq!(target.keys().map(|key| show(key)).collect::<Vec<_>>(), expected.keys().map(|key| show(key)).collect::<Vec<_>>());
        for (key, bytes) in expected {
            assert!(target[key] == *bytes, "`{}` is not the newest version", show(key));
        }
    }

    /// No original was deleted: each is there, in one version or another.
    #[track_caller]
    pub fn originals_are_there(&self) {
        let source = self.source().keys(BUCKET);
        for key in self.known.keys().filter(|key| !self.lost.contains(*key)) {
            assert!(source.contains(key), "`{}` is gone from the source", show(key));
        }
    }

    /// p12: an upload that stayed open for the next run is left by no run that comes to its end: without faults, everything
    /// arrives and nothing else stays.
    pub async fn next_run_leaves_no_upload(&self) {
        assert_eq!(self.target().uploads_under_way(BUCKET), 1, "the upload stayed for the next run");
        for world in [self.source(), self.target()] {
            world.faults().clear();
        }
        self.run("copy", &[]).await.expect(0);
        assert_eq!(self.target().uploads_under_way(BUCKET), 0, "an upload is left");
        self.arrived();
    }

    /// The scripted faults did strike: a test of a fault that never comes proves nothing.
    #[track_caller]
    pub fn struck(&self) {
        let struck = self.source().faults().struck().len() + self.target().faults().struck().len();
        assert!(struck > 0, "no fault struck");
    }

    /// Changes that came through any door of a world.
    pub fn writes(world: &World) -> u64 {
        let counts = world.requests().counts();
        WRITES.iter().map(|op| counts.of(*op)).sum()
    }
}

/// Errors that say nothing of an object, so that the next run may go on with its upload.
const TRANSIENT: [&str; 5] = ["network", "race", "stalled", "throttled", "unavailable"];

/// Uploads that a run may leave open for the next one: of objects that failed for a transient reason, and whatever was under way
/// when it was stopped.
fn uploads_that_may_stay(ran: &Ran) -> usize {
    match ran.report["outcome"].as_str().unwrap() {
        "interrupted" | "failed" => usize::MAX,
        _ => ran.failures().iter().filter(|(_, kind)| TRANSIENT.contains(&kind.as_str())).count(),
    }
}

/// A key for people.
pub fn show(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

/// The one failure of a report: its key, status, kind and message.
#[track_caller]
pub fn only_failure(ran: &Ran) -> (String, String, String, String) {
    let failures = ran.report["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1, "{}", ran.report);
    let text = |name: &str| failures[0][name].as_str().unwrap().to_owned();
    assert!(!text("hint").is_empty(), "a failure says what to do");
    (text("key"), text("status"), text("kind"), text("message"))
}

/// The one failure of a report is of this key, with this status and kind.
#[track_caller]
pub fn fails_as(ran: &Ran, key: &str, status: &str, kind: &str) {
    let (found, found_status, found_kind, message) = only_failure(ran);
    assert_eq!((found.as_str(), found_status.as_str(), found_kind.as_str()), (key, status, kind), "{message}");
}

/// A test for several pairs.
macro_rules! for_pairs {
    ($($(#[$meta:meta])* $name:ident($($pair:ident),+ $(,)?) = $body:path;)*) => {
        $($(#[$meta])*
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            for pair in [$($crate::setting::Pair::$pair),+] {
                println!("{pair:?}");
                $body(pair).await;
            }
        })*
    };
}
pub(crate) use for_pairs;
