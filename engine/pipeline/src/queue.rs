//! Where runners get their shards, and what they tell each other while they list.
//!
//! It is the keyspace's [`Division`] behind one lock, which is taken a few times for each page and never across an `await`. Whoever
//! is idle waits here for news; each page may make a shard worth a cut. How many shards are listed at once follows from what a
//! page takes to come: where it comes at once, more listings would only hold more memory, for it is the CPU that they wait for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use brigade_core::event::Side;
use brigade_core::shard::{Division, GoesOn};
use brigade_core::{Entry, Key, KeyRange, Shard};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::limits::{PAGE_CPU_TIME, RUNNERS_MIN};

/// How far the join of a shard has come; whoever records tells the journal.
#[derive(Debug, Default)]
pub struct Position(Mutex<Option<Key>>);

impl Position {
    /// The join has come to this key, where it has come to any.
    pub fn set(&self, key: Option<&Key>) {
        if let Some(key) = key {
            *self.0.lock() = Some(key.clone());
        }
    }

    /// Where the join is.
    pub fn get(&self) -> Option<Key> {
        self.0.lock().clone()
    }
}

/// The shards of a run.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    news: Notify,
    runners_max: usize,
}

#[derive(Debug)]
struct State {
    division: Division,
    positions: BTreeMap<u32, Arc<Position>>,
    /// The greatest key that a shard which was dealt with has come to.
    reached: Option<Key>,
    /// What the page that came soonest took.
    page_time_min: Option<Duration>,
}

impl Queue {
    /// Hands out the shards of a division to at most so many runners at once.
    pub fn new(division: Division, runners_max: usize) -> Self {
        let state = State { division, positions: BTreeMap::new(), reached: None, page_time_min: None };
        Self { state: Mutex::new(state), news: Notify::new(), runners_max: runners_max.max(1) }
    }

    /// The next shard, and where its position is to be noted; waits until there is one. `None` when none is left.
    pub async fn take(&self) -> Option<(Shard, Arc<Position>)> {
        loop {
            // From here on no news is missed.
            let news = self.news.notified();
            {
                let mut state = self.state.lock();
                if state.division.is_over() {
                    return None;
                }
                if state.division.running() < self.runners(state.page_time_min)
                    && let Some(shard) = state.division.take()
                {
                    let position = Arc::new(Position::default());
                    state.positions.insert(shard.id, position.clone());
                    // The same news may be worth another one.
                    self.news.notify_one();
                    return Some((shard, position));
                }
            }
            news.await;
        }
    }

    /// How many shards may be listed at once.
    fn runners(&self, page_time_min: Option<Duration>) -> usize {
        let hidden = page_time_min.map_or(0, |time| time.as_nanos() / PAGE_CPU_TIME.as_nanos());
        usize::try_from(hidden).unwrap_or(usize::MAX).max(RUNNERS_MIN).min(self.runners_max)
    }

    /// A page has come after this time: see [`Division::arrived`].
    pub fn arrived(&self, id: u32, side: Side, page: &mut Vec<Entry>, took: Duration) -> GoesOn {
        let mut state = self.state.lock();
        state.page_time_min = Some(state.page_time_min.map_or(took, |least| least.min(took)));
        let goes_on = state.division.arrived(id, side, page);
        drop(state);
        self.news.notify_one();
        goes_on
    }

    /// Whether a side is to be listed on: see [`Division::goes_on`].
    pub fn goes_on(&self, id: u32, side: Side) -> GoesOn {
        self.state.lock().division.goes_on(id, side)
    }

    /// One side of a shard has no more pages.
    pub fn side_ended(&self, id: u32, side: Side) {
        self.state.lock().division.side_ended(id, side);
    }

    /// The join is about to decide the keys through `last`; returns where the shard ends: see [`Division::reserve`].
    pub fn reserve(&self, id: u32, last: &Key) -> Option<Key> {
        self.state.lock().division.reserve(id, last)
    }

    /// Every key of the shard was decided: its range, for good.
    pub fn seal(&self, id: u32) -> KeyRange {
        self.state.lock().division.seal(id)
    }

    /// The shard was dealt with.
    pub fn ended(&self, id: u32) {
        let mut state = self.state.lock();
        state.division.ended(id);
        let position = state.positions.remove(&id).and_then(|position| position.get());
        state.reached = state.reached.take().max(position);
        drop(state);
        self.news.notify_waiters();
    }

    /// Whether the shards that were dealt with are the whole keyspace.
    pub fn is_whole(&self) -> bool {
        self.state.lock().division.is_whole()
    }

    /// The key through which everything has been joined, whatever was joined beyond it.
    pub fn through(&self) -> Option<Key> {
        let state = self.state.lock();
        let Some((id, after)) = state.division.lowest() else { return state.reached.clone() };
        state.positions.get(&id).and_then(|position| position.get()).or(after)
    }
}
