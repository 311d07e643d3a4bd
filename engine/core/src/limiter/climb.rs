//! How many requests of one class run at once, found by trying.
//!
//! What counts is goodput: work that was answered well, in a second. While the limit is what holds requests back, it doubles as long as
//! goodput grows with it; then it is tried a quarter higher now and then, or lower where requests have begun to queue at the server, and
//! each try is kept only where goodput grew beyond noise. A throttled answer cuts it at once to what the accepted rate needs, and holds it.
//! A limit that was given is never exceeded and never tried: it is only cut, and comes back by quarters.

use std::time::Duration;

use super::bucket::seconds;
use super::{AtOnce, Reason, real};

/// What the first answer to a small request decides in its stead: enough for so many requests a second at that latency, but not more
/// than so many. From 32 on it would take a run of ten thousand objects half its time to find out that the other end is far away.
const SEEDED_PER_SECOND: f64 = 2_500.0;
const SEEDED_MOST: usize = 128;

/// Most requests at once that are tried: 5,000 a second at 50 ms. More sockets would cost more memory than such a server gives back.
const MOST: usize = 256;

/// Least length of a measurement: a hundred timer ticks; and this many latencies, but not more than [`WINDOW_MAX`] for their sake, because
/// requests that started together end together for a while.
const WINDOW: Duration = Duration::from_millis(100);
const WINDOW_LATENCIES: u32 = 4;
const WINDOW_MAX: Duration = Duration::from_secs(1);

/// How many latencies after a change what is measured belongs to it: all that ran has ended, and half of what started since has not.
const SETTLED: f64 = 1.5;

/// A measurement that is not full after so long, or after [`STALE_LATENCIES`], is begun anew: requests were too few.
const STALE: Duration = Duration::from_secs(2);
const STALE_LATENCIES: u32 = 8;

/// Least requests of a measurement: below, one slow answer decides it.
const DONE_MIN: usize = 20;

/// What doubling must gain to be gone on with, and a quarter must gain to be kept: a tenth to a fifth of what it could gain, and more than noise.
const GAINS: Gains = Gains { doubled: 0.10, tried: 0.05 };

/// The same where each one more costs megabytes: a third of what it could gain.
const GAINS_DEAR: Gains = Gains { doubled: 0.30, tried: 0.10 };

#[derive(Clone, Copy, Debug)]
struct Gains {
    doubled: f64,
    tried: f64,
}

/// Measurements between two tries, doubled after each that gained nothing.
const PATIENCE_FIRST: u32 = 4;
const PATIENCE_MAX: u32 = 64;

/// Requests may queue at the server where they take this much longer than the quickest did.
const QUEUED: f64 = 1.3;

/// What the accepted rate needs by Little's law is given this much room, for latencies that vary.
const ROOM: f64 = 1.25;

/// And so much time more, because a pace starts requests in batches, by timers that may be late.
const TIMERS: f64 = 0.010;

/// After a complaint, how long the lowered limit holds before it may climb.
pub(super) const HOLD: Duration = Duration::from_secs(1);

/// Bytes that count as much as one more request: where moving them costs about as much as asking for them.
const BYTES_AS_REQUEST: f64 = 128.0 * 1024.0;

/// The limit of one class.
#[derive(Debug)]
pub(super) struct Climb {
    pub(super) level: usize,
    pub(super) reason: Reason,
    most: usize,
    fixed: bool,
    /// Whether the first latency decides where it begins.
    seeded: bool,
    gains: Gains,
    mode: Mode,
    direction: Direction,
    patience: u32,
    held_until: Duration,
    window: Window,
    latency: Latency,
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    /// The climb at first and after a complaint; `before` is the level that was left and its goodput.
    Doubling { before: Option<(usize, f64)> },
    /// At rest for so many measurements more.
    Steady { goodput: f64, left: u32 },
    /// At a level that is only kept if it gains on what `from` brought.
    Trying { from: usize, goodput: f64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// Seconds.
#[derive(Debug, Default)]
struct Latency {
    mean: Option<f64>,
    least: f64,
}

impl Latency {
    fn add(&mut self, latency: Duration) -> First {
        const WEIGHT: f64 = 1.0 / 16.0;
        let new = latency.as_secs_f64();
        let Some(mean) = self.mean else {
            *self = Self { mean: Some(new), least: new };
            return First::Yes;
        };
        self.least = self.least.min(new);
        self.mean = Some(mean + (new - mean) * WEIGHT);
        First::No
    }

    fn mean(&self) -> f64 {
        self.mean.unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Yes,
    No,
}

/// What one measurement has seen.
#[derive(Debug, Default)]
struct Window {
    from: Duration,
    starts: u32,
    /// Requests that found no room.
    waits: u32,
    done: usize,
    work: f64,
}

impl Climb {
    /// Requests at once where nobody said otherwise, before anything is known: enough for a thousand requests a second at 30 ms.
    pub(super) const START: usize = 32;

    pub(super) fn new(at_once: AtOnce) -> Self {
        let (level, most, fixed, reason) = match at_once {
            AtOnce::Auto => (Self::START, MOST, false, Reason::Start),
            AtOnce::From { start, most } => (start.clamp(1, most.max(1)), most.max(1), false, Reason::Start),
            AtOnce::Fixed(limit) => (limit.max(1), limit.max(1), true, Reason::Given),
        };
        Self {
            level,
            reason,
            most,
            fixed,
            seeded: at_once == AtOnce::Auto,
            gains: if matches!(at_once, AtOnce::From { .. }) { GAINS_DEAR } else { GAINS },
            mode: Mode::Doubling { before: None },
            direction: Direction::Up,
            patience: PATIENCE_FIRST,
            held_until: Duration::ZERO,
            window: Window::default(),
            latency: Latency::default(),
        }
    }

    /// Most requests of all classes together.
    pub(super) fn most(at_once: AtOnce) -> usize {
        Self::new(at_once).most
    }

    /// A request has started.
    pub(super) fn started(&mut self) {
        self.window.starts = self.window.starts.saturating_add(1);
    }

    /// A request has to wait until another one ends.
    pub(super) fn waits(&mut self) {
        self.window.waits = self.window.waits.saturating_add(1);
    }

    /// A request was answered well. Says whether the limit is another now, for good.
    pub(super) fn ended(&mut self, latency: Duration, bytes: u64, now: Duration) -> Changed {
        if self.latency.add(latency) == First::Yes {
            if self.seeded && real(bytes) < BYTES_AS_REQUEST {
                self.level = seeded(self.level, latency);
            }
            self.window.from = now + latency.mul_f64(SETTLED - 1.0);
        }
        if self.fixed {
            return self.recover(now);
        }
        // What ends right after a change had started before it.
        if now < self.window.from {
            return Changed::No;
        }
        self.window.done += 1;
        self.window.work += 1.0 + real(bytes) / BYTES_AS_REQUEST;
        let span = now - self.window.from;
        if span >= WINDOW && self.window.done >= self.level.max(DONE_MIN) {
            let length = WINDOW_MAX.min(seconds(self.latency.mean()) * WINDOW_LATENCIES);
            if span >= length {
                return self.judge(span, now);
            }
        }
        if span > STALE && span > seconds(self.latency.mean()) * STALE_LATENCIES {
            self.window = Window { from: now, ..Window::default() };
        }
        Changed::No
    }

    /// The server complained, having accepted so many requests a second.
    pub(super) fn cut(&mut self, accepted: f64, now: Duration) {
        let needed = whole(accepted * (self.latency.mean() + TIMERS) * ROOM);
        let lowered = if accepted > 0.0 && self.latency.mean.is_some() { needed } else { self.level / 2 };
        // Few may have been accepted because few were sent.
        self.level = lowered.clamp((self.level / 2).max(1), self.level);
        self.reason = Reason::Throttled { at: now };
        self.held_until = now + HOLD;
        self.patience = PATIENCE_FIRST;
        self.direction = Direction::Up;
        self.mode = Mode::Doubling { before: None };
        self.window = Window { from: now, ..Window::default() };
    }

    fn rest(&mut self, goodput: f64, left: u32, now: Duration) {
        self.mode = Mode::Steady { goodput, left };
        self.window = Window { from: now, ..Window::default() };
    }

    /// Goes to another level, which is measured once what runs now has ended.
    fn go(&mut self, level: usize, mode: Mode, now: Duration) {
        self.level = level;
        self.mode = mode;
        self.window = Window { from: now + seconds(self.latency.mean() * SETTLED), ..Window::default() };
    }

    /// A limit that was given comes back by a quarter each quiet second.
    fn recover(&mut self, now: Duration) -> Changed {
        if self.level >= self.most || now < self.held_until {
            return Changed::No;
        }
        self.level = (self.level + (self.most / 4).max(1)).min(self.most);
        self.held_until = now + HOLD;
        self.reason = if self.level == self.most { Reason::Given } else { Reason::Recovering };
        Changed::Yes
    }

    /// Decides at the end of a measurement.
    fn judge(&mut self, span: Duration, now: Duration) -> Changed {
        let window = std::mem::take(&mut self.window);
        self.window.from = now;
        let goodput = window.work / span.as_secs_f64();
        // Where requests rarely had to wait, the limit is not what holds them back.
        let limited = window.waits >= window.starts / 2;
        let held = now < self.held_until;
        match self.mode {
            Mode::Trying { from, goodput: before } => self.tried(from, goodput, before, now),
            _ if held || !limited => Changed::No,
            Mode::Doubling { before } => self.doubled(before, goodput, now),
            Mode::Steady { goodput: before, left } => {
                let mixed = (before * 3.0 + goodput) / 4.0;
                self.mode = Mode::Steady { goodput: mixed, left: left.saturating_sub(1) };
                if left <= 1 {
                    self.attempt(mixed, now);
                }
                Changed::No
            }
        }
    }

    fn doubled(&mut self, before: Option<(usize, f64)>, goodput: f64, now: Duration) -> Changed {
        let gain = before.map(|(_, before)| goodput / before - 1.0);
        if let (Some((level, before)), Some(gain)) = (before, gain)
            && gain < self.gains.doubled
        {
            self.reason = Reason::Enough;
            self.go(level, Mode::Steady { goodput: before, left: self.patience }, now);
            return Changed::Yes;
        }
        self.reason = gain.map_or(Reason::Trying, |gain| Reason::Climbing { percent: percent(gain) });
        if self.level == self.most {
            self.reason = Reason::Most;
            self.rest(goodput, self.patience, now);
        } else {
            self.go((self.level * 2).min(self.most), Mode::Doubling { before: Some((self.level, goodput)) }, now);
        }
        Changed::Yes
    }

    /// Leaves a level for a try.
    fn attempt(&mut self, goodput: f64, now: Duration) {
        let queued = self.latency.mean() >= self.latency.least * QUEUED;
        let down = queued && (self.direction == Direction::Down || self.level == self.most);
        let step = (self.level / 4).max(1);
        let level = if down { self.level - step } else { (self.level + step).min(self.most) };
        if level == self.level || level == 0 {
            self.rest(goodput, self.patience, now);
        } else {
            self.direction = if down { Direction::Down } else { Direction::Up };
            self.go(level, Mode::Trying { from: self.level, goodput }, now);
        }
    }

    fn tried(&mut self, from: usize, goodput: f64, before: f64, now: Duration) -> Changed {
        let gain = goodput / before - 1.0;
        if gain >= self.gains.tried {
            self.patience = PATIENCE_FIRST;
            self.reason = match self.direction {
                _ if self.level == self.most => Reason::Most,
                Direction::Up => Reason::Climbing { percent: percent(gain) },
                Direction::Down => Reason::Falling { percent: percent(gain) },
            };
            self.rest(goodput, 1, now);
            return Changed::Yes;
        }
        self.direction = if self.direction == Direction::Up { Direction::Down } else { Direction::Up };
        self.go(from, Mode::Steady { goodput: before, left: self.patience }, now);
        self.patience = (self.patience * 2).min(PATIENCE_MAX);
        let news = self.reason != Reason::Enough;
        self.reason = Reason::Enough;
        if news { Changed::Yes } else { Changed::No }
    }
}

/// The level doubled until it suffices for the seeded rate: so its steps are those of the climb.
fn seeded(mut level: usize, latency: Duration) -> usize {
    let needed = whole(latency.as_secs_f64() * SEEDED_PER_SECOND).min(SEEDED_MOST);
    while level < needed {
        level *= 2;
    }
    level
}

/// Whether something is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    Yes,
    No,
}

/// A number of requests, rounded up, at least one.
fn whole(requests: f64) -> usize {
    usize::try_from(seconds(requests.min(1e6)).as_secs()).unwrap_or(usize::MAX).saturating_add(1)
}

fn percent(gain: f64) -> u32 {
    u32::try_from(seconds(gain * 100.0).as_secs()).unwrap_or(u32::MAX)
}
