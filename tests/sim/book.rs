//! The model: every version that anybody ever wrote under each key, and what must be where at this moment.
//!
//! The engine's deeds are found by looking: what others did is written down when they do it, so whatever differs from that was
//! done by the engine.

use std::collections::{BTreeMap, BTreeSet};

use brigade_core::Identity;
use brigade_core::event::Side;
use brigade_lab::world::Object;
use bytes::Bytes;

use crate::stage::{Stage, VERSION};
use crate::violation::Violation;

/// One version of one object.
#[derive(Clone, Debug)]
pub struct Version {
    pub content: Bytes,
    pub generation: u64,
    pub identity: Identity,
    pub label: Option<String>,
}

/// A version that the engine removed.
#[derive(Clone, Debug)]
pub struct Gone {
    pub key: Vec<u8>,
    pub version: Version,
    /// Of an original: whether its content was in the target then.
    pub in_target: bool,
}

/// What happened during the present run.
#[derive(Clone, Debug, Default)]
pub struct Now {
    /// Originals that were there when the run began, and that nobody touched since.
    pub steady: BTreeMap<Vec<u8>, Version>,
    /// Keys that the source held at some moment of the run.
    pub present: BTreeSet<Vec<u8>>,
    /// Keys that somebody else wrote or deleted in the target during the run.
    pub touched: BTreeSet<Vec<u8>>,
    /// Objects of the target when the run began.
    pub target_before: u64,
    /// What others wrote into the target during the run, each key with its newest version.
    pub foreign: BTreeMap<Vec<u8>, Version>,
    /// Originals that the engine deleted.
    pub originals_gone: Vec<Gone>,
    /// Objects of the target that the engine deleted.
    pub extras_gone: Vec<Gone>,
}

/// Originals of which the engine's directory has a record.
#[derive(Clone, Debug, Default)]
pub struct Originals {
    pub surely: BTreeSet<Vec<u8>>,
    pub perhaps: BTreeSet<Vec<u8>>,
}

/// See the module.
#[derive(Default)]
pub struct Book {
    source: BTreeMap<Vec<u8>, Version>,
    source_ever: BTreeMap<Vec<u8>, Vec<Version>>,
    target: BTreeMap<Vec<u8>, Version>,
    target_others: BTreeMap<Vec<u8>, Vec<Version>>,
    target_seen: BTreeMap<Vec<u8>, Vec<Bytes>>,
    pub now: Now,
    /// Originals that the engine must know of, and those that it may know of: the first are never more than it knows, the others never less.
    pub known: Originals,
    /// Whether the target may spoil what it stores in this run: then its objects are judged when the run is over.
    pub spoils: bool,
    /// Whether copies carry no metadata.
    pub bare: bool,
    pub violations: Vec<Violation>,
}

fn version_of(stage: &Stage, side: Side, object: &Object) -> Version {
    Version {
        content: object.body().to_bytes().expect("the bytes are kept"),
        generation: object.generation,
        identity: stage.place(side).identity(object),
        label: object.attributes.metadata.get(VERSION).cloned(),
    }
}

impl Book {
    /// A run begins.
    pub fn begin(&mut self, stage: &Stage) {
        self.look_at_all(stage);
        self.now = Now {
            steady: self.source.clone(),
            present: self.source.keys().cloned().collect(),
            target_before: u64::try_from(self.target.len()).expect("a count fits in 64 bits"),
            ..Now::default()
        };
    }

    /// What the source holds.
    pub fn source(&self) -> &BTreeMap<Vec<u8>, Version> {
        &self.source
    }

    /// What the target held at the last look.
    pub fn target(&self) -> &BTreeMap<Vec<u8>, Version> {
        &self.target
    }

    /// Looks at every key of both ends.
    pub fn look_at_all(&mut self, stage: &Stage) {
        for side in [Side::Source, Side::Target] {
            let known = if side == Side::Source { &self.source } else { &self.target };
            let mut keys: BTreeSet<Vec<u8>> = known.keys().cloned().collect();
            keys.extend(stage.place(side).objects().into_iter().map(|(key, _)| key));
            for key in keys {
                self.look(stage, side, &key);
            }
        }
    }

    /// Looks at one key, and takes note of what the engine did to it.
    pub fn look(&mut self, stage: &Stage, side: Side, key: &[u8]) {
        let found = stage.place(side).peek(key).map(|object| version_of(stage, side, &object));
        match side {
            Side::Source => self.look_at_original(stage, key, found),
            Side::Target => self.look_at_copy(key, found),
        }
    }

    fn look_at_original(&mut self, stage: &Stage, key: &[u8], found: Option<Version>) {
        let expected = self.source.get(key);
        match (expected, found) {
            (None, None) => {}
            (Some(expected), Some(found)) if expected.generation == found.generation && expected.content == found.content => {}
            (Some(expected), None) => {
                let copy = stage.place(Side::Target).peek(key).map(|object| version_of(stage, Side::Target, &object));
                let held = copy.is_some_and(|copy| copy.content == expected.content);
                let seen = self.now.touched.contains(key) && self.target_seen.get(key).is_some_and(|seen| seen.contains(&expected.content));
                let gone = Gone { key: key.to_vec(), version: expected.clone(), in_target: held || seen };
                self.now.originals_gone.push(gone);
                self.source.remove(key);
            }
            (_, Some(_)) => self.violations.push(Violation::of(1, key, "the engine wrote to the source")),
        }
    }

    fn look_at_copy(&mut self, key: &[u8], found: Option<Version>) {
        let Some(found) = found else {
            if let Some(version) = self.target.remove(key) {
                self.now.extras_gone.push(Gone { key: key.to_vec(), version, in_target: false });
            }
            return;
        };
        if !self.spoils {
            self.judge_copy(key, &found);
        }
        let seen = self.target_seen.entry(key.to_vec()).or_default();
        if !seen.contains(&found.content) {
            seen.push(found.content.clone());
        }
        self.target.insert(key.to_vec(), found);
    }

    fn judge_copy(&mut self, key: &[u8], found: &Version) {
        let originals = self.source_ever.get(key).into_iter().flatten();
        let mut written = originals.chain(self.target_others.get(key).into_iter().flatten()).peekable();
        if written.peek().is_none() {
            self.violations.push(Violation::of(14, key, "nobody ever wrote anything under this key"));
            return;
        }
        let mut whole = written.filter(|version| version.content == found.content).peekable();
        if whole.peek().is_none() {
            let message = format!("the target holds {} bytes that are no version of this key", found.content.len());
            self.violations.push(Violation::of(2, key, message));
        } else if !whole.any(|version| version.label == found.label || (self.bare && found.label.is_none())) {
            let message = format!("the bytes are one version, the metadata those of another ({:?})", found.label);
            self.violations.push(Violation::of(7, key, message));
        }
    }

    /// Somebody wrote this.
    pub fn written(&mut self, stage: &Stage, side: Side, key: &[u8], object: &Object) {
        let version = version_of(stage, side, object);
        let (now, ever) = match side {
            Side::Source => (&mut self.source, &mut self.source_ever),
            Side::Target => (&mut self.target, &mut self.target_others),
        };
        now.insert(key.to_vec(), version.clone());
        ever.entry(key.to_vec()).or_default().push(version.clone());
        if side == Side::Target {
            self.target_seen.entry(key.to_vec()).or_default().push(version.content.clone());
            self.now.foreign.insert(key.to_vec(), version);
        }
        self.disturbed(side, key);
        if side == Side::Source {
            self.now.present.insert(key.to_vec());
        }
    }

    /// Somebody deleted this.
    pub fn deleted(&mut self, side: Side, key: &[u8]) {
        match side {
            Side::Source => drop(self.source.remove(key)),
            Side::Target => {
                self.target.remove(key);
                self.now.foreign.remove(key);
            }
        }
        self.disturbed(side, key);
    }

    fn disturbed(&mut self, side: Side, key: &[u8]) {
        match side {
            Side::Source => drop(self.now.steady.remove(key)),
            Side::Target => drop(self.now.touched.insert(key.to_vec())),
        }
    }

    /// The first violation.
    pub fn verdict(&self) -> Result<(), Violation> {
        self.violations.first().map_or(Ok(()), |violation| Err(violation.clone()))
    }
}
