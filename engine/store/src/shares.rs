//! Something limited that several runs use together: object bytes in memory, requests at once.
//!
//! A [`Pool`] has so many units. Each run takes a [`Share`] of it and claims units for as long as it holds a [`Claim`]. Half of the
//! pool is divided into floors, one for each run that may be under way; the other half, and the floors of runs that there are not, is
//! lent. Where there may be one run only, its floor is the whole pool.
//!
//! # Rules
//! - Never are more units held than the pool has, as long as it is not made smaller.
//! - Claims of one share are granted in the order in which they were asked for.
//! - A claim within the floor of its share is granted as soon as that many units are free. What is lent leaves free whatever others
//!   miss of their floors, so it waits at most for claims that were lent before its run began.
//! - Who wants more waits in one line for all shares. Each claim has a stamp, the sum of what its share was granted divided by its weight
//!   (start-time fair queueing); the lowest stamp is first, and nobody borrows before the first in line.
//!
//! # Why nobody waits for ever
//! Whoever holds a claim needs no other one to give it back (that is the caller's part: it claims while it holds nothing that another
//! claim waits for). So everything held is given back in time. The first in line wants at most what there is beside the floors of
//! others, and nobody else borrows meanwhile, so it is granted. A stamp never changes while its claim waits, and every grant to another
//! share raises that one's next stamp by at least one unit divided by its weight, so after finitely many grants it is the lowest.
//! There is no circle: a claim waits for claims that are held, and those wait for nothing.

mod line;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use line::Line;

/// A limited thing. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pool {
    line: Arc<Mutex<Line>>,
}

/// Pools by name, such as one for each endpoint; each is made when it is first asked for. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Pools(Arc<Mutex<BTreeMap<String, Pool>>>);

/// One run's part in it. Cheap to clone; the last clone gives up the floor.
#[derive(Clone, Debug)]
pub struct Share {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: Pool,
    number: u64,
}

/// Units that are held; dropping it gives them back.
#[derive(Debug)]
pub struct Claim {
    share: Share,
    units: u64,
}

impl Pool {
    /// So many units, of which so many shares have a floor: at least one of each.
    pub fn new(units: u64, shares: u64) -> Self {
        Self { line: Arc::new(Mutex::new(Line::new(units, shares))) }
    }

    /// Another size from now on. What is held stays held: a pool that was made smaller lends nothing until enough was given back.
    pub fn resize(&self, units: u64, shares: u64) {
        self.line.lock().resize(units, shares);
    }

    /// A share. Of two that want more than their floors, each gets as much of the rest as its weight says; it never holds more than
    /// `most`.
    pub fn share(&self, most: u64, weight: u64) -> Share {
        let number = self.line.lock().enter(most, weight);
        Share { inner: Arc::new(Inner { pool: self.clone(), number }) }
    }

    /// The most that one claim can ever get while as many shares are taken as have a floor.
    pub fn claim_most(&self) -> u64 {
        self.line.lock().claim_most()
    }

    /// Units that are held.
    pub fn held(&self) -> u64 {
        self.line.lock().held()
    }
}

impl Pools {
    /// The pool of a name, of this size from now on.
    pub fn get(&self, name: &str, units: u64, shares: u64) -> Pool {
        let pool = self.0.lock().entry(name.to_owned()).or_insert_with(|| Pool::new(units, shares)).clone();
        pool.resize(units, shares);
        pool
    }
}

impl Share {
    /// Waits until so many units may be held. A claim on more than there can be takes all of that.
    pub async fn claim(&self, units: u64) -> Claim {
        let mut waiting = {
            let mut line = self.line().lock();
            match line.take(self.inner.number, units) {
                Some(units) => return self.granted(units),
                None => {
                    let (sender, granted) = oneshot::channel();
                    Waiting { place: line.queue(self.inner.number, units, sender), share: self, granted }
                }
            }
        };
        let units = (&mut waiting.granted).await.expect("a place in the line is granted or left, never forgotten");
        self.granted(units)
    }

    /// So many units, if that needs no waiting.
    pub fn try_claim(&self, units: u64) -> Option<Claim> {
        let granted = self.line().lock().take(self.inner.number, units);
        granted.map(|units| self.granted(units))
    }

    /// What it can have at any time.
    pub fn floor(&self) -> u64 {
        self.line().lock().floor_of(self.inner.number)
    }

    fn granted(&self, units: u64) -> Claim {
        Claim { share: self.clone(), units }
    }

    fn line(&self) -> &Mutex<Line> {
        &self.inner.pool.line
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.pool.line.lock().leave(self.number);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.share.line().lock().give_back(self.share.inner.number, self.units);
    }
}

/// A place in the line. Whoever is given up while it waits leaves it, or gives back what was granted a moment before.
struct Waiting<'a> {
    share: &'a Share,
    place: u64,
    granted: oneshot::Receiver<u64>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut line = self.share.line().lock();
        let number = self.share.inner.number;
        // What was received is gone from the channel, and is held by a claim.
        if !line.quit(number, self.place)
            && let Ok(units) = self.granted.try_recv()
        {
            line.give_back(number, units);
        }
    }
}

#[cfg(test)]
mod tests;
