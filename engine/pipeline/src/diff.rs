//! The second stage: two sorted listings, and what earlier runs left known, are joined, and every key is sent to where it is
//! dealt with.

use std::sync::Arc;

use brigade_core::diff::{DiffRules, Next, Weighed, act, next, only_source, only_target, weigh};
use brigade_core::job::Mode;
use brigade_core::known::{Change, Original};
use brigade_core::{Action, Entry, Key, Known, Outcome, Shard};
use brigade_state::{KnownPages, Note};
use tokio::sync::mpsc::Receiver;

use crate::ctx::Ctx;
use crate::limits::OUTCOMES_HELD_MAX;
use crate::queue::{Position, Queue};
use crate::record::Recorder;
use crate::shard::contradiction;
use crate::transfer::{Gone, Lanes};
use crate::twins::are_twins;

/// A listing that is read entry by entry.
struct Entries {
    pages: Receiver<Vec<Entry>>,
    page: std::vec::IntoIter<Entry>,
    /// How many entries of the page are left and lie in the shard.
    left: usize,
    rest: Rest,
    /// The last of them, and the last one of the pages before.
    last: Option<Key>,
    before: Option<Key>,
}

/// Whether pages may follow the one at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Some,
    None,
}

impl Entries {
    fn new(pages: Receiver<Vec<Entry>>) -> Self {
        Self { pages, page: Vec::new().into_iter(), left: 0, rest: Rest::Some, last: None, before: None }
    }

    /// Whether another page has to come before the join can go on.
    fn is_behind(&self) -> bool {
        self.left == 0 && self.rest == Rest::Some
    }

    /// Makes the next entry ready, where there is one.
    async fn fill(&mut self) {
        if !self.is_behind() {
            return;
        }
        match self.pages.recv().await {
            Some(page) => {
                self.before = self.last.take();
                self.last = page.last().map(|entry| entry.key.clone());
                (self.left, self.page) = (page.len(), page.into_iter());
            }
            None => self.rest = Rest::None,
        }
    }

    fn head(&self) -> Option<&Entry> {
        self.page.as_slice()[..self.left].first()
    }

    fn key(&self) -> Option<&Key> {
        self.head().map(|entry| &entry.key)
    }

    /// The last key at hand.
    fn last(&self) -> Option<&Key> {
        self.last.as_ref().filter(|_| self.left > 0)
    }

    /// The last key of this side that the join took, where none is at hand.
    fn passed(&self) -> Option<&Key> {
        self.last.as_ref().filter(|_| self.left == 0)
    }

    /// The shard ends here: what is at hand beyond it is another's, and no page that follows matters.
    fn end_at(&mut self, through: &Key) {
        let inside = self.page.as_slice()[..self.left].partition_point(|entry| entry.key <= *through);
        if inside < self.left {
            self.last = match inside.checked_sub(1) {
                Some(last) => Some(self.page.as_slice()[last].key.clone()),
                None => self.before.take(),
            };
            (self.left, self.rest) = (inside, Rest::None);
        }
    }

    fn take(&mut self) -> Entry {
        self.left -= 1;
        self.page.next().expect("the join saw this entry")
    }

    /// Goes on behind the next entry.
    fn pass(&mut self) {
        drop(self.take());
    }
}

/// What is known of the shard's keys, read beside the listings.
struct Records {
    pages: Option<Box<dyn KnownPages>>,
    page: std::vec::IntoIter<Known>,
    /// Where the shard ends, once that is certain.
    through: Option<Key>,
}

impl Records {
    fn new(shard: &Shard, cx: &Ctx) -> Self {
        let pages = cx.baseline.as_ref().map(|baseline| baseline.read(shard.range.after.as_ref()));
        Self { pages, page: Vec::new().into_iter(), through: None }
    }

    /// Whether there may be records still.
    fn are_left(&self) -> bool {
        self.pages.is_some() || !self.page.as_slice().is_empty()
    }

    /// The next record's key, where there is one. Records that cannot be read any more only cost time: they count as ended.
    async fn peek(&mut self) -> Option<&Key> {
        while self.page.as_slice().is_empty() {
            let next = match self.pages.as_mut()?.next().await {
                Ok(Some(page)) => Some(page),
                Ok(None) => None,
                Err(error) => {
                    tracing::warn!(%error, "what earlier runs left known cannot be read on; the rest is compared without it");
                    None
                }
            };
            match next {
                Some(page) => self.page = page.into_iter(),
                None => self.pages = None,
            }
        }
        let through = self.through.as_ref();
        self.page.as_slice().first().map(|known| &known.key).filter(|key| through.is_none_or(|through| key <= &through))
    }

    fn take(&mut self) -> Known {
        self.page.next().expect("the join saw this record")
    }
}

/// What the join counted, for the guards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// Objects of the target that take part.
    pub target_listed: u64,
    /// Keys of which earlier runs knew an original.
    pub known: u64,
    /// Those of them that the source does not list any more.
    pub missing: u64,
    /// Objects that are to be moved and could be their own copies.
    pub twins: u64,
}

impl Joined {
    /// Adds another shard's counts.
    pub fn merge(&mut self, other: &Self) {
        self.target_listed += other.target_listed;
        self.known += other.known;
        self.missing += other.missing;
        self.twins += other.twins;
    }
}

/// Where the join sends what it decides.
pub struct Outlet {
    /// For what needs requests.
    pub lanes: Lanes,
    /// For everything else.
    pub recorder: Arc<Recorder>,
}

/// What the join of a shard decided by itself and has not recorded yet.
struct Decided<'a> {
    outlet: &'a Outlet,
    held: Vec<Outcome>,
}

impl Decided<'_> {
    /// Takes the outcome of a key that both sides have alike.
    async fn keep(&mut self, outcome: Outcome) {
        self.held.push(outcome);
        self.record_many().await;
    }

    async fn take(&mut self, action: Action) -> Result<(), Gone> {
        self.outlet.lanes.take(action, &mut self.held).await?;
        self.record_many().await;
        Ok(())
    }

    async fn record_many(&mut self) {
        if self.held.len() >= OUTCOMES_HELD_MAX {
            self.record().await;
        }
    }

    async fn record(&mut self) {
        if !self.held.is_empty() {
            self.outlet.recorder.record(&self.held).await;
            self.held.clear();
        }
    }
}

/// Joins the two listings of a shard into actions, in key order. Before it decides anything of the pages at hand it reserves what
/// they can decide; so the shard may be cut meanwhile, and what was cut off is decided elsewhere, once (p09).
pub async fn diff(
    shard: (&Shard, &Queue, &Position),
    source: Receiver<Vec<Entry>>,
    target: Receiver<Vec<Entry>>,
    rules: &DiffRules,
    outlet: &Outlet,
    cx: &Ctx,
) -> Joined {
    let mut decided = Decided { outlet, held: Vec::new() };
    let joined = join(shard, source, target, rules, &mut decided, cx).await;
    decided.record().await;
    joined
}

async fn join(
    (shard, queue, position): (&Shard, &Queue, &Position),
    source: Receiver<Vec<Entry>>,
    target: Receiver<Vec<Entry>>,
    rules: &DiffRules,
    decided: &mut Decided<'_>,
    cx: &Ctx,
) -> Joined {
    let (mut source, mut target, mut records) = (Entries::new(source), Entries::new(target), Records::new(shard, cx));
    let mut joined = Joined::default();
    loop {
        if source.is_behind() || target.is_behind() {
            position.set(come_to(&source, &target));
            // Nothing waits for the next page.
            decided.record().await;
            tokio::join!(source.fill(), target.fill());
            reserve((shard, queue), &mut source, &mut target);
        }
        let turn = next(source.key(), target.key());
        let key = match turn {
            // Where the run was stopped, a key that was not listed is unknown, not missing.
            Next::End if cx.stop.is_cancelled() => return joined,
            Next::End => {
                let range = queue.seal(shard.id);
                position.set(come_to(&source, &target));
                if position.get().is_some_and(|last| range.is_past(&last)) {
                    contradiction("a shard decided a key beyond its end", cx);
                    return joined;
                }
                records.through = range.through;
                None
            }
            Next::Source | Next::Both => source.key(),
            Next::Target => target.key(),
        };
        let known = match records.are_left() {
            true => known_of(&mut records, key, turn, &mut joined, cx).await,
            false => None,
        };
        let action = match turn {
            Next::End => return joined,
            Next::Source => Some(source.take()).filter(|entry| in_size_and_age(entry, cx)).map(|entry| only_source(entry, rules)),
            Next::Target => Some(target.take())
                .filter(|entry| cx.job.delete_excluded || in_size_and_age(entry, cx))
                .map(|entry| only_target(entry, rules)),
            Next::Both => match pair((&mut source, &mut target), known, &mut joined, rules, decided.outlet, cx) {
                Paired::Hidden => None,
                Paired::Act(action) => Some(action),
                Paired::Kept(outcome) => {
                    joined.target_listed += 1;
                    decided.keep(outcome).await;
                    continue;
                }
            },
        };
        let Some(action) = action else { continue };
        joined.target_listed += u64::from(matches!(turn, Next::Target | Next::Both));
        if decided.take(action).await.is_err() {
            return joined;
        }
    }
}

/// The last key that the join took, where a side has none at hand: that side's last, and no other key was taken beyond it.
fn come_to<'a>(source: &'a Entries, target: &'a Entries) -> Option<&'a Key> {
    [source.passed(), target.passed()].into_iter().flatten().max()
}

/// What becomes of a key that both sides have.
enum Paired {
    /// It does not take part.
    Hidden,
    /// They are alike: it is decided, and neither entry was moved.
    Kept(Outcome),
    /// It needs more than a look.
    Act(Action),
}

fn pair(
    (source, target): (&mut Entries, &mut Entries),
    known: Option<Known>,
    joined: &mut Joined,
    rules: &DiffRules,
    outlet: &Outlet,
    cx: &Ctx,
) -> Paired {
    let (ours, theirs) = source.head().zip(target.head()).expect("the join saw both");
    if !in_size_and_age(ours, cx) {
        source.pass();
        target.pass();
        return Paired::Hidden;
    }
    joined.twins += u64::from(cx.job.mode == Mode::Migrate && are_twins(ours, theirs));
    let weighed = weigh(ours, theirs, known.as_ref(), cx.suspects.trust(&ours.key), rules);
    let kept = match weighed {
        Weighed::Keep(same) => outlet.lanes.keep(ours, theirs, same),
        Weighed::Act(_) => None,
    };
    match kept {
        Some(outcome) => {
            source.pass();
            target.pass();
            Paired::Kept(outcome)
        }
        None => Paired::Act(act(weighed, source.take(), target.take(), known, rules)),
    }
}

/// Reserves the keys that can be decided now: through the last one at hand of the side that is behind.
fn reserve((shard, queue): (&Shard, &Queue), source: &mut Entries, target: &mut Entries) {
    let Some(last) = [source.last(), target.last()].into_iter().flatten().min() else { return };
    if let Some(through) = queue.reserve(shard.id, last) {
        source.end_at(&through);
        target.end_at(&through);
    }
}

/// Takes the record of `key`, where there is one, and accounts for those before it: no listing has their keys any more. At the
/// end of both listings (`None`) all that are left are such.
async fn known_of(records: &mut Records, key: Option<&Key>, turn: Next, joined: &mut Joined, cx: &Ctx) -> Option<Known> {
    while let Some(next) = records.peek().await {
        if key.is_some_and(|key| next > key) {
            return None;
        }
        let here = key == Some(next);
        let mut known = records.take();
        if !cx.job.filter.includes_key(known.key.as_bytes()) {
            continue;
        }
        let in_source = here && matches!(turn, Next::Source | Next::Both);
        if in_source && known.original == Original::Deleted {
            is_back(&mut known, cx).await;
        }
        if known.original == Original::Present {
            joined.known += 1;
            joined.missing += u64::from(!in_source);
        }
        // An original that this engine moved is not missed: its copy stays known as long as the target has it.
        let forget = !in_source && (known.original == Original::Present || !here);
        if forget && cx.keeps_state() {
            cx.note(Note::Change(Change::Gone(known.key.clone()))).await;
        }
        if here {
            return Some(known);
        }
    }
    None
}

/// An original that was to be deleted is there: its deletion failed or was cut short, or somebody put it there again. What was
/// tried before the listings has a newer record than this one.
async fn is_back(known: &mut Known, cx: &Ctx) {
    known.original = Original::Present;
    if cx.keeps_state() && !cx.suspects.holds(&known.key) {
        cx.note(Note::Change(Change::Set(known.clone()))).await;
    }
}

/// Size and age are asked of the source where it has the key: a source too small to take part must not make its copy an extra.
fn in_size_and_age(entry: &Entry, cx: &Ctx) -> bool {
    cx.job.filter.includes_size_and_age(entry.size, entry.modified)
}
