//! How the keyspace is divided among shards that are listed at once, and divided anew while they run.
//!
//! A shard is cut above everything that its join may have decided: whoever is idle takes what lies above the point, and the shard
//! keeps what lies below. Before the join decides anything of the pages at hand it reserves the keys through the last one that
//! they can decide ([`Division::reserve`]), and learns where the shard ends by then; what arrived of keys beyond is dropped, for
//! another shard lists it. So every key is decided by exactly one shard, whoever lists it a second time. Where to cut is a guess
//! (`point`). A bad one costs an empty page, and the number of guesses is bounded by the number of pages, so that a
//! listing never costs much more than it would have cost in one piece.
//!
//! It must never lose a key between two shards: [`Division::is_whole`] says whether the ranges that were dealt with are all of them.

use std::collections::{BTreeMap, VecDeque};

use super::point::{Span, Way, is_border};
use crate::event::Side;
use crate::{Entry, Key, KeyRange, Shard};

/// What bounds a division.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DivisionLimits {
    /// Pages of one side, and one more, before anything is cut: a listing of so many costs not one request more.
    pub pages_before: u64,
    /// Pages that a shard must seem to have before it, to be cut.
    pub pages_ahead_min: u64,
    /// Keys of one shard that is made before anything is listed, from what earlier runs left known.
    pub keys_known_min: u64,
    /// Most shards that are made so.
    pub shards_first_max: usize,
}

impl Default for DivisionLimits {
    /// Most prefixes hold fewer than five pages, and in less than half a second they are listed. Who takes the upper half of eight pages
    /// has four, of which one may be half empty. What is known of 8,000 keys is worth eight pages. With 24 shards a latency of 25 ms is
    /// hidden from the first page on; where it is longer, idle runners cut more.
    fn default() -> Self {
        Self { pages_before: 4, pages_ahead_min: 8, keys_known_min: 8_000, shards_first_max: 24 }
    }
}

/// Keys that divide what earlier runs left known into parts of about the same size, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The last key of each part but the last.
    pub keys: Vec<Key>,
    /// How many keys a part has.
    pub keys_each: u64,
}

impl Marks {
    /// Those between two keys.
    fn within(&self, after: Option<&Key>, through: Option<&Key>) -> &[Key] {
        let start = after.map_or(0, |after| self.keys.partition_point(|mark| mark <= after));
        let end = through.map_or(self.keys.len(), |through| self.keys.partition_point(|mark| mark < through));
        &self.keys[start..end.max(start)]
    }

    /// How many keys are known in a range, each part that begins in it counting as a whole one. `None` where nothing is known.
    fn keys_within(&self, range: &KeyRange) -> Option<u64> {
        let marks = self.within(range.after.as_ref(), range.through.as_ref()).len();
        let parts = u64::try_from(marks).unwrap_or(u64::MAX).saturating_add(1);
        (!self.keys.is_empty()).then(|| parts.saturating_mul(self.keys_each))
    }
}

/// Cuts that are free, if half as many pages have arrived: enough to find out how wide any keyspace is.
const CUTS_FREE: u64 = 48;

/// Pages that earn one cut more: each may cost a page, so that a listing costs some six percent more at most, and the free ones.
const PAGES_EACH_CUT: u64 = 16;

/// Keys of a page that are kept to learn from: a character that is no digit shows up in them, where there is one.
const SEEN_MAX: usize = 16;

/// A keyspace that is being listed in shards.
#[derive(Debug)]
pub struct Division {
    limits: DivisionLimits,
    marks: Marks,
    waiting: VecDeque<Shard>,
    running: BTreeMap<u32, Running>,
    ended: Vec<KeyRange>,
    shards: u32,
    cuts: u64,
    pages: [u64; 2],
    page_keys_max: usize,
}

/// A shard that is being listed.
#[derive(Debug)]
struct Running {
    range: KeyRange,
    /// The last key that its join may have decided.
    reserved: Option<Key>,
    sides: [Listed; 2],
    /// Whether keys are known to lie right above its upper end.
    anchored: Anchored,
    /// How often it was cut without anything being found above.
    misses: u32,
    /// Keys that earlier runs knew in it, about.
    known: u64,
    /// Keys that it seems to have before it.
    ahead: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anchored {
    Yes,
    No,
}

/// One side of a shard, by the pages that have arrived.
#[derive(Debug, Default)]
struct Listed {
    keys: u64,
    page: Option<Page>,
    more: More,
}

/// What is kept of the last page.
#[derive(Debug)]
struct Page {
    keys: u64,
    first: Key,
    last: Key,
    seen: Vec<Key>,
}

/// Whether a side has more pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum More {
    /// It may have: its last page was not as full as others, or none has arrived.
    #[default]
    Perhaps,
    /// Its last page was about as full as any.
    Likely,
    /// It has ended.
    No,
}

impl Division {
    /// Starts with the whole keyspace, in as many shards as what is known is worth.
    pub fn new(limits: DivisionLimits, marks: Marks) -> Self {
        let mut keys: Vec<Key> = marks.keys.into_iter().filter(is_border).collect();
        keys.sort_unstable();
        keys.dedup();
        let marks = Marks { keys, keys_each: marks.keys_each };
        let mut division = Self {
            limits,
            marks,
            waiting: VecDeque::new(),
            running: BTreeMap::new(),
            ended: Vec::new(),
            shards: 0,
            cuts: 0,
            pages: [0; 2],
            page_keys_max: 0,
        };
        let mut after = None;
        for border in division.first_borders() {
            let through = Some(border);
            division.wait(KeyRange { after: after.take(), through: through.clone() });
            after = through;
        }
        division.wait(KeyRange { after, through: None });
        division
    }

    /// Starts with the whole keyspace and never cuts it.
    pub fn undivided() -> Self {
        let never = DivisionLimits { pages_before: u64::MAX, ..DivisionLimits::default() };
        Self::new(never, Marks::default())
    }

    fn first_borders(&self) -> Vec<Key> {
        let marks = &self.marks;
        let parts = marks.keys.len() + 1;
        let known = marks.keys_each.saturating_mul(u64::try_from(parts).unwrap_or(u64::MAX));
        let worth = usize::try_from(known / self.limits.keys_known_min.max(1)).unwrap_or(usize::MAX);
        let shards = worth.min(parts).min(self.limits.shards_first_max).max(1);
        (1..shards).map(|shard| marks.keys[shard * parts / shards - 1].clone()).collect()
    }

    fn wait(&mut self, range: KeyRange) {
        self.waiting.push_back(Shard { id: self.shards, range });
        self.shards += 1;
    }

    /// A shard for somebody who is idle: one that waits, or the upper part of the one that seems to have most before it.
    pub fn take(&mut self) -> Option<Shard> {
        if let Some(shard) = self.waiting.pop_front() {
            let known = self.marks.keys_within(&shard.range).unwrap_or(0);
            self.running.insert(shard.id, Running::new(shard.range.clone(), known));
            return Some(shard);
        }
        self.cut()
    }

    fn cut(&mut self) -> Option<Shard> {
        if self.cuts >= self.cuts_max() {
            return None;
        }
        let least = self.limits.pages_ahead_min.saturating_mul(u64::try_from(self.page_keys_max).unwrap_or(u64::MAX));
        let open = self.running.iter().filter(|(_, shard)| shard.goes_on() && shard.ahead >= least);
        let mut victims: Vec<(u64, u32)> = open.map(|(id, shard)| (shard.ahead, *id)).collect();
        // The lower of two equal ones: its keys are wanted first.
        victims.sort_by_key(|(ahead, id)| (std::cmp::Reverse(*ahead), *id));
        victims.into_iter().find_map(|(_, id)| self.cut_off(id))
    }

    fn cuts_max(&self) -> u64 {
        let pages = self.pages[0].max(self.pages[1]);
        if pages <= self.limits.pages_before { 0 } else { (pages / 2).min(CUTS_FREE + pages / PAGES_EACH_CUT) }
    }

    /// Cuts the upper part off a shard.
    fn cut_off(&mut self, id: u32) -> Option<Shard> {
        let shard = self.running.get_mut(&id)?;
        let (point, way) = shard.point(&self.marks)?;
        let is_mark = self.marks.keys.binary_search(&point).is_ok();
        let above = KeyRange { after: Some(point.clone()), through: shard.range.through.replace(point) };
        shard.misses += 1;
        // At a mark it is known how much lies above; elsewhere half is as good a guess as any.
        let known = match self.marks.keys_within(&above) {
            Some(keys) if is_mark => keys.min(shard.known),
            _ => shard.ahead.min(shard.known) / 2,
        };
        shard.known -= known;
        let upper = Running { anchored: shard.anchored, misses: shard.misses, ..Running::new(above.clone(), known) };
        if way == Way::Depth {
            shard.anchored = Anchored::No;
        }
        shard.look_ahead(&self.marks);
        let upper_id = self.shards;
        self.shards += 1;
        self.cuts += 1;
        self.running.insert(upper_id, upper);
        Some(Shard { id: upper_id, range: above })
    }

    /// A page of one side has arrived. What it holds outside of the shard is taken off it: another shard has it. Says whether the
    /// side goes on after it.
    pub fn arrived(&mut self, id: u32, side: Side, page: &mut Vec<Entry>) -> GoesOn {
        self.page_keys_max = self.page_keys_max.max(page.len());
        self.pages[index(side)] += 1;
        let is_full = page.len().saturating_mul(2) >= self.page_keys_max;
        let Some(shard) = self.running.get_mut(&id) else { return GoesOn::No };
        let is_last = page.last().is_some_and(|last| shard.is_at_end(&last.key));
        page.truncate(page.partition_point(|entry| !shard.range.is_past(&entry.key)));
        page.drain(..page.partition_point(|entry| !shard.range.contains(&entry.key)));
        let is_first = shard.is_empty();
        let listed = &mut shard.sides[index(side)];
        listed.more = match (is_last, is_full) {
            (true, _) => More::No,
            (false, true) => More::Likely,
            (false, false) => More::Perhaps,
        };
        if let Some(kept) = Page::of(page) {
            listed.keys += kept.keys;
            listed.page = Some(kept);
            shard.look_ahead(&self.marks);
            if is_first {
                let after = shard.range.after.clone();
                self.below(after.as_ref(), |below| (below.anchored, below.misses) = (Anchored::Yes, 0));
            }
        }
        if is_last { GoesOn::No } else { GoesOn::Yes }
    }

    /// Whether a side is to be listed on: the shard may have come to end below what has arrived of it.
    pub fn goes_on(&mut self, id: u32, side: Side) -> GoesOn {
        let Some(shard) = self.running.get_mut(&id) else { return GoesOn::No };
        let listed = &shard.sides[index(side)];
        if listed.more == More::No || listed.page.as_ref().is_some_and(|page| shard.is_at_end(&page.last)) {
            shard.sides[index(side)].more = More::No;
            return GoesOn::No;
        }
        GoesOn::Yes
    }

    /// One side of a shard has no more pages.
    pub fn side_ended(&mut self, id: u32, side: Side) {
        if let Some(shard) = self.running.get_mut(&id) {
            shard.sides[index(side)].more = More::No;
            shard.look_ahead(&self.marks);
        }
    }

    /// The join is about to decide the keys through `last`, as far as the shard has them. It may decide none beyond the end that
    /// this returns, also of pages that arrived when the end was higher.
    pub fn reserve(&mut self, id: u32, last: &Key) -> Option<Key> {
        let shard = self.running.get_mut(&id).expect("a shard decides only while it runs");
        if shard.reserved.as_ref().is_none_or(|reserved| reserved < last) {
            shard.reserved = Some(last.clone());
        }
        shard.range.through.clone()
    }

    /// The join has decided every key of a shard: its range, which stays as it is from now on.
    pub fn seal(&mut self, id: u32) -> KeyRange {
        let shard = self.running.get_mut(&id).expect("a shard is sealed while it runs");
        for side in &mut shard.sides {
            side.more = More::No;
        }
        shard.range.clone()
    }

    /// A shard was dealt with to its end.
    pub fn ended(&mut self, id: u32) {
        let Some(shard) = self.running.remove(&id) else { return };
        if shard.is_empty() {
            self.below(shard.range.after.as_ref(), |below| below.anchored = Anchored::No);
        }
        self.ended.push(shard.range);
    }

    /// Tells the shard below the border something.
    fn below(&mut self, border: Option<&Key>, tell: impl FnOnce(&mut Running)) {
        let is_below = |shard: &&mut Running| border.is_some() && shard.range.through.as_ref() == border;
        if let Some(below) = self.running.values_mut().find(is_below) {
            tell(below);
        }
    }

    /// How many shards are being listed.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Whether no shard is left.
    pub fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// Whether the ranges that were dealt with are the whole keyspace, none of it twice.
    pub fn is_whole(&self) -> bool {
        let mut ranges: Vec<&KeyRange> = self.ended.iter().collect();
        ranges.sort_unstable_by(|one, other| one.after.cmp(&other.after));
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return false };
        let join = |pair: &[&KeyRange]| pair[0].through.is_some() && pair[0].through == pair[1].after;
        self.is_over() && first.after.is_none() && last.through.is_none() && ranges.windows(2).all(join)
    }

    /// The lowest shard that was not dealt with to its end: its number and what its range begins after.
    pub fn lowest(&self) -> Option<(u32, Option<Key>)> {
        let waiting = self.waiting.iter().map(|shard| (shard.id, &shard.range.after));
        let running = self.running.iter().map(|(id, shard)| (*id, &shard.range.after));
        waiting.chain(running).min_by(|one, other| one.1.cmp(other.1)).map(|(id, after)| (id, after.clone()))
    }
}

impl Page {
    fn of(page: &[Entry]) -> Option<Self> {
        let (first, last) = (page.first()?, page.last()?);
        let seen = page.iter().step_by(page.len().div_ceil(SEEN_MAX)).map(|entry| entry.key.clone()).collect();
        Some(Self { keys: u64::try_from(page.len()).unwrap_or(u64::MAX), first: first.key.clone(), last: last.key.clone(), seen })
    }
}

impl Running {
    fn new(range: KeyRange, known: u64) -> Self {
        let sides = [Listed::default(), Listed::default()];
        Self { range, reserved: None, sides, anchored: Anchored::No, misses: 0, known, ahead: 0 }
    }

    fn is_at_end(&self, key: &Key) -> bool {
        self.range.through.as_ref().is_some_and(|through| key >= through)
    }

    /// Whether no key of it has arrived.
    fn is_empty(&self) -> bool {
        self.sides.iter().all(|side| side.page.is_none())
    }

    /// Whether it is worth a cut.
    fn goes_on(&self) -> bool {
        self.sides.iter().any(|side| side.more == More::Likely)
    }

    /// The last page of the side that is behind. The join has decided nothing beyond it: what the other side holds there waits.
    /// `None` where a side that has not ended has no page yet.
    fn behind(&self) -> Option<&Page> {
        let open = self.sides.iter().filter(|side| side.more != More::No);
        let pages: Option<Vec<&Page>> = open.map(|side| side.page.as_ref()).collect();
        pages?.into_iter().min_by(|one, other| one.last.cmp(&other.last))
    }

    fn span(&self) -> Option<Span> {
        let page = self.behind()?;
        Span::new(self.low()?, self.range.through.as_ref(), &page.first, &page.seen)
    }

    /// Guesses anew how many keys lie ahead.
    fn look_ahead(&mut self, marks: &Marks) {
        let keys = self.sides[0].keys.max(self.sides[1].keys);
        let seen = || self.span()?.ahead(self.behind()?.keys).into();
        self.ahead = self.known_ahead(keys, marks).or_else(seen).unwrap_or(0);
    }

    /// How many keys earlier runs knew that have not arrived. `None` where far more have arrived than they knew.
    fn known_ahead(&self, keys: u64, marks: &Marks) -> Option<u64> {
        let start = self.range.after.clone();
        let passed = marks.keys_within(&KeyRange { after: start, through: self.low().cloned() })?;
        (keys - keys / 3 <= passed).then(|| self.known.saturating_sub(keys))
    }

    /// The last key that the join may have decided.
    fn low(&self) -> Option<&Key> {
        let last = &self.behind()?.last;
        Some(self.reserved.as_ref().map_or(last, |reserved| reserved.max(last)))
    }

    /// Where to cut.
    fn point(&self, marks: &Marks) -> Option<(Key, Way)> {
        let ahead = marks.within(Some(self.low()?), self.range.through.as_ref());
        if let Some(middle) = ahead.get(ahead.len() / 2) {
            return Some((middle.clone(), Way::Halve));
        }
        let way = match self.anchored {
            Anchored::Yes => Way::Halve,
            Anchored::No if self.misses.is_multiple_of(2) => Way::Depth,
            Anchored::No => Way::Halve,
        };
        self.span()?.point(way).map(|point| (point, way))
    }
}

/// Whether a listing is to be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoesOn {
    /// Its next page may hold keys of the shard.
    Yes,
    /// It has come to the shard's end.
    No,
}

fn index(side: Side) -> usize {
    match side {
        Side::Source => 0,
        Side::Target => 1,
    }
}
