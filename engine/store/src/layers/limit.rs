//! Permits for requests at one endpoint: how many at once, how many in a second, how many bytes in a second.
//!
//! What may start is decided by the pure [`Controller`]; here are its clock, its lock and those who wait. Whoever finds room starts at
//! once, unless others of its class wait already. Whoever starts or ends looks whether the next one may start, and wakes it, so one
//! wake-up follows from another and none is lost. Of those whom only a rate holds back, one of each class watches the clock; when it
//! starts, it wakes the next, so a tick of the clock lets a small batch go. Where nobody waits there is no timer.
//!
//! Where several runs have their requests at once together, a permit takes a place among them last, when nothing else holds it back:
//! whoever has a place waits for nobody.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use brigade_core::limiter::{Admission, AtOnce, Class, ClassState, Controller, End, Ramp, Settings};
use brigade_core::units::Timetable;
use jiff::Zoned;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::layers::pacing::Pacer;
use crate::shares::{Claim, Share};

/// Longest wait for a rate before it is looked at again: it may have changed meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How often a timetable is looked at.
const TIMETABLE_EVERY: Duration = Duration::from_secs(1);

/// Limits of one endpoint that somebody gave.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Requests at once.
    pub at_once: AtOnce,
    /// Requests in a second.
    pub requests_per_second: Option<f64>,
    /// Body bytes in a second, both ways together, by local time. A body is charged whole when its request starts, so none is cut
    /// short, and paced while it moves.
    pub bandwidth: Timetable,
    /// Where the endpoint asks its clients to begin.
    pub ramp: Option<Ramp>,
}

impl Limits {
    /// So many at once, and no other limit.
    pub fn at_once(at_once: AtOnce) -> Self {
        Self { at_once, requests_per_second: None, bandwidth: Timetable::constant(None), ramp: None }
    }
}

/// Hands out permits.
pub struct Limiter {
    began: Instant,
    gate: Mutex<Gate>,
    freed: [Notify; CLASSES],
    /// `None` where one rate always holds.
    timetable: Option<Timetable>,
    /// `None` where no rate ever holds.
    pacer: Option<Arc<Pacer>>,
    /// What several runs have together of requests at once.
    places: Option<Share>,
}

const CLASSES: usize = Class::ALL.len();

struct Gate {
    controller: Controller,
    waiting: [usize; CLASSES],
    /// The sum of those.
    waiting_in_all: usize,
    /// Whether one of the class watches the clock.
    watched: [bool; CLASSES],
    timetable_read: Option<Duration>,
}

/// A permit for one attempt. Dropping it gives it back, and says nothing of the endpoint.
pub struct Permit<L: Deref<Target = Limiter>> {
    limiter: L,
    class: Class,
    started: Duration,
    armed: bool,
    /// Held as long as the permit.
    place: Option<Claim>,
}

impl Limiter {
    /// Starts with nothing known but the limits.
    pub fn new(limits: Limits) -> Self {
        let Limits { at_once, requests_per_second, bandwidth, ramp } = limits;
        let mut controller = Controller::new(Settings { at_once, requests_per_second, ramp });
        let (timetable, pacer) = match bandwidth.always() {
            Some(rate) => {
                controller.set_bytes_per_second(rate);
                (None, rate.map(|rate| Arc::new(Pacer::new(Some(rate)))))
            }
            None => (Some(bandwidth), Some(Arc::new(Pacer::new(None)))),
        };
        let gate = Gate { controller, waiting: [0; CLASSES], waiting_in_all: 0, watched: [false; CLASSES], timetable_read: None };
        Self { began: Instant::now(), gate: Mutex::new(gate), freed: Default::default(), timetable, pacer, places: None }
    }

    /// The same limits, and of what several runs have together no more than this share gets: one unit for each request.
    pub fn among(self, places: Share) -> Self {
        Self { places: Some(places), ..self }
    }

    /// Waits until an attempt that moves `bytes` may start.
    pub async fn acquire(&self, class: Class, bytes: u64) -> Permit<&Self> {
        let mut permit = match self.try_own(class, bytes) {
            Some(permit) => permit,
            None => self.wait(class, bytes).await,
        };
        if let Some(places) = &self.places {
            // In a box: a run that shares with none would carry the wait along.
            permit.place = Some(Box::pin(places.claim(1)).await);
            // How long other runs kept it waiting says nothing of the endpoint.
            permit.started = self.now();
        }
        permit
    }

    /// The same for a permit that another task may take along.
    pub async fn acquire_owned(self: &Arc<Self>, class: Class, bytes: u64) -> Permit<Arc<Self>> {
        let mut permit = self.acquire(class, bytes).await;
        permit.armed = false;
        Permit { limiter: self.clone(), class, started: permit.started, armed: true, place: permit.place.take() }
    }

    /// A permit, if one is free and nobody waits for it.
    pub fn try_acquire(&self, class: Class, bytes: u64) -> Option<Permit<&Self>> {
        self.try_own(class, bytes).and_then(|permit| self.try_place(permit))
    }

    fn try_place<'a>(&self, mut permit: Permit<&'a Self>) -> Option<Permit<&'a Self>> {
        if let Some(places) = &self.places {
            permit.place = Some(places.try_claim(1)?);
        }
        Some(permit)
    }

    /// The same by the limits of this run alone.
    fn try_own(&self, class: Class, bytes: u64) -> Option<Permit<&Self>> {
        let now = self.now();
        let mut gate = self.gate.lock();
        if gate.waiting[class.index()] > 0 {
            return None;
        }
        let admission = self.admit(&mut gate, class, bytes, now);
        (admission == Admission::Started).then(|| self.permit(class, now))
    }

    /// How long a small read must have taken before a second request for it may be sent, where one may be sent at all.
    pub(super) fn hedge_after(&self) -> Option<Duration> {
        let now = self.now();
        self.gate.lock().controller.hedge_after(now)
    }

    /// A permit for a second request, if one may be sent now and nobody waits.
    pub(super) fn try_hedge(&self, bytes: u64) -> Option<Permit<&Self>> {
        let now = self.now();
        let mut gate = self.gate.lock();
        if gate.waiting_in_all > 0 {
            return None;
        }
        let admission = gate.controller.admit_hedge(bytes, now);
        drop(gate);
        (admission == Admission::Started).then(|| self.permit(Class::Read, now)).and_then(|permit| self.try_place(permit))
    }

    /// What paces bodies while they move, where a rate is kept.
    pub(super) fn pacer(&self) -> Option<&Arc<Pacer>> {
        self.pacer.as_ref()
    }

    /// The endpoint refused something within a request that ended well.
    pub fn refused(&self, class: Class) {
        self.gate.lock().controller.refused(class, self.now());
    }

    /// The present limits of each class, and why they are so.
    pub fn state(&self) -> [ClassState; CLASSES] {
        let now = self.now();
        self.gate.lock().controller.state(now)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn permit(&self, class: Class, started: Duration) -> Permit<&Self> {
        Permit { limiter: self, class, started, armed: true, place: None }
    }

    async fn wait(&self, class: Class, bytes: u64) -> Permit<&Self> {
        let mut turn = Turn::new(self, class);
        loop {
            // It hears of whatever is freed from here on, also before it is polled.
            let freed = self.freed[class.index()].notified();
            match turn.look(bytes) {
                Look::Started(now) => return self.permit(class, now),
                Look::Wait => freed.await,
                Look::Watch(wait) => {
                    let _ = tokio::time::timeout(wait.min(LOOK_AGAIN), freed).await;
                }
            }
        }
    }

    fn admit(&self, gate: &mut Gate, class: Class, bytes: u64, now: Duration) -> Admission {
        if let Some(timetable) = &self.timetable
            && bytes > 0
            && gate.timetable_read.is_none_or(|read| now >= read + TIMETABLE_EVERY)
        {
            gate.timetable_read = Some(now);
            let rate = timetable.rate(Zoned::now().datetime());
            gate.controller.set_bytes_per_second(rate);
            if let Some(pacer) = &self.pacer {
                pacer.set_rate(rate);
            }
        }
        let admission = gate.controller.admit(class, bytes, now);
        if admission == Admission::Started {
            self.wake(gate, class);
        }
        admission
    }

    /// Wakes one who may start now, or who should watch the clock. Classes take turns, so that none starves behind another.
    fn wake(&self, gate: &Gate, last: Class) {
        if gate.waiting_in_all == 0 {
            return;
        }
        let turns = (1..=CLASSES).map(|step| Class::ALL[(last.index() + step) % CLASSES]);
        for class in turns {
            let index = class.index();
            if gate.waiting[index] > 0 && !gate.watched[index] && gate.controller.has_room(class) {
                self.freed[index].notify_one();
                return;
            }
        }
    }

    fn end(&self, class: Class, started: Duration, end: End) -> Option<ClassState> {
        let now = self.now();
        let mut gate = self.gate.lock();
        let news = gate.controller.ended(class, end, started, now);
        self.wake(&gate, class);
        news
    }
}

/// What one who waits finds.
enum Look {
    Started(Duration),
    /// Until somebody wakes it.
    Wait,
    /// The same, or so long.
    Watch(Duration),
}

/// A place among those who wait. Whoever leaves it, also by being given up, wakes the next.
struct Turn<'a> {
    limiter: &'a Limiter,
    class: Class,
    watches: bool,
}

impl<'a> Turn<'a> {
    fn new(limiter: &'a Limiter, class: Class) -> Self {
        let mut gate = limiter.gate.lock();
        gate.waiting[class.index()] += 1;
        gate.waiting_in_all += 1;
        drop(gate);
        Self { limiter, class, watches: false }
    }

    fn look(&mut self, bytes: u64) -> Look {
        let (limiter, index) = (self.limiter, self.class.index());
        let now = limiter.now();
        let mut gate = limiter.gate.lock();
        if std::mem::take(&mut self.watches) {
            gate.watched[index] = false;
        }
        match limiter.admit(&mut gate, self.class, bytes, now) {
            Admission::Started => Look::Started(now),
            Admission::Full => Look::Wait,
            Admission::After(_) if gate.watched[index] => Look::Wait,
            Admission::After(wait) => {
                (gate.watched[index], self.watches) = (true, true);
                limiter.wake(&gate, self.class);
                Look::Watch(wait)
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut gate = self.limiter.gate.lock();
        gate.waiting[self.class.index()] -= 1;
        gate.waiting_in_all -= 1;
        if self.watches {
            gate.watched[self.class.index()] = false;
        }
        self.limiter.wake(&gate, self.class);
    }
}

impl<L: Deref<Target = Limiter>> Permit<L> {
    /// Gives it back and says how the attempt ended. The answer is news of the limits, where there is some to tell.
    pub fn end(mut self, end: End) -> Option<ClassState> {
        self.armed = false;
        self.limiter.end(self.class, self.started, end)
    }
}

impl<L: Deref<Target = Limiter>> Drop for Permit<L> {
    fn drop(&mut self) {
        if self.armed {
            self.limiter.end(self.class, self.started, End::Other);
        }
    }
}

#[cfg(test)]
mod tests;
