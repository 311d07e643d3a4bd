//! Scripted and seeded faults: rules that say which calls go wrong, when, and how.
//!
//! Rules are matched at the world's [door](crate::door), so both servers and the simulated store fail in the same ways. Chance is
//! a function of the seed, the rule, the call and how often that very call came before, never of the order in which concurrent
//! calls arrive: a failing seed fails again.

use crate::world::{Content, mix};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

/// Everything that passes a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// A page of live objects.
    List,
    /// A page of versions.
    ListVersions,
    /// Metadata of an object.
    Head,
    /// Bytes of an object.
    Get,
    /// A whole object written at once.
    Put,
    /// A multipart upload created.
    CreateUpload,
    /// A part written.
    PutPart,
    /// A part copied from another object.
    CopyPart,
    /// An upload published.
    CompleteUpload,
    /// An upload aborted.
    AbortUpload,
    /// The parts of an upload.
    ListParts,
    /// The uploads of a bucket.
    ListUploads,
    /// A server-side copy or rewrite.
    Copy,
    /// Objects composed into one (GCS).
    Compose,
    /// An object renamed (GCS).
    Move,
    /// One object deleted.
    Delete,
    /// A call that deletes many objects.
    DeleteBatch,
    /// One object inside such a call. Not a request of its own.
    DeleteEntry,
    /// Metadata changed.
    Patch,
    /// A resumable session begun (GCS).
    ResumableStart,
    /// A chunk of a resumable session.
    ResumableChunk,
    /// The state of a resumable session asked for.
    ResumableStatus,
    /// Tags read or written.
    Tags,
    /// GetObjectAttributes.
    Attributes,
    /// Anything about buckets.
    Bucket,
    /// Anything else.
    Other,
}

impl Op {
    /// Every operation.
    pub const ALL: [Self; 26] = [
        Self::List,
        Self::ListVersions,
        Self::Head,
        Self::Get,
        Self::Put,
        Self::CreateUpload,
        Self::PutPart,
        Self::CopyPart,
        Self::CompleteUpload,
        Self::AbortUpload,
        Self::ListParts,
        Self::ListUploads,
        Self::Copy,
        Self::Compose,
        Self::Move,
        Self::Delete,
        Self::DeleteBatch,
        Self::DeleteEntry,
        Self::Patch,
        Self::ResumableStart,
        Self::ResumableChunk,
        Self::ResumableStatus,
        Self::Tags,
        Self::Attributes,
        Self::Bucket,
        Self::Other,
    ];
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Action {
    /// Refuses without effect. `code` is the S3 error code, or the reason of a GCS error.
    Status {
        /// The HTTP status.
        status: u16,
        /// The provider's name of the error.
        code: &'static str,
        /// `Retry-After`, seconds.
        retry_after_seconds: Option<u32>,
    },
    /// Closes the connection without effect and without an answer.
    ResetBefore,
    /// Does everything, then closes the connection: the acknowledgement is lost.
    ResetAfter,
    /// Cuts the body of the answer after so many bytes; its headers promise all.
    Truncate {
        /// Bytes that still arrive.
        after_bytes: u64,
    },
    /// Flips a bit of the answer's body on the way, counted modulo its length; its headers are right.
    FlipBit {
        /// Which bit.
        bit: u64,
    },
    /// Stores the object with one bit flipped, after all checks passed.
    FlipStored {
        /// Which bit.
        bit: u64,
    },
    /// Answers a ranged read with 200 and everything.
    IgnoreRange,
    /// Takes no notice of the conditions.
    IgnoreConditions,
    /// Answers a copy or a complete with 200 and an error in the body, without effect.
    ErrorIn200,
    /// Never answers.
    Stall,
    /// Sends so many bytes of the answer's body, then nothing more.
    StallBody {
        /// Bytes that still arrive.
        after_bytes: u64,
    },
    /// Waits before anything happens.
    Delay(Duration),
    /// The object disappears just before.
    Vanish,
    /// Somebody else replaces the object just before.
    OverwriteBefore(Content),
    /// Somebody else replaces the object just after.
    OverwriteAfter(Content),
    /// The uploads of this key expire just before, as under a lifecycle rule.
    ExpireUpload,
    /// Answers a listing of live objects as it was before the bucket's latest changes: new objects are missing, overwritten ones
    /// show their older version, deleted ones are still there. A change is an object that was written or deleted, and
    /// [`CHANGES_KEPT_MAX`](crate::world::CHANGES_KEPT_MAX) are known. Each page is as stale as its own rule says.
    StaleList {
        /// How many of the latest changes the page does not show.
        behind: usize,
    },
}

impl Action {
    /// 503 SlowDown, as S3 throttles.
    pub const SLOW_DOWN: Self = Self::Status { status: 503, code: "SlowDown", retry_after_seconds: None };
    /// 500 InternalError.
    pub const INTERNAL_ERROR: Self = Self::Status { status: 500, code: "InternalError", retry_after_seconds: None };
    /// 403 AccessDenied.
    pub const ACCESS_DENIED: Self = Self::Status { status: 403, code: "AccessDenied", retry_after_seconds: None };
    /// 429, as GCS throttles.
    pub const TOO_MANY_REQUESTS: Self = Self::Status { status: 429, code: "rateLimitExceeded", retry_after_seconds: None };
    /// 409, the lost race of a conditional write on S3.
    pub const CONFLICT: Self = Self::Status { status: 409, code: "ConditionalRequestConflict", retry_after_seconds: None };
}

/// Which keys a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyMatch {
    /// All, and calls without a key.
    Any,
    /// Exactly this one.
    Exactly(Vec<u8>),
    /// Those that start so. For listings the key is the prefix asked for.
    Prefix(Vec<u8>),
    /// A glob: `*` is any run of bytes, `/` included, and `?` any single byte.
    Glob(Vec<u8>),
}

impl KeyMatch {
    fn matches(&self, key: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(exact) => key == exact,
            Self::Prefix(prefix) => key.starts_with(prefix),
            Self::Glob(glob) => glob_matches(glob, key),
        }
    }
}

/// Iterative glob match: on a mismatch the last `*` takes one more byte.
fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut at_glob, mut at_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match glob.get(at_glob) {
            Some(b'*') => {
                star = Some((at_glob, at_text));
                at_glob += 1;
            }
            Some(wanted) if *wanted == b'?' || *wanted == text[at_text] => (at_glob, at_text) = (at_glob + 1, at_text + 1),
            _ => {
                let Some((star_glob, star_text)) = star else { return false };
                star = Some((star_glob, star_text + 1));
                (at_glob, at_text) = (star_glob + 1, star_text + 1);
            }
        }
    }
    glob[at_glob..].iter().all(|byte| *byte == b'*')
}

/// When a rule strikes, among the calls that match it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Occurrence {
    /// Always.
    Every,
    /// The n-th match only, from 1.
    Nth(u64),
    /// The first n matches.
    First(u64),
    /// From the n-th match on.
    From(u64),
    /// The first n calls of each kind at each single key of each bucket: every object suffers, and every object can succeed on a later attempt.
    FirstPerKey(u64),
    /// By chance, so many times in a million, by the seed.
    PerMillion(u32),
}

/// One scripted fault.
#[derive(Clone, Debug)]
pub struct Rule {
    ops: Vec<Op>,
    bucket: Option<String>,
    key: KeyMatch,
    occurrence: Occurrence,
    action: Action,
}

impl Rule {
    /// Strikes at every call of these kinds; an empty list means all kinds.
    pub fn new(ops: &[Op], action: Action) -> Self {
        Self { ops: ops.to_vec(), bucket: None, key: KeyMatch::Any, occurrence: Occurrence::Every, action }
    }

    /// Only in this bucket.
    #[must_use]
    pub fn bucket(mut self, bucket: &str) -> Self {
        self.bucket = Some(bucket.to_owned());
        self
    }

    /// Only at this key.
    #[must_use]
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = KeyMatch::Exactly(key.as_ref().to_vec());
        self
    }

    /// Only at keys that start so.
    #[must_use]
    pub fn prefix(mut self, prefix: impl AsRef<[u8]>) -> Self {
        self.key = KeyMatch::Prefix(prefix.as_ref().to_vec());
        self
    }

    /// Only at keys that the glob matches.
    #[must_use]
    pub fn glob(mut self, glob: impl AsRef<[u8]>) -> Self {
        self.key = KeyMatch::Glob(glob.as_ref().to_vec());
        self
    }

    /// Only so often.
    #[must_use]
    pub fn when(mut self, occurrence: Occurrence) -> Self {
        self.occurrence = occurrence;
        self
    }

    /// Only once, at the first match.
    #[must_use]
    pub fn once(self) -> Self {
        self.when(Occurrence::Nth(1))
    }

    fn matches(&self, op: Op, bucket: &str, key: &[u8]) -> bool {
        (self.ops.is_empty() || self.ops.contains(&op))
            && self.bucket.as_ref().is_none_or(|wanted| wanted == bucket)
            && self.key.matches(key)
    }
}

/// A fault that struck.
#[derive(Clone, Debug)]
pub struct Struck {
    /// The number of the rule, in order of addition since the last clear, from 0.
    pub rule: usize,
    /// The call's kind.
    pub op: Op,
    /// The call's key.
    pub key: Vec<u8>,
}

/// The rules of a world. Rules are added and cleared while servers run.
#[derive(Debug)]
pub struct Faults {
    seed: u64,
    state: Mutex<FaultState>,
}

#[derive(Debug, Default)]
struct FaultState {
    rules: Vec<(Rule, Matches)>,
    struck: Vec<Struck>,
}

/// A call, as far as rules can tell one from another.
struct Call<'a> {
    op: Op,
    bucket: &'a str,
    key: &'a [u8],
}

#[derive(Debug, Default)]
struct Matches {
    all: u64,
    by_call: HashMap<u64, u64>,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, state: Mutex::default() }
    }

    /// Adds a rule; all rules that match a call strike together, in order of addition.
    pub fn add(&self, rule: Rule) {
        self.state.lock().rules.push((rule, Matches::default()));
    }

    /// Removes all rules and forgets what struck.
    pub fn clear(&self) {
        *self.state.lock() = FaultState::default();
    }

    /// What struck so far. A test of a fault asserts that this is not empty.
    pub fn struck(&self) -> Vec<Struck> {
        self.state.lock().struck.clone()
    }

    /// The actions for one call. Counts it as a match of every rule it matches.
    pub fn strike(&self, op: Op, bucket: &str, key: &[u8]) -> Vec<Action> {
        let mut state = self.state.lock();
        let FaultState { rules, struck } = &mut *state;
        let mut actions = Vec::new();
        for (number, (rule, matches)) in rules.iter_mut().enumerate() {
            if !rule.matches(op, bucket, key) {
                continue;
            }
            if matches.strikes(rule.occurrence, self.seed, number, &Call { op, bucket, key }) {
                actions.push(rule.action.clone());
                struck.push(Struck { rule: number, op, key: key.to_vec() });
            }
        }
        actions
    }
}

impl Matches {
    fn strikes(&mut self, occurrence: Occurrence, seed: u64, rule: usize, call: &Call<'_>) -> bool {
        self.all += 1;
        match occurrence {
            Occurrence::Every => true,
            Occurrence::Nth(n) => self.all == n,
            Occurrence::First(n) => self.all <= n,
            Occurrence::From(n) => self.all >= n,
            Occurrence::FirstPerKey(n) => self.count_call(call).1 <= n,
            Occurrence::PerMillion(chance) => {
                let (call, count) = self.count_call(call);
                let rule = u64::try_from(rule).expect("a rule number fits in 64 bits");
                mix(seed ^ mix(rule) ^ mix(call.wrapping_add(count))) % 1_000_000 < u64::from(chance)
            }
        }
    }

    fn count_call(&mut self, call: &Call<'_>) -> (u64, u64) {
        let kind = Op::ALL.iter().position(|other| *other == call.op).and_then(|at| u64::try_from(at).ok()).unwrap_or(u64::MAX);
        // The separator is no byte of a bucket's name.
        let subject = call.bucket.as_bytes().iter().chain(&[0]).chain(call.key);
        let call = subject.fold(mix(kind), |hash, byte| mix(hash ^ u64::from(*byte)));
        let count = self.by_call.entry(call).or_insert(0);
        *count += 1;
        (call, *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(faults: &Faults, op: Op, key: &str) -> bool {
        !faults.strike(op, "b", key.as_bytes()).is_empty()
    }

    #[test]
    fn rules_match_by_kind_key_and_count() {
        let faults = Faults::new(0);
        faults.add(Rule::new(&[Op::Get], Action::ResetBefore).glob("a/*.bin").when(Occurrence::Nth(2)));
        assert!(!strikes(&faults, Op::Get, "a/x.bin"));
        assert!(!strikes(&faults, Op::Put, "a/x.bin"));
        assert!(!strikes(&faults, Op::Get, "b/x.bin"));
        assert!(strikes(&faults, Op::Get, "a/b/y.bin"));
        assert!(!strikes(&faults, Op::Get, "a/x.bin"));
        assert_eq!(faults.struck().len(), 1);
        assert_eq!(faults.struck()[0].key, b"a/b/y.bin");
    }

    #[test]
    fn first_per_key_lets_every_key_succeed_later() {
        let faults = Faults::new(0);
        faults.add(Rule::new(&[], Action::SLOW_DOWN).when(Occurrence::FirstPerKey(2)));
        let outcomes: Vec<bool> = ["a", "b", "a", "a", "b", "b"].map(|key| strikes(&faults, Op::Get, key)).to_vec();
        assert_eq!(outcomes, [true, true, true, false, true, false]);
    }

    #[test]
    fn calls_to_one_bucket_do_not_count_for_another() {
        let faults = Faults::new(0);
        faults.add(Rule::new(&[], Action::SLOW_DOWN).when(Occurrence::FirstPerKey(1)));
        let struck = ["a", "b", "a", "b"].map(|bucket| !faults.strike(Op::Head, bucket, b"k").is_empty());
        assert_eq!(struck, [true, true, false, false]);
    }

    #[test]
    fn chance_depends_on_the_seed_and_not_on_the_order_of_calls() {
        let play = |seed: u64, order: &mut dyn Iterator<Item = u32>| {
            let faults = Faults::new(seed);
            faults.add(Rule::new(&[], Action::ResetBefore).when(Occurrence::PerMillion(300_000)));
            let mut hit: Vec<u32> = order.filter(|key| strikes(&faults, Op::Get, &key.to_string())).collect();
            hit.sort_unstable();
            hit
        };
        let forward = play(5, &mut (0..1000));
        assert_eq!(forward, play(5, &mut (0..1000).rev()));
        assert_ne!(forward, play(6, &mut (0..1000)));
        assert!((200..400).contains(&forward.len()), "{} of 1000 at 30 %", forward.len());
    }

    #[test]
    fn globs() {
        for (glob, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a?c", "a/c", true),
            ("*a*b*", "xxaxxbxx", true),
            ("a", "b", false),
        ] {
            assert_eq!(glob_matches(glob.as_bytes(), text.as_bytes()), expected, "{glob} {text}");
        }
    }
}
