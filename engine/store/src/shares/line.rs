//! The line of a pool: who holds what, who waits, who is next. It is pure but for the wake-ups.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;

/// Stamps are units divided by weights, in parts so small that no usual weight rounds a unit away.
const STAMPS_PER_UNIT: u128 = 64;

/// See the module above.
#[derive(Debug)]
pub(super) struct Line {
    units: u64,
    slots: u64,
    held: u64,
    /// The stamp of the last claim that was lent to one who waited: who comes anew begins there, and has saved nothing up.
    now: u128,
    /// Claims that ever waited: the number of each is its place.
    queued: u64,
    waiting: usize,
    entered: u64,
    members: BTreeMap<u64, Member>,
}

#[derive(Debug)]
struct Member {
    most: u64,
    weight: u64,
    held: u64,
    /// The stamp of its next claim.
    next: u128,
    waiting: VecDeque<Place>,
}

#[derive(Debug)]
struct Place {
    stamp: u128,
    number: u64,
    units: u64,
    granted: oneshot::Sender<u64>,
}

impl Line {
    pub(super) fn new(units: u64, slots: u64) -> Self {
        let members = BTreeMap::new();
        Self { units: units.max(1), slots: slots.max(1), held: 0, now: 0, queued: 0, waiting: 0, entered: 0, members }
    }

    pub(super) fn resize(&mut self, units: u64, slots: u64) {
        (self.units, self.slots) = (units.max(1), slots.max(1));
        self.settle();
    }

    pub(super) fn enter(&mut self, most: u64, weight: u64) -> u64 {
        self.entered += 1;
        let member = Member { most: most.max(1), weight: weight.max(1), held: 0, next: self.now, waiting: VecDeque::new() };
        self.members.insert(self.entered, member);
        self.entered
    }

    pub(super) fn leave(&mut self, number: u64) {
        let gone = self.members.remove(&number).expect("a share leaves once");
        debug_assert!(gone.held == 0 && gone.waiting.is_empty(), "claims keep their share");
        self.settle();
    }

    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// How many shares there may be or are, whichever is more.
    fn shares(&self) -> u64 {
        self.slots.max(u64::try_from(self.members.len()).unwrap_or(u64::MAX))
    }

    /// What each share is sure of: half of the pool in equal parts. One that is alone has all of it.
    fn floor(&self) -> u64 {
        match self.shares() {
            1 => self.units,
            shares => self.units / 2 / shares,
        }
    }

    pub(super) fn floor_of(&self, number: u64) -> u64 {
        self.floor().min(self.member(number).most)
    }

    /// Everything but the floors of the others.
    pub(super) fn claim_most(&self) -> u64 {
        (self.units - self.floor() * (self.shares() - 1)).max(1)
    }

    fn member(&self, number: u64) -> &Member {
        self.members.get(&number).expect("a share is a member as long as it lives")
    }

    fn member_mut(&mut self, number: u64) -> &mut Member {
        self.members.get_mut(&number).expect("a share is a member as long as it lives")
    }

    /// What a claim of a share on so many units gets.
    fn clamped(&self, number: u64, units: u64) -> u64 {
        units.clamp(1, self.claim_most().min(self.member(number).most))
    }

    /// Grants a claim at once, where nobody before it is passed over. How many units it got.
    pub(super) fn take(&mut self, number: u64, units: u64) -> Option<u64> {
        let units = self.clamped(number, units);
        let passes_nobody = self.waiting == 0 || (self.member(number).waiting.is_empty() && self.is_within_floor(number, units));
        (passes_nobody && self.fits(number, units)).then(|| self.grant(number, units))
    }

    /// Queues a claim behind the others of its share. The number of its place.
    pub(super) fn queue(&mut self, number: u64, units: u64, granted: oneshot::Sender<u64>) -> u64 {
        self.queued += 1;
        let (now, place, units) = (self.now, self.queued, self.clamped(number, units));
        let member = self.member_mut(number);
        let stamp = member.next.max(now);
        member.next = stamp + u128::from(units) * STAMPS_PER_UNIT / u128::from(member.weight);
        member.waiting.push_back(Place { stamp, number: place, units, granted });
        self.waiting += 1;
        place
    }

    /// Leaves a place; false where it was granted before.
    pub(super) fn quit(&mut self, number: u64, place: u64) -> bool {
        let member = self.member_mut(number);
        let Some(at) = member.waiting.iter().position(|other| other.number == place) else { return false };
        member.waiting.remove(at);
        self.waiting -= 1;
        self.settle();
        true
    }

    pub(super) fn give_back(&mut self, number: u64, units: u64) {
        self.held -= units;
        self.member_mut(number).held -= units;
        self.settle();
    }

    fn is_within_floor(&self, number: u64, units: u64) -> bool {
        self.member(number).held + units <= self.floor()
    }

    /// Whether a share may have so many more now: within what it may hold, and leaving free what others miss of their floors.
    fn fits(&self, number: u64, units: u64) -> bool {
        let (member, floor) = (self.member(number), self.floor());
        if member.held + units > member.most || self.held + units > self.units {
            return false;
        }
        let others = self.members.iter().filter(|(other, _)| **other != number);
        let missed = || others.map(|(_, other)| floor.min(other.most).saturating_sub(other.held)).sum::<u64>();
        self.is_within_floor(number, units) || self.held + units + missed() <= self.units
    }

    fn grant(&mut self, number: u64, units: u64) -> u64 {
        self.held += units;
        self.member_mut(number).held += units;
        units
    }

    /// Grants what can be granted.
    fn settle(&mut self) {
        while self.waiting > 0
            && let Some(number) = self.next()
        {
            let member = self.member_mut(number);
            let place = member.waiting.pop_front().expect("the next has a place");
            self.waiting -= 1;
            let units = self.clamped(number, place.units);
            // A floor is nobody's turn: whoever has used much of his own would else move the beginning of all who come anew.
            if !self.is_within_floor(number, units) {
                self.now = self.now.max(place.stamp);
            }
            self.grant(number, units);
            place.granted.send(units).expect("whoever waits keeps the other end until it has left the line");
        }
    }

    /// The share whose first claim is granted now: one within its floor, else the one with the lowest stamp, if that fits. A share that
    /// only its own limit holds back is no reason for others to wait.
    fn next(&self) -> Option<u64> {
        let first = |(number, member): (&u64, &Member)| {
            let place = member.waiting.front()?;
            let units = self.clamped(*number, place.units);
            (member.held + units <= member.most).then_some((place.stamp, place.number, *number, units))
        };
        let mut lowest = None;
        for (stamp, place, number, units) in self.members.iter().filter_map(first) {
            if self.is_within_floor(number, units) && self.fits(number, units) {
                return Some(number);
            }
            lowest = Some(
                lowest.map_or((stamp, place, number, units), |lowest: (u128, u64, u64, u64)| lowest.min((stamp, place, number, units))),
            );
        }
        lowest.filter(|(_, _, number, units)| self.fits(*number, *units)).map(|(_, _, number, _)| number)
    }
}
