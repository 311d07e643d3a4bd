//! How many requests an endpoint gets at once and in a second: learned, for each class of requests by itself.
//!
//! The controller is pure: it is told what starts and how it ended and what time it is, and says what may start. So a simulated server
//! in a plain loop shows what it does to a real one. For each class it learns how many run at once (`climb`) and, once the server has
//! refused some, at which rate they start (`pace`). Limits that somebody gave hold for the whole endpoint and are never exceeded.
//! Refused writes must not slow reads: providers count them apart.

mod bucket;
mod climb;
mod hedge;
mod pace;

#[cfg(test)]
mod tests;

pub use hedge::HEDGED_BYTES_MAX;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::verdict::Operation;
use bucket::Shared;
use climb::{Changed, Climb};
use hedge::Hedge;
use pace::Pace;

/// Requests that a provider counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Pages of listings.
    List,
    /// Bodies and facts of objects.
    Read,
    /// Whole objects and parts.
    Write,
    /// Deletes, and the opening and closing of uploads.
    Other,
}

impl Class {
    /// All of them, in the order of their indices.
    pub const ALL: [Self; 4] = [Self::List, Self::Read, Self::Write, Self::Other];

    /// In one word: for files and labels.
    pub const fn word(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Write => "write",
            Self::Other => "other",
        }
    }

    /// The class of an operation.
    pub fn of(operation: Operation) -> Self {
        match operation {
            Operation::List => Self::List,
            Operation::Head | Operation::Get => Self::Read,
            Operation::Put | Operation::Part => Self::Write,
            Operation::Delete | Operation::Other => Self::Other,
        }
    }

    /// Its place in [`Class::ALL`].
    pub const fn index(self) -> usize {
        match self {
            Self::List => 0,
            Self::Read => 1,
            Self::Write => 2,
            Self::Other => 3,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "lists",
            Self::Read => "reads",
            Self::Write => "writes",
            Self::Other => "other requests",
        })
    }
}

/// `--concurrency`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtOnce {
    /// Found by trying, up to a limit of its own.
    #[default]
    Auto,
    /// The same, from this many and up to a limit that is given, where each one more is dear and must gain more.
    From {
        /// Where it begins.
        start: usize,
        /// Never more.
        most: usize,
    },
    /// Never more than this, of all classes together.
    Fixed(usize),
}

impl AtOnce {
    /// Most requests that ever run at once.
    pub fn most(self) -> usize {
        Climb::most(self)
    }

    /// The same, and never more than `most` at once, which is at least 1.
    pub fn within(self, most: usize) -> Self {
        match self {
            own if own.most() <= most => own,
            Self::Auto => Self::From { start: Climb::START.min(most), most },
            Self::From { start, .. } => Self::From { start: start.min(most), most },
            Self::Fixed(_) => Self::Fixed(most),
        }
    }
}

/// Where an endpoint asks its clients to begin, in requests a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    /// Reads, and lists.
    pub reads: f64,
    /// Writes, and deletes.
    pub writes: f64,
}

impl Ramp {
    /// "Request rate and access distribution guidelines" of Google Cloud Storage: a bucket begins with about 5,000 reads and
    /// 1,000 writes a second, lists and deletes counted in.
    pub const GOOGLE: Self = Self { reads: 5_000.0, writes: 1_000.0 };
}

/// What somebody gave.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// Requests at once.
    pub at_once: AtOnce,
    /// Most requests in a second, of all classes together.
    pub requests_per_second: Option<f64>,
    /// Where the rates begin.
    pub ramp: Option<Ramp>,
}

/// Whether a request may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It has started.
    Started,
    /// So many run that one has to end first.
    Full,
    /// A rate makes it wait for so long.
    After(Duration),
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a good answer, which moved so many body bytes.
    Good(u64),
    /// The endpoint asked to slow down.
    Refused,
    /// With an error that says nothing of the pace, or by being given up.
    Other,
}

/// The present limits of one class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassState {
    /// The class.
    pub class: Class,
    /// Requests at once.
    pub at_once: usize,
    /// Requests in a second, where a pace is kept.
    pub per_second: Option<f64>,
    /// Why.
    #[serde(serialize_with = "in_words")]
    pub reason: Reason,
    /// When this was so, after the controller began.
    #[serde(skip)]
    pub now: Duration,
}

/// Why a limit is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is known yet.
    Start,
    /// Somebody gave it.
    Given,
    /// It was what held requests back, so more are tried.
    Trying,
    /// The last step up gained so much goodput.
    Climbing {
        /// Of the goodput before.
        percent: u32,
    },
    /// The last step down gained so much goodput: requests had only queued.
    Falling {
        /// Of the goodput before.
        percent: u32,
    },
    /// More brought no more goodput.
    Enough,
    /// More is not tried.
    Most,
    /// The endpoint complained then, after the controller began.
    Throttled {
        /// When.
        at: Duration,
    },
    /// It comes back after a complaint.
    Recovering,
}

impl fmt::Display for ClassState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} at once", self.at_once, self.class)?;
        if let Some(rate) = self.per_second {
            write!(f, ", {rate:.0} a second")?;
        }
        match self.reason {
            Reason::Start => f.write_str(" (start)"),
            Reason::Given => f.write_str(" (as given)"),
            Reason::Trying => f.write_str(" (trying more)"),
            Reason::Climbing { percent } => write!(f, " (climbing: goodput grew {percent} %)"),
            Reason::Falling { percent } => write!(f, " (fewer: goodput grew {percent} %)"),
            Reason::Enough => f.write_str(" (more brought no more)"),
            Reason::Most => f.write_str(" (the most that is tried)"),
            Reason::Throttled { at } => write!(f, " (throttled {:.1} s ago)", self.now.saturating_sub(at).as_secs_f64()),
            Reason::Recovering => f.write_str(" (recovering after a throttle)"),
        }
    }
}

fn in_words<S: serde::Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.word())
}

impl Reason {
    /// In one word, without numbers: for files and labels.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Given => "given",
            Self::Trying => "trying",
            Self::Climbing { .. } => "climbing",
            Self::Falling { .. } => "falling",
            Self::Enough => "enough",
            Self::Most => "most",
            Self::Throttled { .. } => "throttled",
            Self::Recovering => "recovering",
        }
    }
}

/// How often news is told at most: often enough for somebody who watches, too rarely to matter.
const NEWS_EVERY: Duration = Duration::from_secs(1);

/// Decides what may start at one endpoint. All times are measured from when it began.
#[derive(Debug)]
pub struct Controller {
    classes: [ClassControl; 4],
    running: usize,
    most: usize,
    requests: Shared,
    bytes: Shared,
    hedge: Hedge,
    told: Option<Duration>,
}

#[derive(Debug)]
struct ClassControl {
    running: usize,
    climb: Climb,
    pace: Pace,
    /// There is news: where it begins is the first.
    untold: bool,
}

impl Controller {
    /// Begins where nothing is known.
    pub fn new(settings: Settings) -> Self {
        let classes = Class::ALL.map(|class| {
            let rate = settings.ramp.map(|ramp| match class {
                Class::List | Class::Read => ramp.reads,
                Class::Write | Class::Other => ramp.writes,
            });
            let pace = rate.map_or_else(Pace::default, Pace::seeded);
            ClassControl { running: 0, climb: Climb::new(settings.at_once), pace, untold: true }
        });
        Self {
            classes,
            running: 0,
            most: settings.at_once.most(),
            requests: Shared::new(settings.requests_per_second.map(|rate| rate.max(RATE_GIVEN_MIN))),
            bytes: Shared::default(),
            hedge: Hedge::default(),
            told: None,
        }
    }

    /// Body bytes in a second from now on, both ways together; `None` for as many as go.
    pub fn set_bytes_per_second(&mut self, rate: Option<u64>) {
        self.bytes.set_rate(rate.map(|rate| real(rate.max(1))));
    }

    /// Whether there is room for one more of the class, rates aside.
    pub fn has_room(&self, class: Class) -> bool {
        let control = &self.classes[class.index()];
        self.running < self.most && control.running < control.climb.level
    }

    /// Starts a request that will move so many body bytes, if it may start.
    pub fn admit(&mut self, class: Class, bytes: u64, now: Duration) -> Admission {
        let (index, cost) = (class.index(), real(bytes));
        let control = &mut self.classes[index];
        if control.running >= control.climb.level {
            control.climb.waits();
            return Admission::Full;
        }
        if self.running >= self.most {
            return Admission::Full;
        }
        let wait = control.pace.wait(now).max(self.requests.wait(index, 1.0, now)).max(self.bytes.wait(index, cost, now));
        if !wait.is_zero() {
            return Admission::After(wait);
        }
        self.running += 1;
        control.running += 1;
        control.climb.started();
        control.pace.started(now);
        self.requests.charge(index, 1.0);
        self.bytes.charge(index, cost);
        Admission::Started
    }

    /// A request that had started then has ended. The answer is news, where there is some that may be told.
    pub fn ended(&mut self, class: Class, end: End, started: Duration, now: Duration) -> Option<ClassState> {
        self.running -= 1;
        let control = &mut self.classes[class.index()];
        control.running -= 1;
        match end {
            End::Good(bytes) => {
                control.pace.accepted(now);
                if class == Class::Read && bytes <= HEDGED_BYTES_MAX {
                    self.hedge.answered(now.saturating_sub(started));
                }
                control.untold |= control.climb.ended(now.saturating_sub(started), bytes, now) == Changed::Yes;
            }
            End::Refused => control.refused(started, now),
            End::Other => {}
        }
        if !control.untold || self.told.is_some_and(|told| now < told + NEWS_EVERY) {
            return None;
        }
        control.untold = false;
        self.told = Some(now);
        Some(self.state_of(class, now))
    }

    /// How long a small read must have taken before a second request for it may be sent, where one may be sent at all: never to an
    /// endpoint whose reads keep a pace.
    pub fn hedge_after(&self, now: Duration) -> Option<Duration> {
        let paced = self.classes[Class::Read.index()].pace.rate(now).is_some();
        if paced { None } else { self.hedge.after() }
    }

    /// Starts a second request for a read of so many bytes, if it may be sent and may start without waiting.
    pub fn admit_hedge(&mut self, bytes: u64, now: Duration) -> Admission {
        if self.hedge_after(now).is_none() {
            return Admission::Full;
        }
        let admission = self.admit(Class::Read, bytes, now);
        if admission == Admission::Started {
            self.hedge.spend();
        }
        admission
    }

    /// The endpoint refused something within a request that ended well.
    pub fn refused(&mut self, class: Class, now: Duration) {
        self.classes[class.index()].refused(now, now);
    }

    /// The present limits, and why.
    pub fn state(&self, now: Duration) -> [ClassState; 4] {
        Class::ALL.map(|class| self.state_of(class, now))
    }

    fn state_of(&self, class: Class, now: Duration) -> ClassState {
        let control = &self.classes[class.index()];
        let (at_once, reason) = (control.climb.level, control.climb.reason);
        ClassState { class, at_once, per_second: control.pace.rate(now), reason, now }
    }
}

impl ClassControl {
    fn refused(&mut self, started: Duration, now: Duration) {
        if let Some(complaint) = self.pace.refused(started, now) {
            self.climb.cut(complaint.accepted, now);
            self.untold = true;
        }
    }
}

/// Slowest rate that can be given: a request in a quarter of an hour.
const RATE_GIVEN_MIN: f64 = 0.001;

/// The number as a float; from 2^53 on it is rounded.
fn real(number: u64) -> f64 {
    const TWO_POW_32: f64 = 4_294_967_296.0;
    let low = u32::try_from(number & u64::from(u32::MAX)).expect("32 bits are left");
    let high = u32::try_from(number >> 32).expect("32 bits are left");
    f64::from(high) * TWO_POW_32 + f64::from(low)
}
