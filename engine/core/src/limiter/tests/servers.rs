//! Servers that refuse, queue, thrash and change their mind.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::world::{Answer, Server};

/// Answers every request after the same time.
pub(super) struct Constant(pub(super) Duration);

impl Server for Constant {
    fn serve(&mut self, now: Duration) -> (Duration, Answer) {
        (now + self.0, Answer::Good)
    }
}

/// Refuses what exceeds a rate; each rate holds from a moment on.
pub(super) struct Capped {
    pub(super) latency: Duration,
    pub(super) rates: Vec<(Duration, f64)>,
    /// How much of the rate may be saved up, in seconds.
    pub(super) burst: f64,
    pub(super) tokens: f64,
    pub(super) at: Duration,
}

impl Capped {
    pub(super) fn new(rate: f64, latency: Duration, burst: f64) -> Self {
        Self { latency, rates: vec![(Duration::ZERO, rate)], burst, tokens: rate * burst, at: Duration::ZERO }
    }

    pub(super) fn then(mut self, from: Duration, rate: f64) -> Self {
        self.rates.push((from, rate));
        self
    }
}

impl Server for Capped {
    fn serve(&mut self, now: Duration) -> (Duration, Answer) {
        let rate = self.rates.iter().rfind(|(from, _)| *from <= now).expect("the first rate holds from the start").1;
        self.tokens = (self.tokens + rate * (now - self.at).as_secs_f64()).min((rate * self.burst).max(1.0));
        self.at = now;
        // A refusal is cheap, and quicker than an answer.
        if self.tokens < 1.0 {
            return (now + self.latency / 4, Answer::Refused);
        }
        self.tokens -= 1.0;
        (now + self.latency, Answer::Good)
    }
}

/// Counts the requests of each second of the clock and refuses those beyond the cap, as a window of a cheap limiter does.
pub(super) struct Windowed {
    pub(super) per_second: u32,
    pub(super) latency: Duration,
    pub(super) second: u64,
    pub(super) count: u32,
}

impl Server for Windowed {
    fn serve(&mut self, now: Duration) -> (Duration, Answer) {
        if now.as_secs() != self.second {
            (self.second, self.count) = (now.as_secs(), 0);
        }
        if self.count == self.per_second {
            return (now + self.latency, Answer::Refused);
        }
        self.count += 1;
        (now + self.latency, Answer::Good)
    }
}

/// Has so many hands; requests queue for them.
pub(super) struct Queueing {
    pub(super) service: Duration,
    pub(super) way: Duration,
    pub(super) free: BinaryHeap<Reverse<Duration>>,
}

impl Queueing {
    pub(super) fn new(hands: usize, service: Duration, way: Duration) -> Self {
        Self { service, way, free: std::iter::repeat_n(Reverse(Duration::ZERO), hands).collect() }
    }
}

impl Server for Queueing {
    fn serve(&mut self, now: Duration) -> (Duration, Answer) {
        let Reverse(free) = self.free.pop().expect("there are hands");
        let done = free.max(now) + self.service;
        self.free.push(Reverse(done));
        (done + self.way, Answer::Good)
    }
}

/// Slows down for all where more than it can hold are there: goodput falls as the square of what is beyond.
pub(super) struct Thrashing {
    pub(super) latency: Duration,
    pub(super) holds: u32,
    pub(super) here: u32,
}

impl Server for Thrashing {
    fn serve(&mut self, now: Duration) -> (Duration, Answer) {
        self.here += 1;
        let load = f64::from(self.here.max(self.holds)) / f64::from(self.holds);
        (now + self.latency.mul_f64(load * load), Answer::Good)
    }

    fn left(&mut self) {
        self.here -= 1;
    }
}

/// Refuses one request in so many for no reason, whatever the rate.
pub(super) struct Moody {
    pub(super) latency: Duration,
    pub(super) every: u32,
    pub(super) count: u32,
}

impl Server for Moody {
    fn serve(&mut self, now: Duration) -> (Duration, Answer) {
        self.count += 1;
        let answer = if self.count.is_multiple_of(self.every) { Answer::Refused } else { Answer::Good };
        (now + self.latency, answer)
    }
}
