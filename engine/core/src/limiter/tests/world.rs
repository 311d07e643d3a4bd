//! Clients that always have more to do, their simulated servers, and the time between them: events in a heap, no thread and no clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::limiter::{Admission, Class, Controller, End};

/// Answers requests.
pub(super) trait Server {
    /// When the answer to a request that comes now leaves, and whether it is good.
    fn serve(&mut self, now: Duration) -> (Duration, Answer);

    /// An answer has left.
    fn left(&mut self) {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Good,
    Refused,
}

/// A refused worker comes again after this: the mean of the first pauses.
const PAUSE: Duration = Duration::from_millis(50);

/// Timers fire on whole milliseconds, late rather than early, as tokio's do.
const TICK_MS: u64 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Ended { started: Duration, good: bool },
    Rested,
    Timer,
}

/// What a second saw.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Second {
    pub(super) good: u32,
    pub(super) refused: u32,
    pub(super) running_most: usize,
}

/// Workers that send requests of one class to one server.
pub(super) struct Lane {
    class: Class,
    server: Box<dyn Server>,
    pub(super) seconds: Vec<Second>,
    idle: usize,
    running: usize,
    timer: bool,
}

/// One endpoint and all that talks to it.
pub(super) struct World {
    pub(super) controller: Controller,
    pub(super) lanes: Vec<Lane>,
    pub(super) now: Duration,
    events: BinaryHeap<Reverse<(Duration, u64, usize, Happening)>>,
    number: u64,
}

impl World {
    pub(super) fn new(controller: Controller) -> Self {
        Self { controller, lanes: Vec::new(), now: Duration::ZERO, events: BinaryHeap::new(), number: 0 }
    }

    pub(super) fn with(mut self, class: Class, workers: usize, server: impl Server + 'static) -> Self {
        let server = Box::new(server);
        self.lanes.push(Lane { class, server, seconds: Vec::new(), idle: workers, running: 0, timer: false });
        self
    }

    /// Goes on for so many seconds.
    pub(super) fn run(&mut self, seconds: u64) -> &mut Self {
        let end = self.now + Duration::from_secs(seconds);
        self.start_all(0);
        while let Some(Reverse((at, _, lane, happening))) = self.events.pop() {
            self.now = at;
            self.happen(lane, happening);
            self.start_all(lane + 1);
            if self.events.peek().is_none_or(|Reverse((next, ..))| *next >= end) {
                break;
            }
        }
        self.now = end;
        self
    }

    fn push(&mut self, at: Duration, lane: usize, happening: Happening) {
        self.number += 1;
        self.events.push(Reverse((at, self.number, lane, happening)));
    }

    fn happen(&mut self, index: usize, happening: Happening) {
        let lane = &mut self.lanes[index];
        match happening {
            Happening::Timer => lane.timer = false,
            Happening::Rested => lane.idle += 1,
            Happening::Ended { started, good } => {
                lane.running -= 1;
                lane.server.left();
                self.controller.ended(lane.class, if good { End::Good(0) } else { End::Refused }, started, self.now);
                let second = lane.second(self.now);
                if good {
                    second.good += 1;
                    lane.idle += 1;
                } else {
                    second.refused += 1;
                    self.push(self.now + PAUSE, index, Happening::Rested);
                }
            }
        }
    }

    /// Starts what may start, beginning with this lane, so that all get their turn.
    fn start_all(&mut self, first: usize) {
        let count = self.lanes.len();
        for index in (first..first + count).map(|index| index % count) {
            while let Some((at, happening)) = self.start(index) {
                self.push(at, index, happening);
            }
        }
    }

    /// Starts one request of the lane, or sets its timer.
    fn start(&mut self, index: usize) -> Option<(Duration, Happening)> {
        let lane = &mut self.lanes[index];
        if lane.idle == 0 || lane.timer {
            return None;
        }
        match self.controller.admit(lane.class, 0, self.now) {
            Admission::Full => return None,
            Admission::After(wait) => {
                lane.timer = true;
                let due_ms = u64::try_from((self.now + wait).as_millis()).expect("a test is short") + TICK_MS;
                return Some((Duration::from_millis(due_ms), Happening::Timer));
            }
            Admission::Started => {}
        }
        lane.idle -= 1;
        lane.running += 1;
        let running = lane.running;
        let second = lane.second(self.now);
        second.running_most = second.running_most.max(running);
        let (at, answer) = lane.server.serve(self.now);
        Some((at, Happening::Ended { started: self.now, good: answer == Answer::Good }))
    }
}

impl Lane {
    fn second(&mut self, now: Duration) -> &mut Second {
        let index = usize::try_from(now.as_secs()).expect("a test is short");
        if self.seconds.len() <= index {
            self.seconds.resize(index + 1, Second::default());
        }
        &mut self.seconds[index]
    }

    /// Good answers a second, and the share of refused ones, within these seconds.
    pub(super) fn between(&self, seconds: std::ops::Range<usize>) -> (f64, f64) {
        let count = f64::from(u32::try_from(seconds.len()).expect("a test is short"));
        let within = &self.seconds[seconds];
        let good: f64 = within.iter().map(|second| f64::from(second.good)).sum();
        let refused: f64 = within.iter().map(|second| f64::from(second.refused)).sum();
        (good / count, refused / (good + refused))
    }
}
