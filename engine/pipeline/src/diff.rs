//! The second stage: two sorted listings, and what earlier runs left known, are joined, and every key is sent to where it is
//! dealt with.

use async_channel::{Receiver, Sender};
use brigade_core::diff::{DiffRules, Next, both, next, only_source, only_target};
use brigade_core::known::{Change, Original};
use brigade_core::{Action, Entry, Key, Known, Shard};
use brigade_state::{KnownPages, Note};

use crate::ctx::Ctx;
use crate::shard::Position;

/// A listing that is read entry by entry.
struct Entries {
    pages: Receiver<Vec<Entry>>,
    page: std::iter::Peekable<std::vec::IntoIter<Entry>>,
}

impl Entries {
    fn new(pages: Receiver<Vec<Entry>>) -> Self {
        Self { pages, page: Vec::new().into_iter().peekable() }
    }

    /// Makes the next entry ready, where there is one.
    async fn fill(&mut self) {
        while self.page.peek().is_none() {
            match self.pages.recv().await {
                Ok(page) => self.page = page.into_iter().peekable(),
                Err(_) => return,
            }
        }
    }

    fn take(&mut self) -> Entry {
        self.page.next().expect("the join saw this entry")
    }
}

/// What is known of the shard's keys, read beside the listings.
struct Records<'a> {
    pages: Option<Box<dyn KnownPages>>,
    page: std::iter::Peekable<std::vec::IntoIter<Known>>,
    shard: &'a Shard,
}

impl<'a> Records<'a> {
    fn new(shard: &'a Shard, cx: &Ctx) -> Self {
        let pages = cx.baseline.as_ref().map(|baseline| baseline.read(shard.range.after.as_ref()));
        Self { pages, page: Vec::new().into_iter().peekable(), shard }
    }

    /// The next record's key, where there is one. Records that cannot be read any more only cost time: they count as ended.
    async fn peek(&mut self) -> Option<&Key> {
        while self.page.peek().is_none() {
            let next = match self.pages.as_mut()?.next().await {
                Ok(Some(page)) => Some(page),
                Ok(None) => None,
                Err(error) => {
                    tracing::warn!(%error, "what earlier runs left known cannot be read on; the rest is compared without it");
                    None
                }
            };
            match next {
                Some(page) => self.page = page.into_iter().peekable(),
                None => self.pages = None,
            }
        }
        let range = &self.shard.range;
        self.page.peek().map(|known| &known.key).filter(|key| !range.is_past(key))
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
}

impl Joined {
    /// Adds another shard's counts.
    pub fn merge(&mut self, other: &Self) {
        self.target_listed += other.target_listed;
        self.known += other.known;
        self.missing += other.missing;
    }
}

/// Joins the two listings into actions, in key order.
pub async fn diff(
    (shard, position): (&Shard, &Position),
    source: Receiver<Vec<Entry>>,
    target: Receiver<Vec<Entry>>,
    rules: &DiffRules,
    output: &Sender<Action>,
    cx: &Ctx,
) -> Joined {
    let (mut source, mut target, mut records) = (Entries::new(source), Entries::new(target), Records::new(shard, cx));
    let mut joined = Joined::default();
    loop {
        tokio::join!(source.fill(), target.fill());
        let (source_key, target_key) = (source.page.peek().map(|entry| &entry.key), target.page.peek().map(|entry| &entry.key));
        let turn = next(source_key, target_key);
        let key = match turn {
            // Where the run was stopped, a key that was not listed is unknown, not missing.
            Next::End if cx.stop.is_cancelled() => return joined,
            Next::End => None,
            Next::Source | Next::Both => source_key.cloned(),
            Next::Target => target_key.cloned(),
        };
        let known = known_of(&mut records, key.as_ref(), turn, &mut joined, cx).await;
        let Some(key) = key else { return joined };
        position.set(&key);
        let action = match turn {
            Next::End => return joined,
            Next::Source => Some(source.take()).filter(|entry| in_size_and_age(entry, cx)).map(|entry| only_source(entry, rules)),
            Next::Target => Some(target.take())
                .filter(|entry| cx.job.delete_excluded || in_size_and_age(entry, cx))
                .map(|entry| only_target(entry, rules)),
            Next::Both => {
                let (source, target) = (source.take(), target.take());
                in_size_and_age(&source, cx).then(|| both(source, target, known, cx.suspects.trust(&key), rules))
            }
        };
        let Some(action) = action else { continue };
        joined.target_listed += u64::from(matches!(turn, Next::Target | Next::Both));
        if output.send(action).await.is_err() {
            return joined;
        }
    }
}

/// Takes the record of `key`, where there is one, and accounts for those before it: no listing has their keys any more. At the
/// end of both listings (`None`) all that are left are such.
async fn known_of(records: &mut Records<'_>, key: Option<&Key>, turn: Next, joined: &mut Joined, cx: &Ctx) -> Option<Known> {
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
